//! The base of a chain: the origin of its first credentials.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::SessionPlan;
use crate::{arn::RoleArn, credentials::Expiry, token::TokenFile};

/// Environment variable of a `credential_process` that lists, one per line, the profiles whose processes it runs under.
pub(crate) const ANCESTORS: &str = "CREDVEND_PROCESS_ANCESTORS";

/// Origin of a chain's first credentials.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Base {
    /// A web identity token, exchanged for credentials of a first role.
    WebIdentity(WebIdentityHop),
    /// Access keys from a shared config or credentials file.
    Static(StaticKeys),
    /// `credential_source = Environment`: access keys from credvend's own environment.
    Environment(StaticKeys),
    /// `credential_source = EcsContainer`: a container credentials endpoint.
    Container(Container),
    /// `credential_source = Ec2InstanceMetadata`: the instance profile of the node.
    InstanceMetadata(InstanceMetadata),
    /// `credential_process`: a program that prints credentials.
    Process(CredentialProcess),
}

/// An AssumeRoleWithWebIdentity call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WebIdentityHop {
    pub(crate) session: SessionPlan,
    /// File of the projected service account token.
    pub(crate) token_file: TokenFile,
}

/// Access keys from a file or from the environment.
#[derive(Clone, Debug)]
pub(crate) struct StaticKeys {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: SecretString,
    /// Session token, if the keys are temporary.
    pub(crate) session_token: Option<SecretString>,
    /// Expiry, if it is configured.
    pub(crate) expiry: Option<Expiry>,
}

/// A container credentials endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Container {
    /// Full URL of the credentials.
    pub(crate) url: Url,
    /// Value of the Authorization header.
    pub(crate) authorization: ContainerAuthorization,
    /// PEM file of root certificates that replaces the built-in roots.
    pub(crate) ca_bundle: Option<PathBuf>,
}

/// Origin of the Authorization header for a container credentials endpoint.
#[derive(Clone, Debug)]
pub(crate) enum ContainerAuthorization {
    /// No header.
    None,
    /// A token that stays the same for the life of the process.
    Fixed(SecretString),
    /// A file that is read for each request.
    File(PathBuf),
}

/// An EC2 instance metadata service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InstanceMetadata {
    /// Base URL, without a trailing slash.
    pub(crate) endpoint: String,
}

/// A program that prints credentials.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CredentialProcess {
    /// Program and arguments; never empty.
    pub(crate) command: Vec<String>,
    /// The profile that configures the program, for messages.
    pub(crate) profile: String,
    /// Value of [`ANCESTORS`] for the program.
    pub(crate) ancestors: String,
}

impl Base {
    /// Returns the kind's name for machine-readable output.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::WebIdentity(_) => "web_identity",
            Self::Static(_) => "static",
            Self::Environment(_) => "environment",
            Self::Container(_) => "container",
            Self::InstanceMetadata(_) => "imds",
            Self::Process(_) => "process",
        }
    }

    /// Returns the web identity exchange, or `None` for other kinds.
    pub(crate) fn web_identity(&self) -> Option<&WebIdentityHop> {
        match self {
            Self::WebIdentity(hop) => Some(hop),
            _ => None,
        }
    }

    pub(super) fn session(&self) -> Option<&SessionPlan> {
        self.web_identity().map(|hop| &hop.session)
    }

    pub(super) fn role_arn(&self) -> Option<&RoleArn> {
        self.session().map(|session| &session.role_arn)
    }

    /// Returns true if the base certainly yields a role session. A role assumed with a role session is chained, and
    /// STS limits chained sessions to one hour. Static keys and processes can also yield a user's session
    /// (`GetSessionToken`), which has no such limit, so STS decides there.
    pub(crate) fn is_role_session(&self) -> bool {
        match self {
            Self::WebIdentity(_) | Self::Container(_) | Self::InstanceMetadata(_) => true,
            Self::Static(_) | Self::Environment(_) | Self::Process(_) => false,
        }
    }

    /// Returns true if this base would fetch its credentials from our own `listener`.
    pub(crate) fn is_served_by(&self, listener: SocketAddr) -> bool {
        match self {
            Self::Container(container) => is_at(&container.url, listener),
            Self::InstanceMetadata(service) => service.endpoint.parse().is_ok_and(|url| is_at(&url, listener)),
            Self::WebIdentity(_) | Self::Static(_) | Self::Environment(_) | Self::Process(_) => false,
        }
    }

    /// Returns the root certificates for calls to this base: `None` if it makes no TLS call, `Some(None)` for the
    /// built-in roots.
    pub(crate) fn ca_bundle(&self) -> Option<Option<&Path>> {
        match self {
            Self::WebIdentity(hop) => Some(hop.session.ca_bundle.as_deref()),
            Self::Container(container) if container.url.scheme() == "https" => Some(container.ca_bundle.as_deref()),
            _ => None,
        }
    }
}

impl PartialEq for StaticKeys {
    fn eq(&self, other: &Self) -> bool {
        self.access_key_id == other.access_key_id
            && equal(Some(&self.secret_access_key), Some(&other.secret_access_key))
            && equal(self.session_token.as_ref(), other.session_token.as_ref())
            && self.expiry == other.expiry
    }
}

impl PartialEq for ContainerAuthorization {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Fixed(one), Self::Fixed(other)) => equal(Some(one), Some(other)),
            (Self::File(one), Self::File(other)) => one == other,
            _ => false,
        }
    }
}

/// Compares two configured secrets. Constant time is not needed: the result only decides whether two chains share
/// their calls.
fn equal(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    one.map(ExposeSecret::expose_secret) == other.map(ExposeSecret::expose_secret)
}

/// Returns true if `url` leads to our own `listener`.
fn is_at(url: &Url, listener: SocketAddr) -> bool {
    if url.scheme() != "http" || url.port_or_known_default() != Some(listener.port()) {
        return false;
    }
    match host_address(url) {
        Some(host) => host == listener.ip() || (listener.ip().is_unspecified() && host.is_loopback()),
        None => {
            let is_loopback = listener.ip().is_loopback() || listener.ip().is_unspecified();
            url.host_str() == Some("localhost") && is_loopback
        }
    }
}

/// Returns the IP address in a URL's host, or `None` if the host is a name.
pub(crate) fn host_address(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn own_listener_is_recognized_under_every_name() {
        let is_at = |url: &str, listener: &str| {
            super::is_at(&url.parse().expect("a URL"), listener.parse().expect("an address"))
        };
        for host in ["127.0.0.1", "localhost"] {
            assert!(is_at(&format!("http://{host}:9911/v1/credentials"), "127.0.0.1:9911"));
            assert!(is_at(&format!("http://{host}:9911/v1/credentials"), "0.0.0.0:9911"));
        }
        assert!(is_at("http://[::1]:9911/", "[::1]:9911") && is_at("http://localhost:9911/", "[::1]:9911"));
        assert!(is_at("http://169.254.170.2/x", "169.254.170.2:80"));
        assert!(
            !is_at("http://127.0.0.1:9912/", "127.0.0.1:9911") && !is_at("http://127.0.0.2:9911/", "127.0.0.1:9911")
        );
    }
}
