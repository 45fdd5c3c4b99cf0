//! Flags, variables and shared files: every configuration is accepted or refused with exit code 2 and one line, and neither the plans
//! nor the line shows a secret. Input: lines up to `%%`, then the config file up to `%%`, then the credentials file. A line is a
//! variable (`NAME=value`) or an argument of `credvend run`. `{P}` in a variable is a password, `config` and `credentials` are files.
#![no_main]

use std::{collections::HashMap, ffi::OsString, fs, path::PathBuf, sync::LazyLock};

use credvend::fuzzing;
use libfuzzer_sys::fuzz_target;

const SECRETS: [&str; 3] =
    ["secret-key-of-the-environment-0123", "secret-token-of-the-environment-0123", "password-0123456789"];
const FILE_SECRET: &str = "secret-key-of-a-profile-0123456789";

static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a scratch directory").keep();
    std::env::set_current_dir(&directory).expect("the scratch directory");
    directory
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Devices and other processes' files must not influence the result, and a message may contain arguments.
    let mut excluded = ["/dev", "/proc", "/sys", "~", FILE_SECRET].into_iter().chain(SECRETS);
    if excluded.any(|excluded| text.contains(excluded)) {
        return;
    }
    let mut parts = text.splitn(3, "\n%%\n");
    let settings = parts.next().unwrap_or_default();
    let keys = format!(
        "\n[keys]\naws_access_key_id = AKIA\naws_secret_access_key = {FILE_SECRET}\naws_session_token = {FILE_SECRET}\n"
    );
    for name in ["config", "credentials"] {
        let content = parts.next().unwrap_or_default();
        if !settings.contains(name) {
            continue;
        }
        fs::write(
            DIRECTORY.join(name),
            format!("{content}{}", keys.replace("[keys]", if name == "config" { "[profile keys]" } else { "[keys]" })),
        )
        .expect("written");
    }
    let mut environment = HashMap::from([
        ("AWS_ACCESS_KEY_ID".to_owned(), "AKIA0123456789".to_owned()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), SECRETS[0].to_owned()),
        ("AWS_SESSION_TOKEN".to_owned(), SECRETS[1].to_owned()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN".to_owned(), SECRETS[1].to_owned()),
    ]);
    let mut arguments = vec![OsString::from("credvend"), "run".into()];
    for line in settings.split('\n').filter(|line| !line.is_empty()) {
        match line.split_once('=') {
            Some((name, value)) if !line.starts_with('-') && !environment.contains_key(name) => {
                // Only the URLs of proxies and of STS have passwords.
                let is_url =
                    ["_PROXY", "ENDPOINT_URL", "URL_STS"].iter().any(|end| name.to_ascii_uppercase().ends_with(end));
                let password = if is_url { SECRETS[2] } else { "" };
                environment.insert(name.to_owned(), value.replace("{P}", password));
            }
            _ => arguments.push(line.into()),
        }
    }
    let (code, shown) = match fuzzing::configure(&arguments, &environment) {
        Ok(plans) => (0, plans),
        Err((code, message)) => (code, message),
    };
    assert!([0, 2].contains(&code), "exit code {code}: {shown}");
    assert!(code == 0 || (!shown.is_empty() && !shown.contains('\n')), "{shown:?}");
    for secret in SECRETS.into_iter().chain([FILE_SECRET]) {
        assert!(!shown.contains(secret), "{shown:?}");
    }
});
