//! Tables that the help does not hold: profile keys, and variables without a flag. The program knows each of them.

use super::blocks::{marked, rows};
use crate::support::{Credvend, ROLE_A, ROLE_B, Stage};

/// Names in backticks in the first column of a table.
fn names(block: &str) -> Vec<String> {
    let rows = rows(&marked("README.md", block));
    let cells = rows.iter().map(|row| row[0].clone());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    let names: Vec<_> = names.collect();
    assert!(names.len() > 5, "{block}: {names:?}");
    names
}

/// Asserts that a command ends with 2, 3 or 5 and names `name`.
#[track_caller]
fn assert_objects(credvend: Credvend, name: &str) {
    let ended = credvend.end();
    assert!(matches!(ended.code, Some(2 | 3 | 5)), "README.md: {name} has no effect: {ended:?}");
    assert!(ended.last_line().contains(name), "README.md: {name} is not known: {ended:?}");
}

#[test]
fn each_profile_key_is_known() {
    let stage = Stage::new();
    let token = stage.tokens.token_file().display().to_string();
    let base = format!("[profile a]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {token}\n");
    let chained = format!("{base}[default]\nrole_arn = {ROLE_B}\nsource_profile = a\n");
    for key in names("profile keys") {
        // Each key with a value that cannot be used.
        let (config, named) = match key.as_str() {
            "role_arn" => (format!("{base}[default]\nrole_arn = x\nsource_profile = a\n"), &*key),
            "source_profile" => (format!("[default]\nrole_arn = {ROLE_B}\nsource_profile = absent\n"), &*key),
            "web_identity_token_file" => {
                (format!("[default]\nrole_arn = {ROLE_A}\nweb_identity_token_file = /absent/token\n"), "/absent/token")
            }
            "credential_source" => (format!("[default]\nrole_arn = {ROLE_B}\ncredential_source = x\n"), &*key),
            "credential_process" => ("[default]\ncredential_process = \"\n".to_owned(), &*key),
            // Half of the keys, and the message says which half is missing.
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
        // The stage's own variables would come first.
        let check = stage.with_config(&["check", "--offline"], &config);
        assert_objects(check.without("AWS_REGION").without("AWS_ENDPOINT_URL_STS"), named);
    }
}

/// Asserts that the session token of a profile's keys is part of the signed request.
fn assert_signs_with_token(stage: &Stage, config: &str) {
    stage.with_config(&["export", "--timeout", "1s"], config).end();
    let request = stage.sts.requests().pop().expect("a request");
    assert_eq!(request.headers.get("x-amz-security-token").map(String::as_str), Some("y"));
}

/// Variables that have a test of their own, which says more than a refusal can.
const TESTED: [(&str, &str); 5] = [
    ("HTTPS_PROXY", "tls.rs"),
    ("HTTP_PROXY", "tls.rs"),
    ("NO_PROXY", "tls.rs"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "bases/container.rs"),
    ("AWS_SESSION_TOKEN", "bases/environment.rs"),
];

#[test]
fn each_variable_without_a_flag_is_known() {
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
            // The stage's own override would come first.
            "AWS_ENDPOINT_URL" => (stage.credvend(&check).without("AWS_ENDPOINT_URL_STS"), "x", &*variable),
            name => (stage.credvend(&check), "x", name),
        };
        assert_objects(credvend.env(&variable, value), named);
    }
}

#[test]
fn each_export_format_is_known() {
    let stage = Stage::new();
    for format in names("formats") {
        let ended = stage.credvend(&["export", "--format", &format]).end().succeeded();
        assert!(ended.stdout.contains("ASIA"), "{format}");
    }
}

#[test]
fn excused_variables_are_named_where_they_are_tested() {
    for (variable, file) in TESTED {
        assert!(super::blocks::read(&format!("tests/it/{file}")).contains(variable), "{file} does not test {variable}");
    }
}
