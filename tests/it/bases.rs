/// `credential_source = EcsContainer`: another credvend, and servers with prepared responses.
mod container;
/// `credential_source = Environment`.
mod environment;
/// `credential_source = Ec2InstanceMetadata`.
mod instance_metadata;
/// `credential_process`: credvend itself, and scripts with invalid output.
mod process;

use std::time::{Duration, SystemTime};

use crate::support::{Ended, ROLE_B, Stage};

/// Returns a config whose default profile assumes role B with credentials from `source`.
fn role_b_from(source: &str) -> String {
    format!("[default]\nrole_arn = {ROLE_B}\ncredential_source = {source}\n")
}

/// Returns role A's credentials as a `credential_process` document.
fn role_a_document(stage: &Stage) -> serde_json::Value {
    let ended = stage.credvend(&["process"]).end().succeeded();
    serde_json::from_str(&ended.stdout).expect("parse JSON")
}

fn text<'a>(document: &'a serde_json::Value, key: &str) -> &'a str {
    document[key].as_str().unwrap_or_else(|| panic!("{key} is missing"))
}

/// Asserts that the last call assumed role B with the default session name, and that stderr holds no secret.
#[track_caller]
fn assert_chained(stage: &Stage, ended: &Ended) {
    stage.refuse_leaks(&ended.stderr);
    let last = stage.sts.requests().pop().expect("at least one call");
    assert_eq!((last.action.as_deref(), last.parameters["RoleArn"].as_str()), (Some("AssumeRole"), ROLE_B));
    assert_eq!(last.parameters["RoleSessionName"], "credvend");
}

/// Returns the time `ahead` from now in the RFC 3339 form that AWS uses.
fn date_in(ahead: Duration) -> String {
    humantime::format_rfc3339_seconds(SystemTime::now() + ahead).to_string()
}

#[test]
fn check_reports_the_kind_of_each_base_and_why_it_fails() {
    let stage = Stage::new();
    let unreachable = "http://127.0.0.1:1/";
    let check = |config: &str, arguments: &[&str]| {
        let run = stage.with_config(&["check", "--timeout", "5s"], config).env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
        let run = run.env("AWS_SECRET_ACCESS_KEY", "secret").env("AWS_CONTAINER_CREDENTIALS_FULL_URI", unreachable);
        let run = run.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", unreachable);
        arguments.iter().fold(run, |run, argument| run.arg(argument))
    };
    let process =
        format!("[default]\nrole_arn = {ROLE_B}\nsource_profile = b\n[profile b]\ncredential_process = /absent/x\n");
    for (kind, config) in [
        ("environment", role_b_from("Environment")),
        ("container", role_b_from("EcsContainer")),
        ("imds", role_b_from("Ec2InstanceMetadata")),
        ("process", process.clone()),
    ] {
        let ended = check(&config, &["--offline", "--format", "json"]).end().succeeded();
        let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("parse JSON");
        let hops = &report["profiles"][0]["hops"];
        assert_eq!((&hops[0], &hops[1]["kind"]), (&serde_json::json!({ "kind": kind }), &"assume_role".into()));
    }
    let ended = check(&process, &[]).end();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stdout.contains("fail  hop 1  "), "{}", ended.stdout);
    for word in ["credential_process of profile b cannot be started", "-> name an executable", "skip  hop 2"] {
        assert!(ended.stdout.contains(word), "{word:?} is missing in {}", ended.stdout);
    }
    assert_eq!(check(&role_b_from("EcsContainer"), &[]).end().code, Some(5));
}
