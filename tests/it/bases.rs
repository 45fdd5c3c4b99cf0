/// `credential_source = EcsContainer`: another credvend, and servers that answer what they are told.
mod container;
/// `credential_source = Environment`.
mod environment;
/// `credential_source = Ec2InstanceMetadata`.
mod instance_metadata;
/// `credential_process`: credvend itself, and scripts that do it wrong.
mod process;

use std::time::{Duration, SystemTime};

use crate::support::{Ended, ROLE_B, Stage};

/// A role in the other account, assumed with what `credential_source` names.
fn role_b_of(source: &str) -> String {
    format!("[default]\nrole_arn = {ROLE_B}\ncredential_source = {source}\n")
}

/// Role A's credentials as a `credential_process` document.
fn role_a(stage: &Stage) -> serde_json::Value {
    let ended = stage.credvend(&["process"]).end().succeeded();
    serde_json::from_str(&ended.stdout).expect("JSON")
}

fn text<'a>(document: &'a serde_json::Value, key: &str) -> &'a str {
    document[key].as_str().unwrap_or_else(|| panic!("no {key}"))
}

/// Asserts that role B was assumed, with a call that `role A` signed.
#[track_caller]
fn assert_chained(stage: &Stage, ended: &Ended) {
    stage.refuse_leaks(&ended.stderr);
    let last = stage.sts.requests().pop().expect("a call");
    assert_eq!((last.action.as_deref(), last.parameters["RoleArn"].as_str()), (Some("AssumeRole"), ROLE_B));
    assert_eq!(last.parameters["RoleSessionName"], "credvend");
}

/// Now and this much later, as AWS writes it.
fn date(ahead: Duration) -> String {
    credvend::credentials::Expiry::from(SystemTime::now() + ahead).to_string()
}
