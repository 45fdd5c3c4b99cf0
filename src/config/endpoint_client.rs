//! Finds the container credentials endpoint of a running `credvend run`, in the same way as the AWS SDKs.
//!
//! Input: a URL, or the `AWS_CONTAINER_…` variables. Output: the address, the path, and the location of the authorization
//! token. This module reads no config file, because the profile of the application may run this process.
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

/// Default URL of the endpoint of `credvend run`.
const DEFAULT_URL: &str = "http://127.0.0.1:9911/v1/credentials";

/// Base URL for relative URIs.
const RELATIVE_BASE_URL: &str = "http://169.254.170.2";

/// An endpoint and its authorization.
#[derive(Debug)]
pub(crate) struct ContainerEndpoint {
    pub(crate) address: SocketAddr,
    /// Value of the Host header: the host and port of the URL.
    pub(crate) host: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) authorization: ContainerAuthorization,
}

impl fmt::Display for ContainerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host, self.path)
    }
}

/// Returns the endpoint. If `url` is empty, the URL comes from the environment. If `profile` is set, the path selects it.
///
/// # Errors
/// Returns an error if the URL is not an HTTP URL on this machine.
pub(crate) fn endpoint(
    url: &str,
    auth_token_file: Option<&str>,
    profile: Option<&str>,
    env: &dyn Environment,
) -> Result<ContainerEndpoint, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let setting = match url {
        "" => from_environment(env),
        url => Setting { text: url.to_owned(), origin: "--from-endpoint".to_owned() },
    };
    let parsed = parse_url(&setting.text);
    if parsed.is_none() {
        errors.add(format!(
            "{} must be an http URL on this machine, such as {DEFAULT_URL}; use a loopback address, localhost, \
             169.254.170.2, 169.254.170.23 or [fd00:ec2::23] as the host",
            setting.origin
        ));
    }
    let authorization = match (auth_token_file.map(str::to_owned).or_else(|| env.text(TOKEN_FILE)), env.text(TOKEN)) {
        (Some(path), _) => ContainerAuthorization::File(path.into()),
        (None, Some(token)) => ContainerAuthorization::Fixed(token.into()),
        (None, None) => ContainerAuthorization::None,
    };
    let endpoint = parsed.map(|(address, host, mut path)| {
        if let Some(profile) = profile {
            path.truncate(path.trim_end_matches('/').len());
            path.push('/');
            path.extend(utf8_percent_encode(profile, NON_ALPHANUMERIC));
        }
        ContainerEndpoint { address, host, path, authorization }
    });
    errors.into_result(endpoint)
}

/// Returns the URL from the variables, or the default URL.
fn from_environment(env: &dyn Environment) -> Setting {
    // Most SDKs prefer the relative URI.
    if let Some(Setting { text, origin }) = pick(None, "", env, &[RELATIVE_URI]) {
        let slash = if text.starts_with('/') { "" } else { "/" };
        return Setting { text: format!("{RELATIVE_BASE_URL}{slash}{text}"), origin };
    }
    let default = || Setting { text: DEFAULT_URL.to_owned(), origin: String::new() };
    pick(None, "", env, &[FULL_URI]).unwrap_or_else(default)
}

/// Returns the address, host and path of a URL to which a token may be sent without TLS.
fn parse_url(text: &str) -> Option<(SocketAddr, String, String)> {
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

    fn resolve(url: &str, profile: Option<&str>, env: &[(&str, &str)]) -> Result<String, ConfigErrors> {
        let env: HashMap<_, _> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        endpoint(url, None, profile, &env).map(|endpoint| format!("{} {endpoint}", endpoint.address))
    }

    #[test]
    fn variables_have_the_same_precedence_as_in_sdks() {
        let full = (FULL_URI, "http://localhost:1234/v1/credentials/");
        let relative = (RELATIVE_URI, "/creds?id=1");
        for (env, expected) in [
            (&[][..], "127.0.0.1:9911 http://127.0.0.1:9911/v1/credentials"),
            (&[full], "127.0.0.1:1234 http://localhost:1234/v1/credentials/"),
            (&[full, relative], "169.254.170.2:80 http://169.254.170.2:80/creds?id=1"),
            (&[(RELATIVE_URI, "")], "127.0.0.1:9911 http://127.0.0.1:9911/v1/credentials"),
            // The application's profile has no effect.
            (
                &[("AWS_PROFILE", "app"), ("AWS_CONFIG_FILE", "/nowhere")],
                "127.0.0.1:9911 http://127.0.0.1:9911/v1/credentials",
            ),
        ] {
            assert_eq!(resolve("", None, env).expect("valid"), expected);
        }
        let with_profile = resolve("", Some("team/b"), &[full]).expect("valid");
        assert_eq!(with_profile, "127.0.0.1:1234 http://localhost:1234/v1/credentials/team%2Fb");
        assert_eq!(resolve("http://[::1]:80/c", None, &[full]).expect("valid"), "[::1]:80 http://[::1]:80/c");
    }

    #[test]
    fn urls_outside_this_machine_are_rejected() {
        for url in [
            "https://127.0.0.1:9911/v1/credentials",
            "http://10.0.0.1/v1/credentials",
            "http://localhost.example/v1/credentials",
            "http://user@127.0.0.1/v1/credentials",
            "http://169.254.169.254/",
            "127.0.0.1:9911",
            "/v1/credentials",
        ] {
            assert!(resolve(url, None, &[]).is_err(), "{url}");
        }
    }
}
