//! The STS client: AssumeRoleWithWebIdentity, AssumeRole and GetCallerIdentity over one HTTP transport.
//!
//! Input: a request and an endpoint. Output: credentials issued by STS, or an error from which the caller derives how
//! to recover. Each call is one attempt, limited to 2 s for the connection and 10 s in total; the caller decides
//! whether to retry. Tokens are sent in the form body, never in a URL.
//!
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
#[cfg(any(test, simulation))]
pub(crate) mod simulated;
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
    sts::{
        request::Form,
        response::StsResponse,
        transport::{PostForms, Transport},
    },
};

/// An STS action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Exchanges a web identity token for a role's credentials. The request is not signed.
    AssumeRoleWithWebIdentity,
    /// Exchanges credentials for those of another role.
    AssumeRole,
    /// Returns the identity whose credentials signed the request.
    GetCallerIdentity,
}

impl Action {
    /// Returns the value of the request's `Action` parameter.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Self::AssumeRole => "AssumeRole",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }
}

/// An STS client with one set of root certificates and proxies. All endpoints share its connection pool.
pub(crate) struct Client {
    transport: Box<dyn PostForms>,
    clock: Arc<dyn Clock>,
    sts_clock: Arc<StsClock>,
}

impl Client {
    /// Creates a client that verifies servers with `tls` and records STS's time in `sts_clock`.
    ///
    /// # Errors
    /// Returns an error if a proxy URL is invalid or TLS cannot be set up.
    pub(crate) fn new(
        tls: rustls::ClientConfig,
        proxies: &Proxies,
        clock: Arc<dyn Clock>,
        sts_clock: Arc<StsClock>,
    ) -> Result<Self, crate::arn::NotValid> {
        let transport = Box::new(Transport::new(tls, proxies, Arc::clone(&clock))?);
        Ok(Self { transport, clock, sts_clock })
    }

    /// Creates a client of an STS that exists only in a simulation.
    #[cfg(any(test, simulation))]
    pub(crate) fn simulated(
        service: Arc<dyn simulated::Service>,
        clock: Arc<dyn Clock>,
        sts_clock: Arc<StsClock>,
    ) -> Self {
        Self { transport: Box::new(simulated::Transport(service)), clock, sts_clock }
    }

    /// Returns STS's clock, estimated from the `Date` headers of its responses.
    pub(crate) fn sts_clock(&self) -> &StsClock {
        &self.sts_clock
    }

    /// [AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html):
    /// unsigned, because the token authenticates the request.
    ///
    /// # Errors
    /// Returns an error if STS cannot be reached, refuses the request or returns an invalid response.
    pub(crate) async fn assume_role_with_web_identity(
        &self,
        endpoint: &Endpoint,
        request: &AssumeRoleWithWebIdentity<'_>,
    ) -> Result<Issued, StsError> {
        let scrubber = Scrubber::new([request.token.expose()]);
        let action = Action::AssumeRoleWithWebIdentity;
        let response = self.post(endpoint, action, request.form(), None, &scrubber).await?;
        self.issued(endpoint, response, action, request.session.role_arn)
    }

    /// [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html), signed with `signer`.
    ///
    /// # Errors
    /// Returns an error if STS cannot be reached, refuses the request or returns an invalid response.
    pub(crate) async fn assume_role(
        &self,
        endpoint: &Endpoint,
        signer: &Credentials,
        request: &AssumeRole<'_>,
    ) -> Result<Issued, StsError> {
        let scrubber = Scrubber::new([signer.expose_secret_access_key(), signer.expose_session_token()]);
        let response = self.post(endpoint, Action::AssumeRole, request.form(), Some(signer), &scrubber).await?;
        self.issued(endpoint, response, Action::AssumeRole, request.session.role_arn)
    }

    /// [GetCallerIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html), signed with
    /// `signer`. The action requires no permissions.
    ///
    /// # Errors
    /// Returns an error if STS cannot be reached, refuses the request or returns an invalid response.
    pub(crate) async fn caller_identity(
        &self,
        endpoint: &Endpoint,
        signer: &Credentials,
    ) -> Result<CallerIdentity, StsError> {
        let scrubber = Scrubber::new([signer.expose_secret_access_key(), signer.expose_session_token()]);
        let form = request::caller_identity();
        let response = self.post(endpoint, Action::GetCallerIdentity, form, Some(signer), &scrubber).await?;
        response.caller_identity().map_err(|reason| StsError::invalid_response(endpoint, reason))
    }

    /// Learns STS's time from the `Date` header of its response to an unsigned request. An error response has one too.
    pub(crate) async fn learn_time(&self, endpoint: &Endpoint) {
        let form = request::caller_identity();
        let _ = self.post(endpoint, Action::GetCallerIdentity, form, None, &Scrubber::new([])).await;
    }

    /// Posts a form, reads the whole response and records its `Date`. Returns an error response as `StsError::Refused`.
    async fn post(
        &self,
        endpoint: &Endpoint,
        action: Action,
        form: Form,
        signer: Option<&Credentials>,
        scrubber: &Scrubber<'_>,
    ) -> Result<StsResponse, StsError> {
        let headers = match signer {
            None => http::HeaderMap::new(),
            Some(signer) => sign::headers(endpoint, &form, signer, self.sts_clock.time(self.clock.now()))
                .ok_or_else(|| StsError::not_reached(endpoint, "the request cannot be signed"))?,
        };
        let received = self.transport.post(endpoint, form, headers).await;
        let response = received
            .and_then(|received| StsResponse::from_http(received, endpoint, action, scrubber))
            .map_err(|error| self.transport.with_proxy(endpoint, error));
        if let Some(date) = response.as_ref().map_or_else(StsError::date, |response| response.date) {
            self.sts_clock.learn(date, self.clock.now());
        }
        response
    }

    fn issued(
        &self,
        endpoint: &Endpoint,
        response: StsResponse,
        action: Action,
        role_arn: &crate::arn::RoleArn,
    ) -> Result<Issued, StsError> {
        // The later of the two times, so that a wrong one does not prolong the lifetime.
        let estimate = self.sts_clock.time(self.clock.now());
        let sts_time = response.date.map_or(estimate, |date| date.max(estimate));
        response.issued(action, role_arn, sts_time).map_err(|reason| StsError::invalid_response(endpoint, reason))
    }
}

/// Parses a response as [`Client`] does. Returns the credentials, or the caller's ARN for `GetCallerIdentity`.
#[cfg(fuzzing)]
pub(crate) fn parse_response(
    (status, body): (u16, &[u8]),
    action: Action,
    role_arn: &crate::arn::RoleArn,
    now: std::time::SystemTime,
    scrubber: &Scrubber<'_>,
) -> Result<Result<Issued, CallerIdentity>, StsError> {
    let endpoint = Endpoint { url: "https://sts.amazonaws.com/".into(), signing_region: "us-east-1".into() };
    let body = body.to_vec().into();
    let received = transport::Received { status, request_id: None, date: None, retry_after: None, body };
    let response = StsResponse::from_http(received, &endpoint, action, scrubber)?;
    match action {
        Action::GetCallerIdentity => response.caller_identity().map(Err),
        _ => response.issued(action, role_arn, now).map(Ok),
    }
    .map_err(|reason| StsError::invalid_response(&endpoint, reason))
}
