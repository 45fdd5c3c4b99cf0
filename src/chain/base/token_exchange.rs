//! Web identity token and role ARN → credentials, by one unsigned call.
//!
//! The token is read from its file for every attempt: the kubelet replaces it at 80 % of its life.

use std::sync::Arc;

use crate::{
    chain::error::ProviderError,
    clock::Clock,
    plan::{HopName, WebIdentityHop},
    sts::{AssumeRoleWithWebIdentity, Client, Issued},
    token::Claims,
};

/// After so many refusals in a row a token that looks expired is shown to STS all the same: a wrong clock, on this node or in one
/// answer, must not lock a good token out for ever.
const SKIP_LOCAL_EXPIRY_CHECK_AFTER: u32 = 4;

impl WebIdentityHop {
    /// Exchanges the token as it stands in its file now; `failures` is how often that failed in a row.
    ///
    /// # Errors
    /// Where there is no usable token or STS gives no credentials.
    pub(crate) async fn exchange(
        &self,
        client: &Client,
        clock: &dyn Clock,
        hop: &HopName,
        failures: u32,
    ) -> Result<(Issued, crate::arn::SessionName, Arc<Claims>), ProviderError> {
        let token = self.token_file.read()?;
        if failures < SKIP_LOCAL_EXPIRY_CHECK_AFTER {
            self.token_file.refuse_expired(&token, client.sts_clock().earliest(clock.now()))?;
        }
        let session_name = self.session.session_name.clone().unwrap_or_else(|| token.claims().session_name());
        let request = AssumeRoleWithWebIdentity { session: self.session.parameters(&session_name), token: &token };
        let issued = client
            .assume_role_with_web_identity(&self.session.endpoint, &request)
            .await
            .map_err(|error| ProviderError::at(hop.clone(), error))?;
        Ok((issued, session_name, Arc::new(token.claims().clone())))
    }
}
