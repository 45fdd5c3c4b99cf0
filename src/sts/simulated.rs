//! A transport to an STS that exists only in a simulation. The requests and the responses are complete: only the network is missing.

use std::{pin::Pin, sync::Arc, time::SystemTime};

use http::HeaderMap;

use super::{Endpoint, StsError, request::Form, transport::PostForms, transport::Received};
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
            let action = if is_web_identity { "AssumeRoleWithWebIdentity" } else { "AssumeRole" };
            let (status, date, body) = match self.0.answer(&endpoint.url).await {
                Answer::Issued { now, expiry } => (200, Some(now), credentials(action, expiry)),
                Answer::Throttled => (400, None, THROTTLING.to_owned()),
                Answer::NotReached => return Err(StsError::not_reached(endpoint, "no connection within 2 s")),
            };
            Ok(Received { status, request_id: None, date, retry_after: None, body: body.into_bytes().into() })
        })
    }

    fn with_proxy(&self, _endpoint: &Endpoint, error: StsError) -> StsError {
        error
    }
}

const THROTTLING: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message>\
                          </Error></ErrorResponse>";

fn credentials(action: &str, expiry: SystemTime) -> String {
    let expiry = Expiry::from(expiry);
    format!(
        "<{action}Response><{action}Result><Credentials><AccessKeyId>ASIASIMULATED</AccessKeyId>\
         <SecretAccessKey>simulated</SecretAccessKey><SessionToken>simulated</SessionToken>\
         <Expiration>{expiry}</Expiration></Credentials></{action}Result></{action}Response>"
    )
}
