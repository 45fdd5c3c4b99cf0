//! `credential_source = Ec2InstanceMetadata`: the role of the node.
//!
//! Input: where the instance metadata service answers. Output: temporary credentials of the instance profile's role. Only
//! version 2 is spoken: a token is made for each fetch and shown with every question; version 1 is never fallen back to.
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
    http::client::CallLimits,
    scrubber::Scrubber,
};

/// It is one hop away, or not there.
const LIMITS: CallLimits =
    CallLimits { connect: Duration::from_secs(1), attempt: Duration::from_secs(2), max_body: 64 * 1024 };

const TOKEN_PATH: &str = "/latest/api/token";
const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// A token serves one fetch.
const TOKEN_TTL: &str = "60";

/// Why the service does not answer, most often: its answer to the first question may not take another network hop.
const HELP: &str = "see that this is an EC2 instance whose metadata service is on, with an http-put-response-hop-limit of 2 \
                    where credvend runs in a container";

impl InstanceMetadata {
    /// Asks for the instance profile's role and its credentials.
    pub(crate) async fn fetch(&self, now: SystemTime) -> Result<Credentials, BaseError> {
        let host = self.endpoint.parse::<Url>().map(|url| url.authority().to_owned()).unwrap_or_default();
        let server = HttpBase::new(format!("instance metadata service {host}"), HELP, LIMITS, None)?;
        let mut client =
            MetadataClient { endpoint: &self.endpoint, token: token(&server, &self.endpoint).await?, server };
        let role = client.get(ROLE_PATH).await?;
        let role = String::from_utf8_lossy(&role.body);
        let role = role.lines().next().unwrap_or_default().trim();
        // What stands in a role's name; everything else could lead to another path.
        if role.is_empty() || !role.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c)) {
            return Err(client.server.error(
                BaseFault::Unavailable,
                "named no role",
                "see that this is EC2's instance metadata service, and that the instance has an instance profile",
            ));
        }
        let document = client.get(&format!("{ROLE_PATH}{role}")).await?;
        client.server.credentials(Dialect::InstanceMetadata, &document.body, now, &client.scrubber())
    }
}

/// The questions of one fetch.
struct MetadataClient<'a> {
    server: HttpBase,
    endpoint: &'a str,
    token: HeaderValue,
}

impl MetadataClient<'_> {
    /// Asks for a path, with another token where this one is no longer taken.
    async fn get(&mut self, path: &str) -> Result<BaseResponse, BaseError> {
        let mut answer = self.ask(path).await?;
        if answer.status == 401 {
            self.token = token(&self.server, self.endpoint).await?;
            answer = self.ask(path).await?;
        }
        match answer.status {
            200 => Ok(answer),
            404 => Err(self.refused(&answer, "attach an instance profile with a role to this instance")),
            _ => Err(self.refused(&answer, "see that the instance's metadata options let this process in")),
        }
    }

    async fn ask(&self, path: &str) -> Result<BaseResponse, BaseError> {
        let request = self.server.client().get(format!("{}{path}", self.endpoint));
        self.server.send(request.header("x-aws-ec2-metadata-token", self.token.clone()), &self.scrubber()).await
    }

    fn scrubber(&self) -> Scrubber<'_> {
        Scrubber::new(self.token.to_str())
    }

    fn refused(&self, answer: &BaseResponse, help: &'static str) -> BaseError {
        self.server.error(BaseFault::Refused, format!("answered {}", answer.described(&self.scrubber())), help)
    }
}

/// Makes a token.
async fn token(server: &HttpBase, endpoint: &str) -> Result<HeaderValue, BaseError> {
    let request = server.client().put(format!("{endpoint}{TOKEN_PATH}"));
    let nothing = Scrubber::new([]);
    let answer = server.send(request.header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL), &nothing).await?;
    if answer.status != 200 {
        let described = answer.described(&nothing);
        let what = format!("gave no version 2 token: it answered {described}");
        return Err(server.error(BaseFault::Refused, what, "turn on version 2 in the instance's metadata options"));
    }
    match HeaderValue::from_bytes(answer.body.trim_ascii()) {
        Ok(mut token) if !token.is_empty() => {
            token.set_sensitive(true);
            Ok(token)
        }
        _ => Err(server.error(BaseFault::Unavailable, "gave a token that no header can carry", HELP)),
    }
}
