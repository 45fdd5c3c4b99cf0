//! `credential_source = EcsContainer`: the container credentials endpoint of ECS, EKS Pod Identity's agent, or another
//! credvend.
//!
//! Input: the endpoint's URL, and an authorization token or its file, which is read at every fetch since the kubelet
//! replaces it. Output: temporary credentials.
//! [Container credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).

use std::time::{Duration, SystemTime};

use reqwest::header::{self, HeaderValue};
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::plan::base::{Container, ContainerAuthorization};
use crate::{
    bounded_file,
    chain::{
        base::{
            credentials_document::{self, Dialect},
            http_base::{BaseResponse, HttpBase},
        },
        error::{BaseError, BaseFault},
    },
    credentials::Credentials,
    http::client::CallLimits,
    scrubber::Scrubber,
};

const LIMITS: CallLimits =
    CallLimits { connect: Duration::from_secs(2), attempt: Duration::from_secs(5), max_body: 64 * 1024 };

/// Longer than any token that is sent in a header.
const MAX_TOKEN_LENGTH: u64 = 64 * 1024;

impl Container {
    /// Asks the endpoint.
    pub(crate) async fn fetch(&self, now: SystemTime) -> Result<Credentials, BaseError> {
        let name = format!("container credentials endpoint {}", self.url.authority());
        let help = "check AWS_CONTAINER_CREDENTIALS_FULL_URI or …_RELATIVE_URI, and that what serves it is running";
        let server = HttpBase::new(name, help, LIMITS, self.ca_bundle.as_deref())?;
        let token = self.authorization.token()?;
        let mut request = server.client().get(self.url.clone()).header(header::ACCEPT, "application/json");
        if let Some(token) = &token {
            let mut value = HeaderValue::from_str(token).map_err(|_| self.authorization.not_a_token())?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let scrubber = Scrubber::new(token.as_deref().map(String::as_str));
        let answer = server.send(request, &scrubber).await?;
        if answer.status == 200 {
            return server.credentials(Dialect::Container, &answer.body, now, &scrubber);
        }
        Err(refusal(&server, &answer, &scrubber))
    }
}

/// What an endpoint's document holds, or a clause that says why it holds nothing.
pub(crate) fn credentials(document: &[u8], now: SystemTime, scrubber: &Scrubber<'_>) -> Result<Credentials, String> {
    credentials_document::read(Dialect::Container, document, now, scrubber).map_err(|why| why.to_string())
}

fn refusal(server: &HttpBase, answer: &BaseResponse, scrubber: &Scrubber<'_>) -> BaseError {
    let help = match answer.status {
        401 | 403 => "check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE (or …_TOKEN), and whom the endpoint lets in",
        404 => "check the path in AWS_CONTAINER_CREDENTIALS_FULL_URI or …_RELATIVE_URI",
        _ => "check that the URL is a container credentials endpoint's",
    };
    let described = answer.described(scrubber);
    server.error(BaseFault::Refused, format!("answered {described}"), help)
}

impl ContainerAuthorization {
    /// The token as it is now, without line breaks at its end.
    pub(crate) fn token(&self) -> Result<Option<Zeroizing<String>>, BaseError> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(token) => Ok(Some(Zeroizing::new(token.expose_secret().to_owned()))),
            Self::File(path) => {
                let mut text = bounded_file::read(path, MAX_TOKEN_LENGTH).map_err(|error| BaseError {
                    what: format!("container authorization token file {}: {}", path.display(), error.kind()),
                    help: "mount the token there, or correct AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                    fault: BaseFault::Token,
                })?;
                let end = text.trim_end_matches(['\r', '\n']).len();
                text.truncate(end);
                if text.is_empty() { Err(self.not_a_token()) } else { Ok(Some(text)) }
            }
        }
    }

    pub(crate) fn not_a_token(&self) -> BaseError {
        let origin = match self {
            Self::File(path) => format!("container authorization token file {}", path.display()),
            _ => "AWS_CONTAINER_AUTHORIZATION_TOKEN".to_owned(),
        };
        BaseError {
            what: format!("{origin} holds no token: it is empty, or holds a line break or another control character"),
            help: "name the file or the token that the endpoint's owner gave",
            fault: BaseFault::Token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_is_read_anew_and_only_its_end_is_trimmed() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("token");
        let authorization = ContainerAuthorization::File(path.clone());
        assert_eq!(authorization.token().expect_err("absent").fault, BaseFault::Token);
        for (content, token) in [("one\r\n", "one"), ("two", "two"), (" x ", " x ")] {
            std::fs::write(&path, content).expect("written");
            assert_eq!(authorization.token().expect("read").expect("a token").as_str(), token);
        }
        std::fs::write(&path, "\n").expect("written");
        assert!(authorization.token().expect_err("empty").to_string().contains("holds no token"));
        assert!(ContainerAuthorization::File(directory.path().to_owned()).token().is_err(), "a directory");
    }
}
