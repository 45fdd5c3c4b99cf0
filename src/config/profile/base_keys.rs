//! Resolves a profile's static keys, `credential_source` and `credential_process` to the base of a chain.
//!
//! [Credential source](https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html). This module reads
//! the variables of a credential source only if a profile names the source. The environment of a pod alone never selects a base.

use std::path::PathBuf;

use reqwest::Url;
use secrecy::SecretString;

use crate::http::listeners::{ENDPOINT_ADDRESSES, stays_in_pod};
use crate::{
    arn::NotValid,
    config::profile::files::FileProfile,
    credentials::Expiry,
    plan::{
        Base,
        base::{
            ANCESTORS, Container, ContainerAuthorization, CredentialProcess, InstanceMetadata, StaticKeys, host_address,
        },
    },
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{Setting, not_a_url, pick, split_command},
    },
    shared_file::CREDENTIAL_KEYS,
};

/// URL of the ECS agent, the base of relative URIs.
const ECS_URL: &str = "http://169.254.170.2";

/// Returns the static keys of the profile, or an error if only one key of the pair is set.
pub(super) fn static_keys(profile: &FileProfile<'_>) -> Result<Option<StaticKeys>, String> {
    let [access_key_id, secret_access_key, session_token] =
        CREDENTIAL_KEYS.map(|key| profile.value(key).filter(|value| !value.is_empty()));
    match (access_key_id, secret_access_key) {
        (Some(access_key_id), Some(secret_access_key)) => Ok(Some(StaticKeys {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: SecretString::from(secret_access_key),
            session_token: session_token.map(SecretString::from),
            expiry: None,
        })),
        (None, None) => Ok(None),
        (present, _) => {
            let missing = if present.is_some() { "aws_secret_access_key" } else { "aws_access_key_id" };
            Err(format!("it has half a key pair; set {missing}"))
        }
    }
}

/// Returns the base for a `credential_source`. The value is case-insensitive, as in the AWS SDK for Rust.
pub(super) fn from_credential_source(
    setting: &Setting,
    profile: &FileProfile<'_>,
    ca_bundle: Option<PathBuf>,
    env: &dyn Environment,
    errors: &mut ConfigErrors,
) -> Option<Base> {
    match setting.text.to_ascii_lowercase().as_str() {
        "environment" => environment(&setting.origin, env, errors).map(Base::Environment),
        "ecscontainer" => container(&setting.origin, ca_bundle, env, errors).map(Base::Container),
        "ec2instancemetadata" => instance_metadata(&setting.origin, profile, env, errors).map(Base::InstanceMetadata),
        _ => {
            errors.add(format!("{} must be Environment, EcsContainer or Ec2InstanceMetadata", setting.shown()));
            None
        }
    }
}

/// Returns the access keys in this process's environment.
fn environment(origin: &str, env: &dyn Environment, errors: &mut ConfigErrors) -> Option<StaticKeys> {
    let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let keys = names.map(|name| env.text(name));
    let missing: Vec<_> = names.iter().zip(&keys).filter(|(_, key)| key.is_none()).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        let webhook = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"].into_iter().find(|name| env.text(name).is_some());
        let help = webhook.map(|variable| {
            format!(
                "; {variable} is set, which this credential_source does not read: to start the chain with the token, replace \
                 credential_source with a source_profile that has the role_arn and the web_identity_token_file"
            )
        });
        errors.add(format!(
            "{origin} reads the keys from the environment; set {}{}",
            missing.join(" and "),
            help.unwrap_or_default()
        ));
    }
    let expiry = pick(None, "", env, &["AWS_CREDENTIAL_EXPIRATION"]).and_then(|setting| {
        let example = || NotValid::new("must be a timestamp such as 2030-01-31T12:00:00Z");
        setting.check(Expiry::parse(&setting.text).ok_or_else(example), errors)
    });
    let [access_key_id, secret_access_key] = keys;
    Some(StaticKeys {
        access_key_id: access_key_id?,
        secret_access_key: SecretString::from(secret_access_key?),
        session_token: env.text("AWS_SESSION_TOKEN").map(SecretString::from),
        expiry,
    })
}

