//! Where a running `credvend run` is found by those who ask it for credentials: as AWS SDKs find a container credentials
//! endpoint.
//!
//! In: a URL, or the `AWS_CONTAINER_…` variables. Out: an address, a path, and where the authorization token is. No config file
//! is read and no profile looked up: the profile that the application uses may name this very process.
//! [Container credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    http::listeners::stays_in_pod,
    plan::base::ContainerAuthorization,
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{Setting, pick},
    },
};

const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// Where `credvend run` listens by itself.
const DEFAULT_URL: &str = "http://127.0.0.1:9911/v1/credentials";

/// The host of relative URIs.
const RELATIVE_TO: &str = "http://169.254.170.2";

/// An endpoint and what opens it.
#[derive(Debug)]
pub(crate) struct ContainerEndpoint {
    /// Where to connect to.
    pub(crate) address: SocketAddr,
    /// What to call it there: host and port, as the URL has them.
    pub(crate) host: String,
    /// Path and query.
    pub(crate) path: String,
    /// What to present.
    pub(crate) authorization: ContainerAuthorization,
}

impl fmt::Display for ContainerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host, self.path)
    }
}

/// Reads where the endpoint is, and which of its profiles is meant.
///
/// # Errors
/// Every mistake in it.
pub(crate) fn endpoint(
    url: &str,
    auth_token_file: Option<&str>,
    profile: Option<&str>,
    env: &dyn Environment,
) -> Result<ContainerEndpoint, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let setting = match url {
        "" => of_environment(env),
        url => Setting { text: url.to_owned(), origin: "--from-endpoint".to_owned() },
    };
    let place = place(&setting.text);
    if place.is_none() {
        errors.add(format!(
            "{} must be an http URL on this machine, such as {DEFAULT_URL} (a loopback address, \
             localhost, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23])",
            setting.origin
        ));
    }
    let authorization = match (auth_token_file.map(str::to_owned).or_else(|| env.text(TOKEN_FILE)), env.text(TOKEN)) {
        (Some(path), _) => ContainerAuthorization::File(path.into()),
        (None, Some(token)) => ContainerAuthorization::Fixed(token.into()),
        (None, None) => ContainerAuthorization::None,
    };
    let found = place.map(|(address, host, mut path)| {
        if let Some(profile) = profile {
            path.truncate(path.trim_end_matches('/').len());
            path.push('/');
            path.extend(utf8_percent_encode(profile, NON_ALPHANUMERIC));
        }
        ContainerEndpoint { address, host, path, authorization }
    });
    errors.none_or(found)
}

/// What the variables say; without them, where `credvend run` listens by itself.
fn of_environment(env: &dyn Environment) -> Setting {
    // Most SDKs prefer the relative one.
    if let Some(Setting { text, origin }) = pick(None, "", env, &[RELATIVE_URI]) {
        let slash = if text.starts_with('/') { "" } else { "/" };
        return Setting { text: format!("{RELATIVE_TO}{slash}{text}"), origin };
    }
    let default = || Setting { text: DEFAULT_URL.to_owned(), origin: String::new() };
    pick(None, "", env, &[FULL_URI]).unwrap_or_else(default)
}

/// Address, host and path of a URL that a token may be sent to without TLS.
fn place(text: &str) -> Option<(SocketAddr, String, String)> {
    let url = reqwest::Url::parse(text).ok()?;
    if url.scheme() != "http" || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let host = url.host_str()?;
    let address: IpAddr = match host {
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        host => host.trim_start_matches('[').trim_end_matches(']').parse().ok()?,
    };
    let port = url.port_or_known_default()?;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}{query}", url.path());
    stays_in_pod(address).then(|| (SocketAddr::new(address, port), format!("{host}:{port}"), path))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn found(url: &str, profile: Option<&str>, env: &[(&str, &str)]) -> Result<String, ConfigErrors> {
        let env: HashMap<_, _> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        endpoint(url, None, profile, &env).map(|endpoint| format!("{} {endpoint}", endpoint.address))
    }

    #[test]
    fn the_variables_count_as_they_do_for_sdks() {
        let full = (FULL_URI, "http://localhost:1234/v1/credentials/");
        let relative = (RELATIVE_URI, "/creds?id=1");
        for (env, expected) in [
            (&[][..], "127.0.0.1:9911 http://127.0.0.1:9911/v1/credentials"),
            (&[full], "127.0.0.1:1234 http://localhost:1234/v1/credentials/"),
            (&[full, relative], "169.254.170.2:80 http://169.254.170.2:80/creds?id=1"),
            (&[(RELATIVE_URI, "")], "127.0.0.1:9911 http://127.0.0.1:9911/v1/credentials"),
            // Whatever the application's profile is: it may name this very process.
            (
                &[("AWS_PROFILE", "app"), ("AWS_CONFIG_FILE", "/nowhere")],
                "127.0.0.1:9911 http://127.0.0.1:9911/v1/credentials",
            ),
        ] {
            assert_eq!(found("", None, env).expect("valid"), expected);
        }
        let named = found("", Some("team/b"), &[full]).expect("valid");
        assert_eq!(named, "127.0.0.1:1234 http://localhost:1234/v1/credentials/team%2Fb");
        assert_eq!(found("http://[::1]:80/c", None, &[full]).expect("valid"), "[::1]:80 http://[::1]:80/c");
    }

    #[test]
    fn a_token_goes_nowhere_but_to_this_machine() {
        for url in [
            "https://127.0.0.1:9911/v1/credentials",
            "http://10.0.0.1/v1/credentials",
            "http://localhost.example/v1/credentials",
            "http://user@127.0.0.1/v1/credentials",
            "http://169.254.169.254/",
            "127.0.0.1:9911",
            "/v1/credentials",
        ] {
            assert!(found(url, None, &[]).is_err(), "{url}");
        }
    }
}
