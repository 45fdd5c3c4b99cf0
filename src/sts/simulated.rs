//! A transport to an STS that exists only in a simulation. Requests and credentials are complete documents: only the network is missing.

use std::{pin::Pin, sync::Arc, time::SystemTime};

use http::HeaderMap;

use super::{Action, Endpoint, Refusal, StsError, request::Form, transport::PostForms, transport::Received};
use crate::credentials::Expiry;

/// A simulated STS.
pub(crate) trait Service: Send + Sync {
    /// Answers a request to the URL.
    fn answer<'a>(&'a self, url: &'a str) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Credentials, with the time of the answer and that of their expiry.
    Issued { now: SystemTime, expiry: SystemTime },
    /// There were too many calls.
    Throttled,
    /// STS does not respond.
    NotReached,
}

/// Sends requests to a [`Service`].
pub(super) struct Transport(pub(super) Arc<dyn Service>);

impl PostForms for Transport {
    fn post<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        form: Form,
        _headers: HeaderMap,
    ) -> Pin<Box<dyn Future<Output = Result<Received, StsError>> + Send + 'a>> {
        Box::pin(async move {
            let is_web_identity = form.as_bytes().starts_with(b"Action=AssumeRoleWithWebIdentity&");
            let action = if is_web_identity { Action::AssumeRoleWithWebIdentity } else { Action::AssumeRole };
            match self.0.answer(&endpoint.url).await {
                Answer::Issued { now, expiry } => Ok(Received {
                    status: 200,
                    request_id: None,
                    date: Some(now),
                    retry_after: None,
                    body: credentials(action.as_str(), expiry).into_bytes().into(),
                }),
                Answer::Throttled => Err(StsError::Refused(throttling(action))),
                Answer::NotReached => Err(StsError::not_reached(endpoint, "no connection within 2 s")),
            }
        })
    }

    fn with_proxy(&self, _endpoint: &Endpoint, error: StsError) -> StsError {
        error
    }
}

/// Returns what the client makes of the error document. A storm causes a million of them, and to parse them takes a quarter of the time.
fn throttling(action: Action) -> Refusal {
    Refusal {
        action,
        status: 400,
        code: "Throttling".to_owned(),
        message: "Rate exceeded".to_owned(),
        request_id: None,
        date: None,
        retry_after: None,
    }
}

fn credentials(action: &str, expiry: SystemTime) -> String {
    let expiry = Expiry::from(expiry);
    format!(
        "<{action}Response><{action}Result><Credentials><AccessKeyId>ASIASIMULATED</AccessKeyId>\
         <SecretAccessKey>simulated</SecretAccessKey><SessionToken>simulated</SessionToken>\
         <Expiration>{expiry}</Expiration></Credentials></{action}Result></{action}Response>"
    )
}
