//! Checks the tables that the help does not contain: profile keys, variables without a flag, export formats.

use super::blocks::{marked, rows};
use crate::support::{Credvend, ROLE_A, ROLE_B, Stage};

/// Returns the names in backticks in the first column of a table.
fn names(block: &str) -> Vec<String> {
    let rows = rows(&marked("README.md", block));
    let cells = rows.iter().map(|row| row[0].clone());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    let names: Vec<_> = names.collect();
    assert!(names.len() > 5, "{block}: {names:?}");
    names
}

/// Asserts that a command fails because of its configuration and that the error contains `name`.
#[track_caller]
fn assert_objects(credvend: Credvend, name: &str) {
    let ended = credvend.end();
    assert!(matches!(ended.code, Some(2 | 3 | 5)), "README.md: {name} has no effect: {ended:?}");
    assert!(ended.last_line().contains(name), "README.md: the error does not contain {name}: {ended:?}");
}

#[test]
fn profile_keys_have_an_effect() {
    let stage = Stage::new();
    let token = stage.tokens.token_file().display().to_string();
    let base = format!("[profile a]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {token}\n");
    let chained = format!("{base}[default]\nrole_arn = {ROLE_B}\nsource_profile = a\n");
    for key in names("profile keys") {
        // Gives each key an invalid value.
        let (config, named) = match key.as_str() {
            "role_arn" => (format!("{base}[default]\nrole_arn = x\nsource_profile = a\n"), &*key),
            "source_profile" => (format!("[default]\nrole_arn = {ROLE_B}\nsource_profile = absent\n"), &*key),
            "web_identity_token_file" => {
                (format!("[default]\nrole_arn = {ROLE_A}\nweb_identity_token_file = /absent/token\n"), "/absent/token")
            }
            "credential_source" => (format!("[default]\nrole_arn = {ROLE_B}\ncredential_source = x\n"), &*key),
            "credential_process" => ("[default]\ncredential_process = \"\n".to_owned(), &*key),
            // Gives only the other half of the key pair: the error names the missing half.
            "aws_access_key_id" => (format!("{chained}aws_secret_access_key = x\n"), &*key),
            "aws_secret_access_key" => (format!("{chained}aws_access_key_id = x\n"), &*key),
            "aws_session_token" => {
                let keys = "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = x\naws_session_token = y\n";
                assert_signs_with_token(
                    &stage,
                    &format!("[profile k]\n{keys}[default]\nrole_arn = {ROLE_B}\nsource_profile = k\n"),
                );
                continue;
            }
            "ca_bundle" => (format!("{chained}ca_bundle = /absent/ca.pem\n"), "/absent/ca.pem"),
            key if key.starts_with("ec2_metadata_service_endpoint") => {
                (format!("[default]\nrole_arn = {ROLE_B}\ncredential_source = Ec2InstanceMetadata\n{key} = x\n"), key)
            }
            key => (format!("{chained}{key} = !\n"), key),
        };
        // These variables would take precedence over the profile.
        let check = stage.with_config(&["check", "--offline"], &config);
        assert_objects(check.without("AWS_REGION").without("AWS_ENDPOINT_URL_STS"), named);
    }
}

/// Asserts that the signed request contains the session token of the profile.
fn assert_signs_with_token(stage: &Stage, config: &str) {
    stage.with_config(&["export", "--timeout", "1s"], config).end();
    let request = stage.sts.requests().pop().expect("a request");
    assert_eq!(request.headers.get("x-amz-security-token").map(String::as_str), Some("y"));
}

/// Variables that other tests cover, because an invalid value does not cause an error.
const TESTED: [(&str, &str); 5] = [
    ("HTTPS_PROXY", "tls.rs"),
    ("HTTP_PROXY", "tls.rs"),
    ("NO_PROXY", "tls.rs"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "bases/container.rs"),
    ("AWS_SESSION_TOKEN", "bases/environment.rs"),
];

#[test]
fn variables_without_a_flag_have_an_effect() {
    let stage = Stage::new();
    let broken = stage.write("broken-file", "[broken\n").display().to_string();
    stage.write("home/.aws/config", "[broken\n");
    let home = stage.path("home").display().to_string();
    let source = |name: &str| format!("[default]\nrole_arn = {ROLE_B}\ncredential_source = {name}\n");
    for variable in names("variables") {
        if TESTED.iter().any(|(tested, _)| *tested == variable) {
            continue;
        }
        let check = ["check", "--offline"];
        let (credvend, value, named) = match variable.as_str() {
            "HOME" => (stage.bare(&check), &*home, "home/.aws/config"),
            "AWS_SHARED_CREDENTIALS_FILE" => {
                (stage.with_config(&check, &source("Environment")), &*broken, "broken-file")
            }
            "AWS_CA_BUNDLE" => (stage.credvend(&check), "/absent/ca.pem", "/absent/ca.pem"),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => {
                (stage.with_config(&check, &source("Environment")), "", &*variable)
            }
            "AWS_CREDENTIAL_EXPIRATION" => {
                let keys = stage.with_config(&check, &source("Environment")).env("AWS_ACCESS_KEY_ID", "AKIA");
                (keys.env("AWS_SECRET_ACCESS_KEY", "x"), "x", &*variable)
            }
            "AWS_CONTAINER_AUTHORIZATION_TOKEN" => {
                let url = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/");
                (stage.with_config(&check, &source("EcsContainer")).env(url.0, url.1), "a\nb", &*variable)
            }
            name if name.starts_with("AWS_CONTAINER") => {
                (stage.with_config(&check, &source("EcsContainer")), "x", name)
            }
            "AWS_EC2_METADATA_DISABLED" => {
                (stage.with_config(&check, &source("Ec2InstanceMetadata")), "true", &*variable)
            }
            name if name.starts_with("AWS_EC2_METADATA") => {
                (stage.with_config(&check, &source("Ec2InstanceMetadata")), "x", name)
            }
            // This variable would take precedence.
            "AWS_ENDPOINT_URL" => (stage.credvend(&check).without("AWS_ENDPOINT_URL_STS"), "x", &*variable),
            name => (stage.credvend(&check), "x", name),
        };
        assert_objects(credvend.env(&variable, value), named);
    }
}

#[test]
fn export_formats_work() {
    let stage = Stage::new();
    for format in names("formats") {
        let ended = stage.credvend(&["export", "--format", &format]).end().succeeded();
        assert!(ended.stdout.contains("ASIA"), "{format}");
    }
}

#[test]
fn excluded_variables_are_tested_elsewhere() {
    for (variable, file) in TESTED {
        assert!(super::blocks::read(&format!("tests/it/{file}")).contains(variable), "{file} does not test {variable}");
    }
}
