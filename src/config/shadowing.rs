//! Finds shared files that prevent an SDK from using a container credentials endpoint.
//!
//! If no profile is selected, an SDK uses the default profile first. A default profile that configures credentials therefore
//! takes precedence over the endpoint.

use std::path::PathBuf;

use super::profile::{MAX_SHARED_FILE, expand_home, home_file};
use crate::{
    bounded_file::{self, FifoPolicy},
    settings::environment::Environment,
    shared_file::{self, FileKind},
};

/// Keys that configure credentials.
const CREDENTIAL_KEYS: [&str; 8] = [
    "aws_access_key_id",
    "credential_process",
    "credential_source",
    "login_session",
    "role_arn",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
];

/// Returns the shared files that take precedence over the endpoint, each with the variable that sets its path. Skips files
/// that cannot be read.
pub(crate) fn shadowing_files(env: &dyn Environment) -> Vec<(&'static str, PathBuf)> {
    let files = [
        ("AWS_CONFIG_FILE", FileKind::Config, "config"),
        ("AWS_SHARED_CREDENTIALS_FILE", FileKind::Credentials, "credentials"),
    ];
    let found = files.into_iter().filter_map(|(variable, kind, name)| {
        let path = match env.text(variable) {
            Some(text) => expand_home(&text, env),
            None => home_file(env, name)?,
        };
        let bytes = bounded_file::read_bytes(&path, MAX_SHARED_FILE, FifoPolicy::Refuse).ok()?;
        let file = shared_file::read(kind, &bytes).ok()?;
        let default = file.profiles.named("default")?;
        let shadows = CREDENTIAL_KEYS.iter().any(|key| default.value(key).is_some());
        shadows.then_some((variable, path))
    });
    found.collect()
}
