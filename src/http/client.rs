//! What every HTTP call of ours has in common: HTTP/1.1, no redirect, no proxy that nobody named, bounded in time and size.

use std::{error::Error as _, time::Duration};

use zeroize::Zeroizing;

/// The bounds of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    /// Name resolution, TCP and TLS.
    pub(crate) connect: Duration,
    /// The whole call, body included.
    pub(crate) attempt: Duration,
    /// The largest body that is read.
    pub(crate) max_body: usize,
}

/// Why a body did not come whole.
pub(crate) enum BodyError {
    /// The connection broke, or time was up.
    Cut(String),
    /// It exceeds so many bytes.
    TooLarge(usize),
}

impl CallLimits {
    /// A client within these bounds, with these roots.
    pub(crate) fn client(&self, tls: rustls::ClientConfig) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("credvend/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry a token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect)
            .timeout(self.attempt)
            .http1_only()
            .no_proxy()
    }

    /// The whole body of an answer.
    pub(crate) async fn read(&self, response: &mut reqwest::Response) -> Result<Zeroizing<Vec<u8>>, BodyError> {
        let mut body = Zeroizing::new(Vec::with_capacity(16 * 1024));
        while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Cut(self.describe(&error)))? {
            if body.len() + chunk.len() > self.max_body {
                return Err(BodyError::TooLarge(self.max_body));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The cause of a failed call, without its URL.
    pub(crate) fn describe(&self, error: &reqwest::Error) -> String {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        if error.is_timeout() {
            return if error.is_connect() {
                format!("no connection within {} s", self.connect.as_secs())
            } else {
                format!("no answer within {} s", self.attempt.as_secs())
            };
        }
        let cause = if error.source().is_none() { "the request failed".to_owned() } else { cause.to_string() };
        if error.is_connect() { format!("cannot connect: {cause}") } else { cause }
    }
}
