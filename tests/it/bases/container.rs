use std::time::Duration;

use local_sts::{LocalSts, TlsVersions, World};

use super::{assert_chained, date_in, role_a_document, role_b_from};
use crate::support::{BaseServer, Credvend, Running, Signal, Stage, get, wait_until};

/// Starts another credvend that serves role A's credentials and requires an authorization token.
fn start_role_a_server(stage: &Stage) -> Running {
    let token_file = stage.path("authorization");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--auth-token-file"]).arg(token_file).start();
    run.line(&["credentials obtained"]);
    run
}

fn export(stage: &Stage, url: &str) -> Credvend {
    let run = stage.with_config(&["export", "--log-level", "trace"], &role_b_from("EcsContainer"));
    run.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
}

#[test]
fn another_credvend_serves_as_the_container_endpoint() {
    let stage = Stage::new();
    let server = start_role_a_server(&stage);
    let url = format!("http://{}/v1/credentials", server.address());
    let file = stage.path("authorization");
    let export_with_file = || export(&stage, &url).env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file);
    // The proxy is unreachable. NO_PROXY exempts STS by its address; requests to the endpoint never use a proxy.
    let by_name = format!("http://localhost:{}/v1/credentials", server.address().port());
    let ended = export_with_file().env("AWS_CONTAINER_CREDENTIALS_FULL_URI", by_name);
    let ended = ended.env("HTTP_PROXY", "http://127.0.0.1:9").env("NO_PROXY", "127.0.0.1").end().succeeded();
    assert_chained(&stage, &ended);
    assert!(
        ended.stderr.contains("base credentials loaded") && ended.stderr.contains("source=\"container\""),
        "{}",
        ended.stderr
    );
    let token = stage.read("authorization");
    assert!(!ended.stderr.contains(&token));

    // A trailing line break is ignored. The variable with the token also works, but the file takes precedence.
    stage.write("authorization", &format!("{token}\r\n"));
    export_with_file().env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong").end().succeeded();
    export(&stage, &url).env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token).end().succeeded();
    export(&stage, &url).end().failed(4, &["hop 1", "HTTP 401", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]);
    let absent = format!("http://{}/v1/credentials/absent", server.address());
    export(&stage, &absent).env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token).end().failed(4, &["HTTP 404", "path"]);
    stage.write("authorization", &format!("{token}\n{token}"));
    export_with_file().end().failed(3, &["authorization", "line break"]);
    std::fs::remove_file(&file).expect("remove file");
    export_with_file().end().failed(3, &["authorization", "entity not found"]);
}

#[test]
fn authorization_token_file_is_read_at_each_fetch() {
    let stage = Stage::new();
    let document = role_a_document(&stage);
    // The credentials expire after 2 s, so the next fetch follows after 1 s.
    let body = serde_json::json!({
        "AccessKeyId": document["AccessKeyId"], "SecretAccessKey": document["SecretAccessKey"],
        "Token": document["SessionToken"],
    });
    let server = BaseServer::start(move |_, _| {
        let mut body = body.clone();
        body["Expiration"] = date_in(Duration::from_secs(2)).into();
        (200, body.to_string())
    });
    let file = stage.write("authorization", "first");
    stage.sts.set_lifetime(Some(Duration::from_secs(17)));
    let run = stage
        .with_config(&["run", "--listen", "127.0.0.1:0"], &role_b_from("EcsContainer"))
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url())
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)
        .start();
    run.line(&["base credentials loaded"]);
    stage.write("authorization", "second");
    run.lines(&["base credentials loaded"], 2);
    let authorizations: Vec<_> =
        server.requests().iter().map(|request| request.header("authorization").map(str::to_owned)).collect();
    assert_eq!(authorizations[..2], [Some("first".into()), Some("second".into())]);
}