/// Returns the container credentials endpoint in the environment. The relative URI takes precedence, as in most SDKs.
fn container(
    origin: &str,
    ca_bundle: Option<PathBuf>,
    env: &dyn Environment,
    errors: &mut ConfigErrors,
) -> Option<Container> {
    const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
    const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let url = match (env.text(RELATIVE), env.text(FULL)) {
        (Some(path), _) => match format!("{ECS_URL}{path}").parse() {
            Ok(url) if path.starts_with('/') => Ok(url),
            _ => Err(format!("{RELATIVE} must be a path")),
        },
        (None, Some(url)) => {
            url.parse::<Url>().map_err(|_| not_a_url(FULL, &url, "http://127.0.0.1:9911/v1/credentials"))
        }
        (None, None) => {
            errors.add(format!("{origin} requires a container credentials endpoint; set {FULL} or {RELATIVE}"));
            return None;
        }
    };
    let url = match url {
        Ok(url) => check_url(url, errors),
        Err(error) => {
            errors.add(error);
            None
        }
    };
    let token_file = env.text("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(PathBuf::from);
    let token = env.text("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if token_file.is_none() && token.as_ref().is_some_and(|token| token.contains(char::is_control)) {
        errors.add("AWS_CONTAINER_AUTHORIZATION_TOKEN holds a line break or another control character; remove it");
    }
    let authorization = match (token_file, token) {
        (Some(path), _) => ContainerAuthorization::File(path),
        (None, Some(token)) => ContainerAuthorization::Fixed(SecretString::from(token)),
        (None, None) => ContainerAuthorization::None,
    };
    Some(Container { url: url?, authorization, ca_bundle })
}

/// Rejects a URL that would send credentials over a network without TLS. Does not resolve host names, because the addresses of
/// a name can change.
fn check_url(url: Url, errors: &mut ConfigErrors) -> Option<Url> {
    let is_allowed = match url.scheme() {
        "https" => true,
        "http" => match host_address(&url) {
            Some(address) => stays_in_pod(address),
            None => url.host_str() == Some("localhost"),
        },
        _ => false,
    };
    if is_allowed && url.username().is_empty() && url.password().is_none() {
        return Some(url);
    }
    errors.add(format!(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI must be an https URL, or an http URL with a loopback address or one of {}, \
         and must not contain a user name or password",
        ENDPOINT_ADDRESSES.join(", ")
    ));
    None
}

/// Returns the instance metadata service. Variables override the keys of the profile.
fn instance_metadata(
    origin: &str,
    profile: &FileProfile<'_>,
    env: &dyn Environment,
    errors: &mut ConfigErrors,
) -> Option<InstanceMetadata> {
    if env.text("AWS_EC2_METADATA_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        errors.add(format!(
            "{origin} requires the instance metadata service, but AWS_EC2_METADATA_DISABLED disables it; unset the variable"
        ));
        return None;
    }
    let setting = |variable: &str, key: &str| {
        let variable = env.text(variable).map(|text| Setting { text, origin: variable.to_owned() });
        variable.or_else(|| profile.setting(key))
    };
    if let Some(endpoint) = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint") {
        return match Url::parse(&endpoint.text) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                errors.add(format!(
                    "{} must not contain a user name or password; remove them from the URL",
                    endpoint.origin
                ));
                None
            }
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() => {
                Some(InstanceMetadata { endpoint: url.as_str().trim_end_matches('/').to_owned() })
            }
            _ => {
                errors.add(not_a_url(&endpoint.origin, &endpoint.text, "http://169.254.169.254"));
                None
            }
        };
    }
    let mode = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
    let endpoint = match mode.as_ref().map(|mode| mode.text.to_ascii_lowercase()).as_deref() {
        None | Some("ipv4") => "http://169.254.169.254",
        Some("ipv6") => "http://[fd00:ec2::254]",
        Some(_) => {
            errors.add(format!("{} must be IPv4 or IPv6", mode.map(|mode| mode.shown()).unwrap_or_default()));
            return None;
        }
    };
    Some(InstanceMetadata { endpoint: endpoint.to_owned() })
}

/// Returns the program of a `credential_process`. Rejects the profile if this process runs under that program.
pub(super) fn from_credential_process(
    setting: &Setting,
    profile: &FileProfile<'_>,
    env: &dyn Environment,
    errors: &mut ConfigErrors,
) -> Option<Base> {
    let command = split_command(setting, errors)?;
    let identity = profile.identity();
    let ancestors = env.text(ANCESTORS).unwrap_or_default();
    if ancestors.lines().any(|ancestor| ancestor == identity) {
        errors.add(format!(
            "{} runs credvend, which reads the same profile again; add --role-arn or another --profile to that command",
            setting.origin
        ));
        return None;
    }
    Some(Base::Process(CredentialProcess {
        command,
        profile: profile.name().to_owned(),
        ancestors: if ancestors.is_empty() { identity } else { format!("{ancestors}\n{identity}") },
    }))
}
