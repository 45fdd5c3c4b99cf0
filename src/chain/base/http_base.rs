//! HTTP to a base on this machine or its host: through no proxy, over a connection that is not kept for the half hour until
//! the next fetch.

use std::{path::Path, time::SystemTime};

use reqwest::RequestBuilder;
use zeroize::Zeroizing;

use crate::{
    chain::{
        base::credentials_document::{self, Dialect, DocumentError},
        error::{BaseError, BaseFault},
    },
    credentials::Credentials,
    http::{
        client::{BodyError, CallLimits},
        tls,
    },
    scrubber::Scrubber,
};

/// One base that speaks HTTP, for the length of a fetch.
pub(super) struct HttpBase {
    client: reqwest::Client,
    bounds: CallLimits,
    /// What it is and where, for messages.
    name: String,
    /// What to check where it cannot be reached.
    help: &'static str,
}

/// What came back.
pub(super) struct BaseResponse {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl HttpBase {
    pub(super) fn new(
        name: String,
        help: &'static str,
        bounds: CallLimits,
        ca_bundle: Option<&Path>,
    ) -> Result<Self, BaseError> {
        let configuration = |what: String| BaseError { what, help, fault: BaseFault::Configuration };
        let roots = tls::client_config(ca_bundle).map_err(|error| configuration(format!("{name}: {error}")))?;
        let client = bounds.client(roots).pool_max_idle_per_host(1).build();
        let client = client.map_err(|error| configuration(format!("{name}: TLS cannot be set up: {error}")))?;
        Ok(Self { client, bounds, name, help })
    }

    pub(super) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Sends a request and reads the whole answer. One that says "later" is an error here. What the request shows, an answer may
    /// repeat: `scrubber` knows it.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        scrubber: &Scrubber<'_>,
    ) -> Result<BaseResponse, BaseError> {
        let cut = |why: String| self.error(BaseFault::Unavailable, format!("was not reached: {why}"), self.help);
        let mut response = request.send().await.map_err(|error| cut(self.bounds.describe(&error)))?;
        let body = self.bounds.read(&mut response).await.map_err(|broken| match broken {
            BodyError::Cut(why) => cut(why),
            BodyError::TooLarge(most) => self.no_answer(format!("gave an answer of more than {most} bytes")),
        })?;
        let answer = BaseResponse { status: response.status().as_u16(), body };
        match answer.status {
            429 | 500.. => Err(self.error(
                BaseFault::Unavailable,
                format!("answered {}", answer.described(scrubber)),
                "it is asked again; its own log says what it lacks",
            )),
            _ => Ok(answer),
        }
    }

    /// The credentials in an answer.
    pub(super) fn credentials(
        &self,
        dialect: Dialect,
        body: &[u8],
        now: SystemTime,
        scrubber: &Scrubber<'_>,
    ) -> Result<Credentials, BaseError> {
        credentials_document::read(dialect, body, now, scrubber).map_err(|unusable| match unusable {
            DocumentError::CommandError(_) => self.error(BaseFault::Refused, unusable, "mend what it names"),
            // What answers in the place of credentials may be a proxy, or the real thing in disorder; both may pass.
            DocumentError::Malformed(_) => self.no_answer(unusable),
            DocumentError::Expired { .. } => self.error(
                BaseFault::Unavailable,
                unusable,
                "see why it does not renew them, and check the node's clock",
            ),
        })
    }

    /// What it said is no answer to the question.
    fn no_answer(&self, what: impl std::fmt::Display) -> BaseError {
        self.error(BaseFault::Unavailable, what, self.help)
    }

    /// An error of this server's.
    pub(super) fn error(&self, fault: BaseFault, what: impl std::fmt::Display, help: &'static str) -> BaseError {
        BaseError { what: format!("{} {what}", self.name), help, fault }
    }
}

impl BaseResponse {
    /// Its status, and what its body says about it.
    pub(super) fn described(&self, scrubber: &Scrubber<'_>) -> String {
        #[derive(Default, serde::Deserialize)]
        struct Wire {
            #[serde(alias = "Message")]
            message: Option<String>,
        }
        let text = String::from_utf8_lossy(&self.body);
        // Of two spellings at once the parser makes an error; then the text itself is told.
        let message = serde_json::from_slice::<Wire>(&self.body).unwrap_or_default().message;
        let told = scrubber.clean_to(200, message.as_deref().unwrap_or(text.trim()));
        if told.is_empty() { format!("HTTP {}", self.status) } else { format!("HTTP {}: {told}", self.status) }
    }
}
