//! Exchanges a web identity token for credentials with one unsigned `AssumeRoleWithWebIdentity` call.
//!
//! The token file is read for each attempt, because the kubelet replaces the token at 80 % of its lifetime.
//! [AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).

use std::sync::Arc;

use crate::{
    chain::error::ProviderError,
    clock::Clock,
    plan::{HopName, WebIdentityHop},
    sts::{AssumeRoleWithWebIdentity, Client, Endpoint, Issued},
    token::Claims,
};

/// Number of consecutive failures after which a token that looks expired is sent to STS anyway. Otherwise a wrong
/// clock, on this node or in one STS response, would lock out a valid token permanently.
const SKIP_LOCAL_EXPIRY_CHECK_AFTER: u32 = 4;

impl WebIdentityHop {
    /// Reads the token file and exchanges the token at `endpoint`. `failures` is the number of consecutive failures so far.
    ///
    /// # Errors
    /// Returns an error if the token is missing, malformed or expired, or if STS issues no credentials.
    pub(crate) async fn exchange(
        &self,
        endpoint: &Endpoint,
        client: &Client,
        clock: &dyn Clock,
        hop: &HopName,
        failures: u32,
    ) -> Result<(Issued, crate::arn::SessionName, Arc<Claims>), ProviderError> {
        let token = self.token_file.read()?;
        if failures < SKIP_LOCAL_EXPIRY_CHECK_AFTER {
            self.token_file.refuse_expired(&token, client.sts_clock().time(clock.now()))?;
        }
        let session_name = self.session.session_name.clone().unwrap_or_else(|| token.claims().session_name());
        let request = AssumeRoleWithWebIdentity { session: self.session.parameters(&session_name), token: &token };
        let issued = client
            .assume_role_with_web_identity(endpoint, &request)
            .await
            .map_err(|error| ProviderError::at(hop.clone(), error).about_token(token.claims(), endpoint.is_aws()))?;
        Ok((issued, session_name, Arc::new(token.claims().clone())))
    }
}
