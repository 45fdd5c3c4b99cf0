use std::time::Duration;

use local_sts::Claims;

use crate::support::{ROLE_A, Signal, Stage, get};

fn claims() -> Claims {
    Claims::service_account("shop", "checkout")
}

#[test]
fn token_file_is_read_at_each_exchange() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    run.line(&["credentials obtained"]);
    let renewed = stage.renew_token(&Claims { pod_name: "checkout-renewed".into(), ..claims() });
    run.signal(Signal::HUP);
    run.lines(&["credentials obtained"], 2);
    let last = stage.sts.requests().pop().expect("at least one call");
    assert_eq!(last.parameters["WebIdentityToken"], renewed);
    assert_eq!(last.parameters["RoleSessionName"], "shop-checkout-renewed");
    assert_eq!(last.query, None);
    assert!(!last.headers.contains_key("authorization"));
}

#[test]
fn invalid_token_exits_3_without_a_call() {
    let stage = Stage::new();
    let write = |content: &str| stage.write("token", content);
    let expired = stage.sts.mint(&Claims { issued_at_offset: -7200, lifetime: Duration::from_secs(3600), ..claims() });
    for (content, words) in [
        ("", "empty"),
        ("  \n", "empty"),
        ("not-a-token", "three parts"),
        ("a.b.c", "base64url"),
        (expired.as_str(), "expired at"),
    ] {
        let path = write(content);
        let ended = stage.credvend(&["export"]).env("AWS_WEB_IDENTITY_TOKEN_FILE", &path).end();
        ended.failed(3, &[path.to_str().expect("path is UTF-8"), words]);
    }
    let absent = stage.path("absent");
    stage.credvend(&["process", "--web-identity-token-file"]).arg(&absent).end().failed(3, &["absent", "no such file"]);
    stage
        .credvend(&["export", "--web-identity-token-file"])
        .arg(stage.directory())
        .end()
        .failed(3, &["not a regular file"]);
    assert_eq!(stage.actions(), [""; 0]);
}

#[test]
fn whitespace_around_the_token_is_ignored() {
    let stage = Stage::new();
    let path = stage.write("token", &format!("\n{}\r\n ", stage.sts.mint(&claims())));
    stage.credvend(&["export"]).env("AWS_WEB_IDENTITY_TOKEN_FILE", path).end().succeeded();
}

#[test]
fn run_recovers_from_a_missing_and_an_expired_token() {
    let stage = Stage::new();
    let path = stage.path("late-token");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).env("AWS_WEB_IDENTITY_TOKEN_FILE", &path).start();
    let address = run.address();
    run.line(&["exchange failed", "late-token", "no such file"]);
    let expired = Claims { issued_at_offset: -7200, lifetime: Duration::from_secs(3600), ..claims() };
    std::fs::write(&path, stage.sts.mint(&expired)).expect("write token file");
    run.line(&["exchange failed", "late-token", "expired at"]);
    assert_eq!(stage.actions(), [""; 0]);
    std::fs::write(&path, stage.sts.mint(&claims())).expect("write token file");
    run.line(&["credentials obtained"]);
    assert_eq!(get(address, "/v1/credentials", &[]).text("RoleArn"), ROLE_A);
}

#[test]
fn configured_session_name_is_sent_unchanged() {
    let stage = Stage::new();
    stage.credvend(&["export"]).env("AWS_ROLE_SESSION_NAME", "nightly@batch").end().succeeded();
    assert_eq!(stage.sts.requests()[0].parameters["RoleSessionName"], "nightly@batch");
    stage.credvend(&["export", "--role-session-name", "a b"]).end().failed(2, &["--role-session-name"]);
}
