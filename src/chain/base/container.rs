//! `credential_source = EcsContainer`: credentials from a container credentials endpoint, such as that of ECS, the EKS
//! Pod Identity agent or another credvend.
//!
//! Input: the endpoint's URL, and an authorization token or its file. The file is read for each fetch, because the
//! kubelet replaces it. Output: temporary credentials.
//! [Container credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).

use std::time::{Duration, SystemTime};

use reqwest::header;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::plan::base::{Container, ContainerAuthorization};
use crate::{
    chain::{
        base::{
            credentials_document::{self, Dialect},
            http_base::{BaseResponse, HttpBase},
        },
        error::{BaseError, BaseFault},
    },
    credentials::Credentials,
    http::{
        client::{CallLimits, secret_header},
        tls::{self, Roots},
    },
    scrubber::Scrubber,
    trusted_path::{self, Owners, Planted},
};

const LIMITS: CallLimits =
    CallLimits { connect: Duration::from_secs(2), attempt: Duration::from_secs(5), max_body: 64 * 1024 };

/// Maximum size of the authorization token file, in bytes.
const MAX_TOKEN_LENGTH: u64 = 64 * 1024;

impl Container {
    /// Requests credentials from the endpoint, which has a certificate of `roots` if its URL is an `https` URL. `now` is STS's time.
    pub(super) async fn fetch(&self, roots: Option<&Roots>, now: SystemTime) -> Result<Credentials, BaseError> {
        let name = format!("container credentials endpoint {}", self.url.authority());
        let help = "check AWS_CONTAINER_CREDENTIALS_FULL_URI or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, and verify that \
                    the endpoint is running";
        let tls = roots.map_or_else(tls::without_trust, |roots| tls::trusting(roots.clone()));
        let server = HttpBase::new(name, help, LIMITS, tls)?;
        let token = self.authorization.token()?;
        let mut request = server.client().get(self.url.clone()).header(header::ACCEPT, "application/json");
        if let Some(token) = &token {
            let value = secret_header(token).map_err(|_| self.authorization.not_a_token())?;
            request = request.header(header::AUTHORIZATION, value);
        }
        let scrubber = Scrubber::new(token.as_deref().map(String::as_str));
        let response = server.send(request, &scrubber).await?;
        if response.status == 200 {
            return server.credentials(Dialect::Container, &response.body, now, &scrubber);
        }
        Err(refusal(&server, &response, &scrubber))
    }
}

/// Parses the document of an endpoint. The expiry is not compared with the time.
///
/// # Errors
/// Returns a clause without a subject, such as `returned no valid credentials: Token is missing`.
pub(crate) fn credentials(document: &[u8], scrubber: &Scrubber<'_>) -> Result<Credentials, String> {
    credentials_document::read(Dialect::Container, document, None, scrubber).map_err(|error| error.to_string())
}

fn refusal(server: &HttpBase, response: &BaseResponse, scrubber: &Scrubber<'_>) -> BaseError {
    let help = match response.status {
        401 | 403 => {
            "check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or AWS_CONTAINER_AUTHORIZATION_TOKEN, and verify that the \
             endpoint accepts requests from this client"
        }
        404 => "check the path in AWS_CONTAINER_CREDENTIALS_FULL_URI or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        _ => "verify that the URL is that of a container credentials endpoint",
    };
    let description = response.describe(scrubber);
    server.error(BaseFault::Refused, format!("returned {description}"), help)
}

impl ContainerAuthorization {
    /// Returns the current token without trailing line breaks, or `None` if no header is configured.
    pub(crate) fn token(&self) -> Result<Option<Zeroizing<String>>, BaseError> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(token) => Ok(Some(Zeroizing::new(token.expose_secret().to_owned()))),
            Self::File(path) => {
                // The endpoint may run as another user: a token that is not the endpoint's is refused there.
                let text = trusted_path::read(path, MAX_TOKEN_LENGTH, Owners::Any);
                let mut text = text.map_err(|error| {
                    let file = format!("container authorization token file {}", path.display());
                    match Planted::in_read_error(&error) {
                        Some(planted) => BaseError {
                            what: format!("{file}: {planted}"),
                            help: Planted::HELP,
                            fault: BaseFault::Planted,
                        },
                        None => BaseError {
                            what: format!("{file}: {error}"),
                            help: "mount the token at this path, or correct AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                            fault: BaseFault::Token,
                        },
                    }
                })?;
                let end = text.trim_end_matches(['\r', '\n']).len();
                text.truncate(end);
                if text.is_empty() { Err(self.not_a_token()) } else { Ok(Some(text)) }
            }
        }
    }

    /// Returns the error for a token that cannot be a header value.
    pub(crate) fn not_a_token(&self) -> BaseError {
        let origin = match self {
            Self::File(path) => format!("container authorization token file {}", path.display()),
            _ => "AWS_CONTAINER_AUTHORIZATION_TOKEN".to_owned(),
        };
        BaseError {
            what: format!(
                "{origin} contains no valid token: it is empty, or contains a line break or another control character"
            ),
            help: "provide the token that the endpoint requires",
            fault: BaseFault::Token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_file_is_read_for_each_fetch_and_only_trailing_line_breaks_are_trimmed() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("token");
        let authorization = ContainerAuthorization::File(path.clone());
        assert_eq!(authorization.token().expect_err("absent").fault, BaseFault::Token);
        for (content, token) in [("one\r\n", "one"), ("two", "two"), (" x ", " x ")] {
            std::fs::write(&path, content).expect("written");
            assert_eq!(authorization.token().expect("read").expect("a token").as_str(), token);
        }
        std::fs::write(&path, "\n").expect("written");
        assert!(authorization.token().expect_err("empty").to_string().contains("contains no valid token"));
        assert!(ContainerAuthorization::File(directory.path().to_owned()).token().is_err(), "a directory");
    }
}
