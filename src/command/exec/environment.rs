//! Computes the environment of the program, so that its AWS SDK finds credentials only at the private endpoint.
//!
//! Input: the endpoint and the current environment. Output: the changes to the environment. SDKs prefer access keys in
//! variables, a web identity and profiles to a container credentials endpoint, so these are removed or hidden. The order:
//! [credential provider chain](https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html).

use zeroize::Zeroizing;

use crate::{
    arn::Region, config::shadowing::shadowing_files, credentials::CREDENTIALS_VARIABLES,
    settings::environment::Environment,
};

/// Variables, beside those of credentials, that some SDK reads before, or together with, the variables of the endpoint.
const CONFLICTING_VARIABLES: [&str; 7] = [
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_SESSION_NAME",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    // Most SDKs prefer it to the full URI. botocore uses it even if it is empty.
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];

/// Hosts that the program must reach without a proxy: loopback, and the addresses of container credentials endpoints and of instance
/// metadata services. A proxy would see the authorization token.
const DIRECT_HOSTS: [&str; 8] = [
    "127.0.0.1",
    "localhost",
    "::1",
    "169.254.170.2",
    "169.254.170.23",
    "fd00:ec2::23",
    "169.254.169.254",
    "fd00:ec2::254",
];

/// The private endpoint and the region of its credentials.
pub(super) struct PrivateEndpoint<'a> {
    pub(super) url: &'a str,
    pub(super) authorization_token: &'a str,
    /// Path of a file with the authorization token, if one could be written.
    pub(super) token_file: Option<&'a str>,
    pub(super) region: Option<&'a Region>,
}

/// A change to a variable.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Removed,
    Set(Zeroizing<String>),
}

/// Returns the changes to the environment. Each variable occurs once.
pub(super) fn changes(endpoint: &PrivateEndpoint<'_>, env: &dyn Environment) -> Vec<(&'static str, Change)> {
    let set = |text: &str| Change::Set(Zeroizing::new(text.to_owned()));
    let removed = CREDENTIALS_VARIABLES.into_iter().chain(CONFLICTING_VARIABLES);
    let mut changes: Vec<_> = removed.map(|variable| (variable, Change::Removed)).collect();
    changes.push(("AWS_CONTAINER_CREDENTIALS_FULL_URI", set(endpoint.url)));
    // Some clients read only the variable, others only the file.
    changes.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN", set(endpoint.authorization_token)));
    changes.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", endpoint.token_file.map_or(Change::Removed, set)));
    let no_proxy = ["NO_PROXY", "no_proxy"].map(|variable| env.text(variable));
    for (variable, other) in [("NO_PROXY", 1), ("no_proxy", 0)] {
        // Some programs read only one of them, so a list in the other one counts for both.
        let inherited = no_proxy[1 - other].as_deref().or(no_proxy[other].as_deref()).unwrap_or_default();
        changes.push((variable, set(&with_direct_hosts(inherited))));
    }

    // botocore reads AWS_DEFAULT_REGION, and most other SDKs read AWS_REGION. Keep inherited values.
    let variables = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    let inherited = variables.into_iter().find_map(|variable| env.text(variable));
    if let Some(region) = inherited.or_else(|| endpoint.region.map(|region| region.as_str().to_owned())) {
        let missing = variables.into_iter().filter(|variable| env.text(variable).is_none());
        changes.extend(missing.map(|variable| (variable, set(&region))));
    }
    for (variable, path) in shadowing_files(env) {
        tracing::warn!(
            path = %path.display(),
            variable,
            "shared file hidden from the program, because SDKs prefer its default profile to the endpoint"
        );
        changes.push((variable, set("/dev/null")));
    }
    changes
}

/// Adds the hosts in [`DIRECT_HOSTS`] that are missing to the value of `NO_PROXY`.
fn with_direct_hosts(no_proxy: &str) -> String {
    let inherited = no_proxy.trim();
    // All hosts. Programs understand the asterisk only if it is alone.
    if inherited == "*" {
        return inherited.to_owned();
    }
    let is_listed = |host: &&&str| inherited.split([',', ' ']).any(|entry| entry == **host);
    let added = DIRECT_HOSTS.iter().filter(|host| !is_listed(host)).copied();
    let inherited = inherited.trim_end_matches(',');
    (!inherited.is_empty()).then_some(inherited).into_iter().chain(added).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn changes_by_variable(env: &[(&str, &str)], region: Option<&str>) -> HashMap<&'static str, Option<String>> {
        let env: HashMap<_, _> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let region = region.map(|region| Region::parse(region).expect("a region"));
        let url = "http://127.0.0.1:1/v1/credentials";
        let endpoint = PrivateEndpoint { url, authorization_token: "t", token_file: None, region: region.as_ref() };
        let text = |change| match change {
            Change::Removed => None,
            Change::Set(text) => Some(text.to_string()),
        };
        changes(&endpoint, &env).into_iter().map(|(variable, change)| (variable, text(change))).collect()
    }

    #[test]
    fn region_is_set_if_the_program_has_none() {
        let regions = |env: &[(&str, &str)], region| {
            let mut changes = changes_by_variable(env, region);
            ["AWS_REGION", "AWS_DEFAULT_REGION"].map(|variable| changes.remove(variable).flatten().unwrap_or_default())
        };
        assert_eq!(regions(&[], None), ["", ""]);
        assert_eq!(regions(&[("AWS_REGION", "")], Some("eu-west-1")), ["eu-west-1", "eu-west-1"]);
        // A missing variable gets the value of the inherited one, not the region of the profile.
        assert_eq!(regions(&[("AWS_REGION", "us-east-2")], Some("eu-west-1")), ["", "us-east-2"]);
        assert_eq!(regions(&[("AWS_REGION", "a"), ("AWS_DEFAULT_REGION", "b")], Some("eu-west-1")), ["", ""]);
    }

    #[test]
    fn hosts_without_a_proxy_are_added_to_both_lists() {
        let added = DIRECT_HOSTS.join(",");
        let lists = |env: &[(&str, &str)]| {
            let mut changes = changes_by_variable(env, None);
            ["NO_PROXY", "no_proxy"].map(|variable| changes.remove(variable).flatten().expect("a list"))
        };
        assert_eq!(lists(&[]), [added.clone(), added.clone()]);
        assert_eq!(lists(&[("NO_PROXY", "a.example, .b")]), [(); 2].map(|()| format!("a.example, .b,{added}")));
        let [upper, lower] = lists(&[("NO_PROXY", "a,localhost,::1"), ("no_proxy", "b,")]);
        assert!(upper.starts_with("a,localhost,::1,127.0.0.1,169.254.170.2,") && !upper[8..].contains("localhost"));
        assert_eq!(lower, format!("b,{added}"));
        assert_eq!(lists(&[("no_proxy", "*")]), ["*", "*"]);
    }

    #[test]
    fn only_a_default_profile_with_credentials_hides_its_file() {
        let home = tempfile::tempdir().expect("a scratch directory");
        let write = |name: &str, content: &str| {
            std::fs::create_dir_all(home.path().join(".aws")).expect("made");
            std::fs::write(home.path().join(".aws").join(name), content).expect("written");
        };
        let hidden = || {
            let changes = changes_by_variable(&[("HOME", &home.path().display().to_string())], None);
            ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"].map(|variable| changes.contains_key(variable))
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
