use std::net::TcpListener;

use local_sts::{Fault, FaultKind};

use crate::support::{Credvend, ROLE_B, Stage, get};

/// As an application would run it: without an identity, in an environment that names a profile which runs this.
fn process(arguments: &[&str]) -> Credvend {
    Credvend::new(&[&["process", "--from-endpoint"], arguments].concat()).env("AWS_PROFILE", "self")
}

#[test]
fn the_document_is_that_of_the_endpoint_and_sts_is_not_asked() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--chain-role-arn", ROLE_B]).start();
    let url = format!("http://{}/v1/credentials", run.address());
    run.line(&["exchanged", "hop=2"]);
    let answer = get(run.address(), "/v1/credentials", &[]);
    for process in [
        process(&[&url]),
        process(&[]).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        process(&["--profile", "default"]).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
    ] {
        let ended = process.end().succeeded();
        assert_eq!(ended.stderr, "");
        let document: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one document");
        assert_eq!((&document["Version"], &document["AccountId"]), (&1.into(), &"222222222222".into()));
        for (ours, theirs) in [
            ("AccessKeyId", "AccessKeyId"),
            ("SecretAccessKey", "SecretAccessKey"),
            ("SessionToken", "Token"),
            ("Expiration", "Expiration"),
        ] {
            assert_eq!(document[ours], answer.text(theirs));
        }
    }
    assert_eq!(stage.sts.requests().len(), 2);
}

#[test]
fn a_refusal_is_final_at_once() {
    let stage = Stage::new();
    let token_file = stage.path("authorization");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--auth-token-file"]).arg(&token_file).start();
    let url = format!("http://{}/v1/credentials", run.address());
    run.line(&["exchanged"]);
    process(&[&url]).end().failed(4, &[&url, "401", "--auth-token-file"]);
    let with_token = |arguments: &[&str]| process(arguments).env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token_file);
    with_token(&[&url]).end().succeeded();
    let flag = [&url, "--auth-token-file", token_file.to_str().expect("UTF-8")];
    process(&flag).env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/absent").end().succeeded();
    // Written by hand, with a newline.
    let token = format!("{}\n", stage.read("authorization"));
    process(&[&url]).env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token).end().succeeded();
    let ended = with_token(&[&url, "--profile", "other"]).end();
    ended.failed(4, &["404", "/v1/credentials/other", "--profile"]);
    assert!(!ended.stderr.contains(token.trim()));
}

#[test]
fn an_application_may_start_before_its_sidecar() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    drop(taken);
    let mut waiting = process(&[&format!("http://{address}/v1/credentials")]).start();
    // First nobody listens, then nobody has credentials.
    let run = stage.credvend(&["run", "--listen", &address]).start();
    stage.sts.wait_for_requests(1, crate::support::DEADLINE);
    // Each takes 0.8 s; meanwhile it has asked too.
    for _ in 0..3 {
        assert_eq!(get(run.address(), "/v1/credentials", &[]).status, 503);
    }
    assert!(waiting.is_running());
    stage.sts.clear_faults();
    assert!(waiting.wait().succeeded().stdout.contains("\"Version\":1"));
}

#[test]
fn time_is_up_where_nobody_answers() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url = format!("http://{}/v1/credentials", taken.local_addr().expect("an address"));
    // Accepts, and never answers.
    process(&[&url, "--timeout", "1s"]).end().failed(5, &["timed out after 1s", &url]);
    drop(taken);
    process(&[&url, "--timeout", "1s"]).end().failed(5, &["connection refused", "credvend run"]);
    process(&[&url, "--timeout", "1s"])
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/absent")
        .end()
        .failed(5, &["/absent"]);
}

#[test]
fn what_an_endpoint_cannot_be_told_is_a_mistake() {
    process(&["--role-arn", ROLE_B]).end().failed(2, &["--from-endpoint", "--role-arn"]);
    process(&["--profile", "a", "--profile", "b"]).end().failed(2, &["--profile once"]);
    process(&["https://127.0.0.1:9911/"]).end().failed(2, &["--from-endpoint", "http URL"]);
    let variable = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let ended = process(&[]).env(variable, "http://user:hidden@example.com/").end();
    ended.failed(2, &[variable]);
    assert!(!ended.stderr.contains("hidden"));
}
