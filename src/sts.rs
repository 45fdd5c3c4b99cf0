//! The STS client: three actions over one transport.
//!
//! Input: a request and the endpoint that it goes to. Output: credentials that STS issued, or an error that says what
//! the caller does next. One call is one attempt, with 2 s to connect and 10 s in all; whoever calls decides about another.
//! A token goes into a form body, never into a URL.
//! [API reference](https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html).

pub(crate) mod cause;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod reach;
pub(crate) mod recovery;
mod refusal;
mod request;
mod response;
mod sign;
mod transport;

use std::sync::Arc;

pub(crate) use endpoint::Endpoint;
pub(crate) use error::StsError;
pub(crate) use refusal::Refusal;
pub(crate) use request::{AssumeRole, AssumeRoleWithWebIdentity, SessionParameters, Tag};
pub(crate) use response::{CallerIdentity, Issued};
pub(crate) use transport::Proxies;

use crate::{
    clock::{Clock, StsClock},
    credentials::Credentials,
    scrubber::Scrubber,
    sts::{request::Form, response::StsResponse, transport::Transport},
};

/// What is asked of STS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A web identity token for a role's credentials; nothing signs the call.
    AssumeRoleWithWebIdentity,
    /// Credentials for those of another role.
    AssumeRole,
    /// Whose credentials signed the call.
    GetCallerIdentity,
}

impl Action {
    /// Its name on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Self::AssumeRole => "AssumeRole",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }
}

/// A client for one set of roots and proxies; its connections are shared by every endpoint.
pub(crate) struct Client {
    transport: Transport,
    clock: Arc<dyn Clock>,
    sts_clock: Arc<StsClock>,
}

impl Client {
    /// A client that trusts `tls`'s roots and tells `sts_clock` what time STS says it is.
    ///
    /// # Errors
    /// Where a proxy's URL is none.
    pub(crate) fn new(
        tls: rustls::ClientConfig,
        proxies: &Proxies,
        clock: Arc<dyn Clock>,
        sts_clock: Arc<StsClock>,
    ) -> Result<Self, crate::arn::NotValid> {
        Ok(Self { transport: Transport::new(tls, proxies)?, clock, sts_clock })
    }

    /// STS's time, as far as its answers told it.
    pub(crate) fn sts_clock(&self) -> &StsClock {
        &self.sts_clock
    }

    /// [AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html):
    /// unsigned, since the token is the proof.
    ///
    /// # Errors
    /// Where STS was not reached, refused, or answered with something else.
    pub(crate) async fn assume_role_with_web_identity(
        &self,
        endpoint: &Endpoint,
        request: &AssumeRoleWithWebIdentity<'_>,
    ) -> Result<Issued, StsError> {
        let scrubber = Scrubber::new([request.token.expose()]);
        let action = Action::AssumeRoleWithWebIdentity;
        let answer = self.post(endpoint, action, request.form(), None, &scrubber).await?;
        self.issued(endpoint, answer, action, request.session.role_arn)
    }

    /// [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html), signed with `signer`.
    ///
    /// # Errors
    /// Where STS was not reached, refused, or answered with something else.
    pub(crate) async fn assume_role(
        &self,
        endpoint: &Endpoint,
        signer: &Credentials,
        request: &AssumeRole<'_>,
    ) -> Result<Issued, StsError> {
        let scrubber = Scrubber::new([signer.expose_secret_access_key(), signer.expose_session_token()]);
        let answer = self.post(endpoint, Action::AssumeRole, request.form(), Some(signer), &scrubber).await?;
        self.issued(endpoint, answer, Action::AssumeRole, request.session.role_arn)
    }

    /// [GetCallerIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html), signed with
    /// `signer`: whom STS takes it for. No permission is needed.
    ///
    /// # Errors
    /// Where STS was not reached, refused, or answered with something else.
    pub(crate) async fn caller_identity(
        &self,
        endpoint: &Endpoint,
        signer: &Credentials,
    ) -> Result<CallerIdentity, StsError> {
        let scrubber = Scrubber::new([signer.expose_secret_access_key(), signer.expose_session_token()]);
        let form = request::caller_identity();
        let answer = self.post(endpoint, Action::GetCallerIdentity, form, Some(signer), &scrubber).await?;
        answer.caller_identity().map_err(|why| StsError::not_an_answer(endpoint, why))
    }

    /// Learns STS's time: whatever it answers to an unsigned question, it says when.
    pub(crate) async fn ask_time(&self, endpoint: &Endpoint) {
        let form = request::caller_identity();
        let _ = self.post(endpoint, Action::GetCallerIdentity, form, None, &Scrubber::new([])).await;
    }

    /// Posts a form and reads the whole answer; an error document is an error here.
    async fn post(
        &self,
        endpoint: &Endpoint,
        action: Action,
        form: Form,
        signer: Option<&Credentials>,
        scrubber: &Scrubber<'_>,
    ) -> Result<StsResponse, StsError> {
        let headers = match signer {
            None => Vec::new(),
            Some(signer) => sign::headers(endpoint, &form, signer, self.sts_clock.time(self.clock.now())),
        };
        let received = self.transport.post(endpoint, form, headers).await?;
        let answer = StsResponse::of(received, endpoint, action, scrubber);
        if let Some(date) = answer.as_ref().map_or_else(StsError::date, |answer| answer.date) {
            self.sts_clock.learn(date, self.clock.now());
        }
        answer
    }

    fn issued(
        &self,
        endpoint: &Endpoint,
        answer: StsResponse,
        action: Action,
        role_arn: &crate::arn::RoleArn,
    ) -> Result<Issued, StsError> {
        answer
            .issued(action, role_arn, self.sts_clock.time(self.clock.now()))
            .map_err(|why| StsError::not_an_answer(endpoint, why))
    }
}
