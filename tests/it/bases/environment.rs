use super::{assert_chained, role_a, role_b_of, text};
use crate::support::{Credvend, ROLE_A, Stage};

fn with_role_a(run: Credvend, document: &serde_json::Value) -> Credvend {
    run.env("AWS_ACCESS_KEY_ID", text(document, "AccessKeyId"))
        .env("AWS_SECRET_ACCESS_KEY", text(document, "SecretAccessKey"))
        .env("AWS_SESSION_TOKEN", text(document, "SessionToken"))
}

#[test]
fn keys_of_the_environment_are_a_base() {
    let stage = Stage::new();
    let document = role_a(&stage);
    let run = stage.with_config(&["export", "--log-level", "trace"], &role_b_of("Environment"));
    let ended = with_role_a(run, &document).end().succeeded();
    assert_chained(&stage, &ended);
}

#[test]
fn keys_that_have_expired_are_no_base() {
    let stage = Stage::new();
    let document = role_a(&stage);
    let export = |expiry: &str| {
        let run = stage.with_config(&["export"], &role_b_of("environment"));
        with_role_a(run, &document).env("AWS_CREDENTIAL_EXPIRATION", expiry).end()
    };
    export(text(&document, "Expiration")).succeeded();
    let calls = stage.sts.requests().len();
    export("2020-01-01T00:00:00Z").failed(4, &["hop 1", "expired at 2020-01-01T00:00:00Z"]);
    assert_eq!(stage.sts.requests().len(), calls);
    export("tomorrow").failed(2, &["AWS_CREDENTIAL_EXPIRATION"]);
}

#[test]
fn whether_keys_are_a_role_s_session_and_last_an_hour_at_most_is_for_sts_to_say() {
    let stage = Stage::new();
    let document = role_a(&stage);
    let config = format!("{}duration_seconds = 7200\n", role_b_of("Environment"));
    let with_keys = || with_role_a(stage.with_config(&["export"], &config), &document);
    let asked_for = || stage.sts.requests().pop().expect("a call").parameters["DurationSeconds"].clone();
    // A user's session of GetSessionToken has a session token too.
    with_keys().end().failed(4, &["hop 2", "role chaining", "lower the duration to 1h"]);
    assert_eq!(asked_for(), "7200");
    with_keys().without("AWS_SESSION_TOKEN").end().failed(4, &["hop 2"]);
    assert_eq!(asked_for(), "7200");
    // A second hop is chained whatever the first was signed with.
    let further =
        format!("{config}[profile c]\nrole_arn = {ROLE_A}\nsource_profile = default\nduration_seconds = 7200\n");
    let calls = stage.sts.requests().len();
    with_role_a(stage.with_config(&["export", "--profile", "c"], &further), &document)
        .end()
        .failed(2, &["profile c: duration_seconds", "1 h"]);
    assert_eq!(stage.sts.requests().len(), calls);
}