#[test]
fn response_of_the_endpoint_decides_whether_to_retry() {
    let stage = Stage::new();
    let document = role_a_document(&stage);
    let valid = serde_json::json!({
        "AccessKeyId": document["AccessKeyId"], "SecretAccessKey": document["SecretAccessKey"],
        "Token": document["SessionToken"], "Expiration": document["Expiration"],
    })
    .to_string();
    for transient in [(500, String::new()), (429, "slow down".into()), (200, "<html>".into())] {
        let (first, later) = (transient.clone(), (200, valid.clone()));
        let server = BaseServer::start(move |number, _| if number == 0 { first.clone() } else { later.clone() });
        export(&stage, &server.url()).end().succeeded();
        assert_eq!(server.requests().len(), 2, "{transient:?}");
    }
    for (status, body, code, word) in [
        (403, "Access Denied to secret-of-the-request-0123456789", 4, "HTTP 403: Access Denied to [redacted]"),
        (302, "", 4, "HTTP 302"),
        (200, r#"{"Code":"Gone","Message":"no role"}"#, 4, "Gone: no role"),
        (503, r#"{"message":"starting"}"#, 5, "HTTP 503: starting"),
        (500, "headers: secret-of-the-request-0123456789", 5, "HTTP 500: headers: [redacted]"),
        (200, r#"{"Code":"Denied","Message":"secret-of-the-request-0123456789"}"#, 4, "Denied: [redacted]"),
        (200, r#"{"AccessKeyId":"a"}"#, 5, "Token is missing"),
    ] {
        let server = BaseServer::start(move |_, _| (status, body.to_owned()));
        let run = export(&stage, &server.url()).arg("--timeout").arg("1s");
        let run = run.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret-of-the-request-0123456789");
        run.end().failed(code, &["hop 1", &server.url()[7..], word]);
    }
    let huge = BaseServer::start(|_, _| (200, " ".repeat(70_000)));
    export(&stage, &huge.url()).arg("--timeout").arg("1s").end().failed(5, &["more than 65536 bytes"]);
    export(&stage, "http://127.0.0.1:1/").arg("--timeout").arg("1s").end().failed(5, &["127.0.0.1:1", "not reached"]);
}

#[test]
fn own_endpoint_as_the_base_is_refused() {
    let stage = Stage::new();
    let run = |listen: &str, url: &str| {
        let run = stage.with_config(&["run", "--listen", listen], &role_b_from("EcsContainer"));
        run.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url).end()
    };
    run("127.0.0.1:9911", "http://localhost:9911/v1/credentials").failed(2, &["profile default", "own --listen"]);
    run("[::1]:9911", "http://[::1]:9911/v1/credentials").failed(2, &["own --listen [::1]:9911"]);
}

#[test]
fn tls_endpoint_is_verified_with_the_ca_bundle() {
    let sts = LocalSts::start_tls(World::two_accounts(), TlsVersions::Both).expect("start local STS");
    let stage = Stage::with_sts(sts);
    let bundle = stage.write("ca.pem", stage.sts.ca_pem().expect("local STS has a CA"));
    // The local STS is not a container endpoint and responds with an error status, but only after the TLS handshake.
    let run = || export(&stage, &stage.sts.url()).arg("--timeout").arg("1s");
    run().env("AWS_CA_BUNDLE", &bundle).end().failed(4, &["hop 1", "returned HTTP 4"]);
    run().end().failed(5, &["hop 1", "certificate"]);
    run().env("AWS_CA_BUNDLE", stage.path("absent")).end().failed(2, &["absent"]);
}

#[test]
fn ca_bundle_is_read_when_the_configuration_is_read() {
    let sts = LocalSts::start_tls(World::two_accounts(), TlsVersions::Both).expect("start local STS");
    let stage = Stage::with_sts(sts);
    let ca = stage.sts.ca_pem().expect("local STS has a CA").to_owned();
    let bundle = stage.write("ca.pem", &ca);
    let run = stage
        .with_config(&["run", "--listen", "127.0.0.1:0"], &role_b_from("EcsContainer"))
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", stage.sts.url())
        .env("AWS_CA_BUNDLE", &bundle)
        .start();
    // The local STS is not a container endpoint and responds with an error status, but only after the TLS handshake.
    run.line(&["exchange failed", "returned HTTP 4"]);
    // A writer that replaces the bundle in place leaves it without certificates for a moment.
    stage.write("ca.pem", "");
    let failures = || run.stderr().matches("exchange failed").count();
    let before = failures();
    wait_until("two more attempts have failed", || {
        get(run.address(), "/v1/credentials", &[]);
        failures() >= before + 2
    });
    let later = run.lines(&["exchange failed"], before + 2);
    assert!(later.iter().all(|line| line.contains("returned HTTP 4")), "{later:?}");
    // A reload reads it, and keeps the previous configuration.
    run.signal(Signal::HUP);
    run.line(&["configuration not reloaded", "ca.pem", "no PEM certificate"]);
    // Another authority, which did not sign the certificate of the endpoint.
    let other = LocalSts::start_tls(World::two_accounts(), TlsVersions::Both).expect("start local STS");
    stage.write("ca.pem", other.ca_pem().expect("local STS has a CA"));
    run.signal(Signal::HUP);
    run.line(&["exchange failed", "was not reached: its certificate"]);
}
