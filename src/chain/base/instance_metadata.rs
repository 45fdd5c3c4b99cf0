//! `credential_source = Ec2InstanceMetadata`: credentials of the node's instance profile.
//!
//! Input: the URL of the instance metadata service. Output: temporary credentials of the instance profile's role. Only
//! IMDSv2 is supported: each fetch requests a session token and sends it with every request. There is no fallback to
//! version 1.
//! [Instance metadata](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html).

use std::time::{Duration, SystemTime};

use reqwest::{Url, header::HeaderValue};

use crate::plan::base::InstanceMetadata;
use crate::{
    chain::{
        base::{
            credentials_document::Dialect,
            http_base::{BaseResponse, HttpBase},
        },
        error::{BaseError, BaseFault},
    },
    credentials::Credentials,
    http::{
        client::{CallLimits, secret_header},
        tls,
    },
    scrubber::Scrubber,
};

/// Short timeouts: the service is one network hop away, or absent.
const LIMITS: CallLimits =
    CallLimits { connect: Duration::from_secs(1), attempt: Duration::from_secs(2), max_body: 64 * 1024 };

const TOKEN_PATH: &str = "/latest/api/token";
const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// Lifetime of a session token, in seconds. A token is used for one fetch.
const TOKEN_TTL: &str = "60";

/// Help for the most common cause of a missing response: in a container, the response to the token request exceeds the
/// hop limit.
const HELP: &str = "verify that this is an EC2 instance with the metadata service enabled, and with an \
                    http-put-response-hop-limit of 2 if credvend runs in a container";

impl InstanceMetadata {
    /// Requests the name of the instance profile's role, then its credentials. `now` is STS's time.
    pub(super) async fn fetch(&self, now: SystemTime) -> Result<Credentials, BaseError> {
        let host = self.endpoint.parse::<Url>().map(|url| url.authority().to_owned()).unwrap_or_default();
        let tls = match self.endpoint.starts_with("https") {
            true => tls::trusting(tls::Roots::BuiltIn),
            false => tls::without_trust(),
        };
        let server = HttpBase::new(format!("instance metadata service {host}"), HELP, LIMITS, tls)?;
        let mut client =
            MetadataClient { endpoint: &self.endpoint, token: token(&server, &self.endpoint).await?, server };
        let role = client.get(ROLE_PATH).await?;
        let role = String::from_utf8_lossy(&role.body);
        let role = role.lines().next().unwrap_or_default().trim();
        // Only characters of role names: others could change the path of the next request.
        if role.is_empty() || !role.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c)) {
            return Err(client.server.error(
                BaseFault::Unavailable,
                "returned no valid role name",
                "verify that this is the EC2 instance metadata service, and that the instance has an instance profile",
            ));
        }
        let document = client.get(&format!("{ROLE_PATH}{role}")).await?;
        client.server.credentials(Dialect::InstanceMetadata, &document.body, now, &client.scrubber())
    }
}

/// The requests of one fetch.
struct MetadataClient<'a> {
    server: HttpBase,
    endpoint: &'a str,
    token: HeaderValue,
}

impl MetadataClient<'_> {
    /// Requests a path. If the service no longer accepts the session token, requests a new token and retries once.
    async fn get(&mut self, path: &str) -> Result<BaseResponse, BaseError> {
        let mut response = self.request(path).await?;
        if response.status == 401 {
            self.token = token(&self.server, self.endpoint).await?;
            response = self.request(path).await?;
        }
        match response.status {
            200 => Ok(response),
            404 => Err(self.refused(&response, "attach an instance profile with a role to this instance")),
            _ => Err(self.refused(&response, "verify that the instance's metadata options allow this process access")),
        }
    }

    async fn request(&self, path: &str) -> Result<BaseResponse, BaseError> {
        let request = self.server.client().get(format!("{}{path}", self.endpoint));
        self.server.send(request.header("x-aws-ec2-metadata-token", self.token.clone()), &self.scrubber()).await
    }

    fn scrubber(&self) -> Scrubber<'_> {
        Scrubber::new(self.token.to_str())
    }

    fn refused(&self, response: &BaseResponse, help: &'static str) -> BaseError {
        self.server.error(BaseFault::Refused, format!("returned {}", response.describe(&self.scrubber())), help)
    }
}

/// Requests a session token.
async fn token(server: &HttpBase, endpoint: &str) -> Result<HeaderValue, BaseError> {
    let request = server.client().put(format!("{endpoint}{TOKEN_PATH}"));
    let no_secrets = Scrubber::new([]);
    let response = server.send(request.header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL), &no_secrets).await?;
    if response.status != 200 {
        let description = response.describe(&no_secrets);
        let what = format!("issued no version 2 token: it returned {description}");
        return Err(server.error(BaseFault::Refused, what, "enable IMDSv2 in the instance's metadata options"));
    }
    match str::from_utf8(response.body.trim_ascii()).map(secret_header) {
        Ok(Ok(token)) if !token.is_empty() => Ok(token),
        _ => Err(server.error(BaseFault::Unavailable, "issued a token that is not a valid header value", HELP)),
    }
}
