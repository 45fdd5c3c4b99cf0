//! Which shared files would keep an SDK from asking a container credentials endpoint: those whose default profile says where
//! other credentials come from. An SDK that is told no profile looks there first.

use std::path::PathBuf;

use super::profile::{expand_home, home_file};
use crate::settings::environment::Environment;
use crate::shared_file::{self, FileKind};

/// Keys that give an SDK credentials.
const CREDENTIAL_SETTINGS: [&str; 8] = [
    "aws_access_key_id",
    "credential_process",
    "credential_source",
    "login_session",
    "role_arn",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
];

/// The files, with the variable that names another in their place. What cannot be read shadows nothing.
pub(crate) fn files_that_shadow(env: &dyn Environment) -> Vec<(&'static str, PathBuf)> {
    let files = [
        ("AWS_CONFIG_FILE", FileKind::Config, "config"),
        ("AWS_SHARED_CREDENTIALS_FILE", FileKind::Credentials, "credentials"),
    ];
    let found = files.into_iter().filter_map(|(variable, kind, name)| {
        let path = match env.text(variable) {
            Some(text) => expand_home(&text, env),
            None => home_file(env, name)?,
        };
        let file = shared_file::read(kind, &std::fs::read(&path).ok()?).ok()?;
        let default = file.profiles.named("default")?;
        let shadows = CREDENTIAL_SETTINGS.iter().any(|key| default.value(key).is_some());
        shadows.then_some((variable, path))
    });
    found.collect()
}
