//! HTTP/1.1 clients for STS and for HTTP bases: no redirects, no implicit proxies, limited time and response size.

use std::{error::Error as _, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, header::InvalidHeaderValue};
use zeroize::Zeroizing;

use crate::http::{resolver::SharedResolver, tls::TlsFailure};

/// Capacity for a response body whose length is not announced. Responses of STS have about 2 KiB.
const TYPICAL_BODY: usize = 4 * 1024;

/// The limits of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    /// Maximum time for name resolution, TCP and TLS.
    pub(crate) connect: Duration,
    /// Maximum time for the whole call, including the response body.
    pub(crate) attempt: Duration,
    /// Maximum size of the response body, in bytes.
    pub(crate) max_body: usize,
}

/// Why a call failed.
pub(crate) struct CallFailure {
    pub(crate) reason: String,
    /// What to do, if the reason tells it.
    pub(crate) help: Option<&'static str>,
}

/// The reason why a response body was not read to its end.
pub(crate) enum BodyError {
    /// The connection failed or the call timed out; with a description.
    Cut(String),
    /// The body exceeds the limit, given in bytes.
    TooLarge(usize),
}

impl CallLimits {
    /// Returns a client builder with these limits and this TLS configuration.
    pub(crate) fn client(&self, tls: rustls::ClientConfig) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(SharedResolver)
            .user_agent(concat!("credvend/", env!("CARGO_PKG_VERSION")))
            // A redirect would send the token to another server.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect)
            .timeout(self.attempt)
            .http1_only()
            .no_proxy()
    }

    /// Reads the whole response body.
    pub(crate) async fn read(&self, response: &mut reqwest::Response) -> Result<Zeroizing<Vec<u8>>, BodyError> {
        let announced = response.content_length().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        // Do not read a body whose announced length is too large.
        if announced.is_some_and(|length| length > self.max_body) {
            return Err(BodyError::TooLarge(self.max_body));
        }
        // No larger than needed, because the whole capacity is wiped.
        let mut body = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(TYPICAL_BODY)));
        while let Some(chunk) = response.chunk().await.map_err(|error| BodyError::Cut(self.describe(&error).reason))? {
            if body.len() + chunk.len() > self.max_body {
                return Err(BodyError::TooLarge(self.max_body));
            }
            append(&mut body, &chunk);
        }
        Ok(body)
    }

    /// Describes the root cause of a failed call, without its URL.
    pub(crate) fn describe(&self, error: &reqwest::Error) -> CallFailure {
        if error.is_timeout() {
            let reason = if error.is_connect() {
                format!("no connection within {} s", self.connect.as_secs())
            } else {
                format!("no response within {} s", self.attempt.as_secs())
            };
            return CallFailure { reason, help: None };
        }
        if let Some(TlsFailure { reason, help }) = TlsFailure::find(error) {
            return CallFailure { reason, help: Some(help) };
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let cause = if error.source().is_none() { "the request failed".to_owned() } else { cause.to_string() };
        let reason = if error.is_connect() { format!("cannot connect: {cause}") } else { cause };
        CallFailure { reason, help: None }
    }
}

/// Returns a header value that is wiped when dropped and that no log shows.
///
/// # Errors
/// Returns an error if the text contains a character that no header may contain.
pub(crate) fn secret_header(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let wiped = Zeroizing::new(text.as_bytes().to_vec());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(wiped))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Appends to a buffer. If the capacity does not suffice, wipes the old memory, which a growing `Vec` would not do.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let length = body.len() + chunk.len();
    if length > body.capacity() {
        let mut grown = Zeroizing::new(Vec::with_capacity(2 * length));
        grown.extend_from_slice(body);
        *body = grown;
    }
    body.extend_from_slice(chunk);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_header_is_sensitive_and_valid() {
        assert!(secret_header("token").expect("valid").is_sensitive());
        assert!(secret_header("to\nken").is_err());
    }

    #[test]
    fn a_body_is_appended_to_beyond_its_capacity() {
        let mut body = Zeroizing::new(Vec::with_capacity(4));
        for chunk in [&b"abc"[..], b"defghij", b"", b"k"] {
            append(&mut body, chunk);
        }
        assert_eq!(body.as_slice(), b"abcdefghijk");
    }
}
