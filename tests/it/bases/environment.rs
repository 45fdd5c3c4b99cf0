use super::{assert_chained, role_a_document, role_b_from, text};
use crate::support::{Credvend, ROLE_A, Stage};

/// Sets the keys of `document` in the environment.
fn with_keys(run: Credvend, document: &serde_json::Value) -> Credvend {
    run.env("AWS_ACCESS_KEY_ID", text(document, "AccessKeyId"))
        .env("AWS_SECRET_ACCESS_KEY", text(document, "SecretAccessKey"))
        .env("AWS_SESSION_TOKEN", text(document, "SessionToken"))
}

#[test]
fn chain_starts_with_keys_from_the_environment() {
    let stage = Stage::new();
    let document = role_a_document(&stage);
    let run = stage.with_config(&["export", "--log-level", "trace"], &role_b_from("Environment"));
    let ended = with_keys(run, &document).end().succeeded();
    assert_chained(&stage, &ended);
}

#[test]
fn expired_environment_keys_are_refused_without_a_call() {
    let stage = Stage::new();
    let document = role_a_document(&stage);
    let export = |expiry: &str| {
        let run = stage.with_config(&["export"], &role_b_from("environment"));
        with_keys(run, &document).env("AWS_CREDENTIAL_EXPIRATION", expiry).end()
    };
    export(text(&document, "Expiration")).succeeded();
    let calls = stage.sts.requests().len();
    export("2020-01-01T00:00:00Z").failed(4, &["hop 1", "expired at 2020-01-01T00:00:00Z"]);
    assert_eq!(stage.sts.requests().len(), calls);
    export("tomorrow").failed(2, &["AWS_CREDENTIAL_EXPIRATION \"tomorrow\" must be a timestamp"]);
}

#[test]
fn sts_decides_the_maximum_duration_for_environment_keys() {
    let stage = Stage::new();
    let document = role_a_document(&stage);
    let config = format!("{}duration_seconds = 7200\n", role_b_from("Environment"));
    let export = || with_keys(stage.with_config(&["export"], &config), &document);
    let sent_duration = || stage.sts.requests().pop().expect("at least one call").parameters["DurationSeconds"].clone();
    // Keys with a session token come from AssumeRole or from GetSessionToken, so credvend cannot check the limit itself.
    export().end().failed(4, &["hop 2", "role chaining", "lower the duration to 1h"]);
    assert_eq!(sent_duration(), "7200");
    export().without("AWS_SESSION_TOKEN").end().failed(4, &["hop 2"]);
    assert_eq!(sent_duration(), "7200");
    // A second AssumeRole is always role chaining, so credvend refuses the duration before any call.
    let two_hops =
        format!("{config}[profile c]\nrole_arn = {ROLE_A}\nsource_profile = default\nduration_seconds = 7200\n");
    let calls = stage.sts.requests().len();
    with_keys(stage.with_config(&["export", "--profile", "c"], &two_hops), &document)
        .end()
        .failed(2, &["profile c: duration_seconds", "1 h"]);
    assert_eq!(stage.sts.requests().len(), calls);
}
