//! Generates the tables of paths, statuses and bodies from the responses of a running `credvend run`.

use std::net::SocketAddr;

use local_sts::{Fault, FaultKind};

use super::blocks::{assert_current, table};
use crate::support::{ROLE_B, Response, Running, Stage, get, raw, wait_until};

const RUN: &[&str] = &["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

fn start(stage: &Stage) -> Running {
    let run = stage.credvend(RUN).env("CREDVEND_CHAIN_ROLE_ARNS", ROLE_B);
    let run = run.env("CREDVEND_AUTH_TOKEN_FILE", stage.path("authorization")).start();
    let address = run.address();
    wait_until("the profile is ready", || get(address, "/readyz", &[]).status == 200);
    run
}

fn authorization(stage: &Stage) -> String {
    format!("Authorization: {}", stage.read("authorization"))
}

#[test]
fn paths_table_matches_the_listeners() {
    let stage = Stage::new();
    let run = start(&stage);
    let listeners = [("`--listen`", run.address()), ("`--admin-listen`", run.admin_address())];
    let header = authorization(&stage);
    let rows = [
        ("/v1/credentials", "/v1/credentials", "credentials of the first profile"),
        ("/v1/credentials/PROFILE", "/v1/credentials/default", "credentials of that profile"),
        ("/v1/status", "/v1/status", "state of the profiles that the authorization token opens; no secrets"),
        ("/healthz", "/healthz", "200 while the process runs"),
        ("/readyz", "/readyz", "200 if every profile is ready, else 503"),
        ("/readyz?profile=PROFILE", "/readyz?profile=default", "the same for one profile"),
        ("/metrics", "/metrics", "[metrics](#metrics) for Prometheus"),
    ];
    let rows = rows.map(|(shown, path, response)| {
        let serving: Vec<_> =
            listeners.iter().filter(|(_, address)| get(*address, path, &[&header]).status == 200).collect();
        let needs_token = serving.iter().any(|(_, address)| get(*address, path, &[]).status == 401);
        vec![
            format!("`GET {shown}`"),
            serving.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
            if needs_token { "if configured" } else { "no" }.to_owned(),
            response.to_owned(),
        ]
    });
    assert!(rows.iter().all(|row| !row[1].is_empty()), "{rows:?}");
    assert_current("paths", &table(&["request", "served by", "needs the authorization token", "response"], rows));
}

#[test]
fn statuses_table_matches_the_endpoint() {
    let stage = Stage::new();
    let run = start(&stage);
    let address = run.address();
    let header = authorization(&stage);
    let send = |line: &str, headers: &[&str]| {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        raw(address, &format!("{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"))
    };
    let host = &*format!("Host: {address}");
    let line = "GET /v1/credentials";
    let mut rows = vec![
        ("valid credentials", send(line, &[host, &header])),
        ("no `Host` header, or more than one", send(line, &[&header])),
        ("a missing or wrong authorization token, if one is configured", send(line, &[host, "Authorization: wrong"])),
        ("a `Host` header that does not name this endpoint", send(line, &["Host: attacker.example", &header])),
        (
            "a request from a proxy or a browser, with a header such as `X-Forwarded-For`, `Forwarded`, `Via`, `X-Real-IP`, \
             `Origin`, `Referer` or `Sec-Fetch-Site`",
            send(line, &[host, &header, "X-Forwarded-For: 192.0.2.1"]),
        ),
        ("an unknown path or profile", send("GET /v1/credentials/other", &[host, &header])),
        ("a method other than GET", send("POST /v1/credentials", &[host, &header, "Content-Length: 0"])),
    ];
    let never = Stage::new();
    never.fault(Fault::new(FaultKind::Hang).forever());
    let waiting = never.credvend(RUN).start();
    rows.push(("no valid credentials", get(waiting.address(), "/v1/credentials", &[])));

    let rows = rows.iter().map(|(when, answer)| {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{when}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{when}");
        let code = answer.json()["code"].as_str().map(|code| format!("`{code}`")).unwrap_or_default();
        let further = ["Allow", "Retry-After"]
            .into_iter()
            .filter_map(|name| Some(format!("`{name}: {}`", answer.header(name)?)))
            .collect::<String>();
        vec![answer.status.to_string(), code, (*when).to_owned(), further]
    });
    assert_current("statuses", &table(&["status", "`code`", "response to", "further header"], rows));
}

/// Returns a JSON body as a code block, with shortened secrets and a fixed date.
fn body(answer: &Response) -> String {
    let mut body = answer.json();
    for (key, value) in body.as_object_mut().expect("an object") {
        let text = value.as_str().expect("a string");
        let begin: String = text.chars().take(4).collect();
        *value = match key.as_str() {
            "SecretAccessKey" => "…".into(),
            "AccessKeyId" | "Token" => format!("{begin}…").into(),
            "Expiration" => {
                let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
                assert_eq!(shape, "0000-00-00T00:00:00Z");
                "2030-01-31T12:00:00Z".into()
            }
            _ => continue,
        };
    }
    format!("```json\n{}\n```\n", serde_json::to_string_pretty(&body).expect("JSON"))
}

#[test]
fn bodies_match_the_endpoint() {
    let stage = Stage::new();
    let run = start(&stage);
    let ask = |address: SocketAddr, headers: &[&str]| body(&get(address, "/v1/credentials", headers));
    let granted = ask(run.address(), &[&authorization(&stage)]);
    let refused = ask(run.address(), &[]);
    assert_current("bodies", &format!("Credentials:\n\n{granted}\nAn error:\n\n{refused}"));
}
