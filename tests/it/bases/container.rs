use std::time::Duration;

use local_sts::{LocalSts, TlsVersions, World};

use super::{assert_chained, date, role_a, role_b_of};
use crate::support::{BaseServer, Credvend, Running, Stage};

/// Another credvend, which vends role A with an authorization token.
fn other(stage: &Stage) -> Running {
    let token_file = stage.path("authorization");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--auth-token-file"]).arg(token_file).start();
    run.line(&["credentials obtained"]);
    run
}

fn export(stage: &Stage, url: &str) -> Credvend {
    let run = stage.with_config(&["export", "--log-level", "trace"], &role_b_of("EcsContainer"));
    run.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
}

#[test]
fn another_credvend_is_a_base() {
    let stage = Stage::new();
    let other = other(&stage);
    let url = format!("http://{}/v1/credentials", other.address());
    let file = stage.path("authorization");
    let asked = || export(&stage, &url).env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file);
    // The proxy leads nowhere; STS is exempt from it by its address, the endpoint always.
    let by_name = format!("http://localhost:{}/v1/credentials", other.address().port());
    let ended = asked().env("AWS_CONTAINER_CREDENTIALS_FULL_URI", by_name);
    let ended = ended.env("HTTP_PROXY", "http://127.0.0.1:9").env("NO_PROXY", "127.0.0.1").end().succeeded();
    assert_chained(&stage, &ended);
    assert!(
        ended.stderr.contains("base credentials loaded") && ended.stderr.contains("source=\"container\""),
        "{}",
        ended.stderr
    );
    let token = stage.read("authorization");
    assert!(!ended.stderr.contains(&token));

    // A line break at its end does no harm; the token itself serves as well, but is outranked by its file.
    stage.write("authorization", &format!("{token}\r\n"));
    asked().env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong").end().succeeded();
    export(&stage, &url).env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token).end().succeeded();
    export(&stage, &url).end().failed(4, &["hop 1", "HTTP 401", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]);
    let absent = format!("http://{}/v1/credentials/absent", other.address());
    export(&stage, &absent).env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &token).end().failed(4, &["HTTP 404", "path"]);
    stage.write("authorization", &format!("{token}\n{token}"));
    asked().end().failed(3, &["authorization", "line break"]);
    std::fs::remove_file(&file).expect("removed");
    asked().end().failed(3, &["authorization", "entity not found"]);
}

#[test]
fn the_token_is_read_anew_at_each_fetch() {
    let stage = Stage::new();
    let document = role_a(&stage);
    // Two seconds live: the next fetch follows after one.
    let body = serde_json::json!({
        "AccessKeyId": document["AccessKeyId"], "SecretAccessKey": document["SecretAccessKey"],
        "Token": document["SessionToken"],
    });
    let server = BaseServer::start(move |_, _| {
        let mut body = body.clone();
        body["Expiration"] = date(Duration::from_secs(2)).into();
        (200, body.to_string())
    });
    let file = stage.write("authorization", "first");
    stage.sts.set_lifetime(Some(Duration::from_secs(17)));
    let run = stage
        .with_config(&["run", "--listen", "127.0.0.1:0"], &role_b_of("EcsContainer"))
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url())
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)
        .start();
    run.line(&["base credentials loaded"]);
    stage.write("authorization", "second");
    run.lines(&["base credentials loaded"], 2);
    let shown: Vec<_> =
        server.requests().iter().map(|request| request.header("authorization").map(str::to_owned)).collect();
    assert_eq!(shown[..2], [Some("first".into()), Some("second".into())]);
}

#[test]
fn what_an_endpoint_answers_decides_about_another_attempt() {
    let stage = Stage::new();
    let good = |document: &serde_json::Value| {
        serde_json::json!({
            "AccessKeyId": document["AccessKeyId"], "SecretAccessKey": document["SecretAccessKey"],
            "Token": document["SessionToken"], "Expiration": document["Expiration"],
        })
        .to_string()
    };
    let good = good(&role_a(&stage));
    for first in [(500, String::new()), (429, "slow down".into()), (200, "<html>".into())] {
        let (good, bad) = (good.clone(), first.clone());
        let server = BaseServer::start(move |number, _| if number == 0 { bad.clone() } else { (200, good.clone()) });
        export(&stage, &server.url()).end().succeeded();
        assert_eq!(server.requests().len(), 2, "{first:?}");
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
fn credvend_does_not_ask_itself() {
    let stage = Stage::new();
    let run = |listen: &str, url: &str| {
        let run = stage.with_config(&["run", "--listen", listen], &role_b_of("EcsContainer"));
        run.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url).end()
    };
    run("127.0.0.1:9911", "http://localhost:9911/v1/credentials").failed(2, &["profile default", "own --listen"]);
    run("[::1]:9911", "http://[::1]:9911/v1/credentials").failed(2, &["own --listen [::1]:9911"]);
}

#[test]
fn an_endpoint_over_tls_is_verified_by_the_same_roots_as_sts() {
    let sts = LocalSts::start_tls(World::two_accounts(), TlsVersions::Both).expect("local STS starts");
    let stage = Stage::with_sts(sts);
    let bundle = stage.write("ca.pem", stage.sts.ca_pem().expect("TLS"));
    // STS is no such endpoint, but only over TLS can it say so.
    let run = || export(&stage, &stage.sts.url()).arg("--timeout").arg("1s");
    run().env("AWS_CA_BUNDLE", &bundle).end().failed(4, &["hop 1", "returned HTTP 4"]);
    run().end().failed(5, &["hop 1", "certificate"]);
    run().env("AWS_CA_BUNDLE", stage.path("absent")).end().failed(2, &["absent"]);
}
