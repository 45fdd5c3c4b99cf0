//! The environment that makes the private endpoint the one place where a program's AWS SDK finds credentials.
//!
//! Pure: what is vended and the environment as it is go in, changes come out. SDKs look at variables with keys, at a web
//! identity and at profiles before they look at a container credentials endpoint, so those must go. The order:
//! [credential provider chain](https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html).

use zeroize::Zeroizing;

use crate::{arn::Region, config::shadowing::files_that_shadow, settings::environment::Environment};

/// Whatever some SDK reads before, or together with, the endpoint.
const MISLEADING: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    // botocore reads this before AWS_SESSION_TOKEN.
    "AWS_SECURITY_TOKEN",
    // Other spellings that the SDKs for Go and Java 1 know.
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_SESSION_NAME",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    // Most SDKs prefer it to the full URI, and its presence counts for botocore even where it is empty.
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    // Most SDKs prefer it to the token itself.
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// What a program is told.
pub(super) struct Vended<'a> {
    pub(super) url: &'a str,
    pub(super) authorization_token: &'a str,
    pub(super) region: Option<&'a Region>,
}

/// What becomes of a variable.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Removed,
    Set(Zeroizing<String>),
}

/// The changes, each variable once.
pub(super) fn changes(vended: &Vended<'_>, env: &dyn Environment) -> Vec<(&'static str, Change)> {
    let set = |text: &str| Change::Set(Zeroizing::new(text.to_owned()));
    let mut changes: Vec<_> = MISLEADING.into_iter().map(|variable| (variable, Change::Removed)).collect();
    changes.push(("AWS_CONTAINER_CREDENTIALS_FULL_URI", set(vended.url)));
    // In the environment rather than in a file: there is nothing to clean up, and every SDK reads it.
    changes.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN", set(vended.authorization_token)));

    // botocore reads the one, most other SDKs the other; what is there already is the program's own choice.
    let variables = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    let inherited = variables.into_iter().find_map(|variable| env.text(variable));
    if let Some(region) = inherited.or_else(|| vended.region.map(|region| region.as_str().to_owned())) {
        let missing = variables.into_iter().filter(|variable| env.text(variable).is_none());
        changes.extend(missing.map(|variable| (variable, set(&region))));
    }
    for (variable, path) in files_that_shadow(env) {
        tracing::warn!(
            file = %path.display(),
            "its default profile holds credentials, which SDKs prefer to this endpoint: {variable} is /dev/null for the program"
        );
        changes.push((variable, set("/dev/null")));
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn changed(env: &[(&str, &str)], region: Option<&str>) -> HashMap<&'static str, Option<String>> {
        let env: HashMap<_, _> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let region = region.map(|region| Region::parse(region).expect("a region"));
        let vended =
            Vended { url: "http://127.0.0.1:1/v1/credentials", authorization_token: "t", region: region.as_ref() };
        let text = |change| match change {
            Change::Removed => None,
            Change::Set(text) => Some(text.to_string()),
        };
        changes(&vended, &env).into_iter().map(|(variable, change)| (variable, text(change))).collect()
    }

    #[test]
    fn a_region_is_told_where_the_program_has_none() {
        let regions = |env: &[(&str, &str)], region| {
            let mut changed = changed(env, region);
            ["AWS_REGION", "AWS_DEFAULT_REGION"].map(|variable| changed.remove(variable).flatten().unwrap_or_default())
        };
        assert_eq!(regions(&[], None), ["", ""]);
        assert_eq!(regions(&[("AWS_REGION", "")], Some("eu-west-1")), ["eu-west-1", "eu-west-1"]);
        // The two never disagree because of credvend.
        assert_eq!(regions(&[("AWS_REGION", "us-east-2")], Some("eu-west-1")), ["", "us-east-2"]);
        assert_eq!(regions(&[("AWS_REGION", "a"), ("AWS_DEFAULT_REGION", "b")], Some("eu-west-1")), ["", ""]);
    }

    #[test]
    fn a_default_profile_with_credentials_is_hidden_and_another_is_not() {
        let home = tempfile::tempdir().expect("a scratch directory");
        let write = |name: &str, content: &str| {
            std::fs::create_dir_all(home.path().join(".aws")).expect("made");
            std::fs::write(home.path().join(".aws").join(name), content).expect("written");
        };
        let hidden = || {
            let changed = changed(&[("HOME", &home.path().display().to_string())], None);
            ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"].map(|variable| changed.contains_key(variable))
        };
        assert_eq!(hidden(), [false, false]);
        write("config", "[default]\nregion = eu-west-1\n[profile b]\nrole_arn = arn:aws:iam::222222222222:role/b\n");
        write("credentials", "[b]\naws_access_key_id = AKIA\n");
        assert_eq!(hidden(), [false, false]);
        write("credentials", "[default]\naws_access_key_id = AKIA\n");
        assert_eq!(hidden(), [false, true]);
        write("config", "[default]\ncredential_process = /bin/true -\n");
        assert_eq!(hidden(), [true, true]);
    }
}
