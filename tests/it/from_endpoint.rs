use std::net::TcpListener;

use local_sts::{Fault, FaultKind};

use crate::support::{Credvend, DEADLINE, ROLE_B, Stage, get};

/// Returns the command as an SDK runs it: without an identity, and with `AWS_PROFILE` set to the profile of the command.
fn process(arguments: &[&str]) -> Credvend {
    Credvend::new(&[&["process", "--from-endpoint"], arguments].concat()).env("AWS_PROFILE", "self")
}

#[test]
fn document_comes_from_the_endpoint_without_an_sts_call() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--chain-role-arn", ROLE_B]).start();
    let url = format!("http://{}/v1/credentials", run.address());
    run.line(&["credentials obtained", "hop=2"]);
    let response = get(run.address(), "/v1/credentials", &[]);
    for command in [
        process(&[&url]),
        process(&[]).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        process(&["--profile", "default"]).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
    ] {
        let ended = command.end().succeeded();
        assert_eq!(ended.stderr, "");
        let document: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one JSON document");
        assert_eq!((&document["Version"], &document["AccountId"]), (&1.into(), &"222222222222".into()));
        for (process_key, endpoint_key) in [
            ("AccessKeyId", "AccessKeyId"),
            ("SecretAccessKey", "SecretAccessKey"),
            ("SessionToken", "Token"),
            ("Expiration", "Expiration"),
        ] {
            assert_eq!(document[process_key], response.text(endpoint_key));
        }
    }
    assert_eq!(stage.sts.requests().len(), 2);
}

#[test]
fn refusal_of_the_endpoint_is_not_retried() {
    let stage = Stage::new();
    let token_file = stage.path("authorization");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--auth-token-file"]).arg(&token_file).start();
    let url = format!("http://{}/v1/credentials", run.address());
    run.line(&["credentials obtained"]);
    process(&[&url]).end().failed(4, &[&url, "401", "--auth-token-file"]);
    let with_token = |arguments: &[&str]| process(arguments).env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token_file);
    with_token(&[&url]).end().succeeded();
    let with_flag = [&url, "--auth-token-file", token_file.to_str().expect("path is UTF-8")];
    process(&with_flag).env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/absent").end().succeeded();
    // A token with a trailing newline is accepted.
    let token = format!("{}\n", stage.read("authorization"));
    process(&[&url]).env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token).end().succeeded();
    let ended = with_token(&[&url, "--profile", "other"]).end();
    ended.failed(4, &["404", "/v1/credentials/other", "--profile"]);
    assert!(!ended.stderr.contains(token.trim()));
}

#[test]
fn process_waits_for_a_sidecar_that_starts_later() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("local address").to_string();
    drop(listener);
    let mut waiting = process(&[&format!("http://{address}/v1/credentials")]).start();
    // At first no process listens on the address. Then the sidecar listens but has no credentials.
    let run = stage.credvend(&["run", "--listen", &address]).start();
    stage.sts.wait_for_requests(1, DEADLINE);
    // Each request takes 0.8 s. In this time the waiting process also gets a 503.
    for _ in 0..3 {
        assert_eq!(get(run.address(), "/v1/credentials", &[]).status, 503);
    }
    assert!(waiting.is_running());
    stage.sts.clear_faults();
    assert!(waiting.wait().succeeded().stdout.contains("\"Version\":1"));
}

#[test]
fn unresponsive_endpoint_ends_with_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("http://{}/v1/credentials", listener.local_addr().expect("local address"));
    // The kernel accepts the connection, but no response ever comes.
    process(&[&url, "--timeout", "1s"]).end().failed(5, &["timed out after 1s", &url]);
    drop(listener);
    process(&[&url, "--timeout", "1s"]).end().failed(5, &["connection refused", "credvend run"]);
    process(&[&url, "--timeout", "1s"])
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/absent")
        .end()
        .failed(5, &["/absent"]);
}

#[test]
fn options_that_conflict_with_from_endpoint_are_refused() {
    process(&["--role-arn", ROLE_B]).end().failed(2, &["--from-endpoint", "--role-arn"]);
    process(&["--profile", "a", "--profile", "b"]).end().failed(2, &["--profile once"]);
    process(&["https://127.0.0.1:9911/"]).end().failed(2, &["--from-endpoint", "http URL"]);
    let variable = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let ended = process(&[]).env(variable, "http://user:hidden@example.com/").end();
    ended.failed(2, &[variable]);
    assert!(!ended.stderr.contains("hidden"));
}
