use local_sts::{Fault, FaultKind};

use crate::support::{Credvend, ROLE_A, ROLE_B, Stage, get, raw};

const ANY_PORT: &[&str] = &["run", "--listen", "127.0.0.1:0"];

fn chained(stage: &Stage) -> Credvend {
    stage.credvend(ANY_PORT).env("CREDVEND_CHAIN_ROLE_ARNS", ROLE_B)
}

#[test]
fn credentials_are_one_flat_object_that_every_sdk_reads() {
    let stage = Stage::new();
    let run = chained(&stage).start();
    let answer = get(run.address(), "/v1/credentials", &[]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    let json = answer.json();
    let mut keys: Vec<_> = json.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["AccessKeyId", "AccountId", "Expiration", "RoleArn", "SecretAccessKey", "Token"]);
    assert_eq!((answer.text("RoleArn").as_str(), answer.text("AccountId").as_str()), (ROLE_B, "222222222222"));
    assert!(answer.text("Expiration").ends_with('Z') && answer.text("Expiration").len() == 20);
    assert_eq!(get(run.address(), "/v1/credentials/default?any=query", &[]).body, answer.body);
    assert_eq!(stage.actions(), ["AssumeRoleWithWebIdentity", "AssumeRole"]);
}

#[test]
fn errors_carry_both_spellings_and_the_right_status() {
    let stage = Stage::new();
    let run = stage.credvend(ANY_PORT).start();
    let address = run.address();
    let host = format!("Host: {address}\r\n");
    let ask =
        |line: &str, headers: &str| raw(address, &format!("{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"));
    for (status, line, headers) in [
        (404, "GET /v1/credentials/other", host.clone()),
        (404, "GET /v1/credentials/", host.clone()),
        (404, "GET /v1/credentialsdefault", host.clone()),
        (404, "GET /", host.clone()),
        (405, "POST /v1/credentials", format!("{host}Content-Length: 0\r\n")),
        (405, "PUT /latest/api/token", format!("{host}Content-Length: 0\r\n")),
        (403, "GET /v1/credentials", "Host: rebound.example\r\n".into()),
        (403, "GET /v1/credentials", format!("{host}X-Forwarded-For: \r\n")),
        (403, "GET http://rebound.example/v1/credentials", host.clone()),
        (400, "GET /v1/credentials", String::new()),
        (400, "GET /v1/credentials", format!("{host}{host}")),
    ] {
        let answer = ask(line, &headers);
        assert_eq!(answer.status, status, "{line} {headers:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{line}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{line}");
        assert_eq!(answer.text("code"), answer.text("Code"), "{line}");
        assert_eq!(answer.text("message"), answer.text("Message"), "{line}");
    }
}

#[test]
fn an_authorization_token_is_made_required_and_kept() {
    let stage = Stage::new();
    let path = stage.path("authorization");
    let start = || stage.credvend(ANY_PORT).env("CREDVEND_AUTH_TOKEN_FILE", &path).start();
    let run = start();
    let address = run.address();
    let token = stage.read("authorization");
    assert!(token.len() >= 32 && !token.contains(char::is_whitespace));
    let status = |header: &str| get(address, "/v1/credentials", &[header]).status;
    assert_eq!(status(&format!("Authorization: {token}")), 200);
    for wrong in
        ["X-Nothing: 1".to_owned(), format!("Authorization: Bearer {token}"), format!("Authorization: {token}x")]
    {
        assert_eq!(status(&wrong), 401, "{wrong}");
    }
    let twice = [format!("Authorization: {token}"), format!("Authorization: {token}")];
    assert_eq!(get(address, "/v1/credentials", &[&twice[0], &twice[1]]).status, 401);
    // Who may not know hears nothing of which profiles there are; probes need no token.
    assert_eq!(get(address, "/v1/credentials/other", &[]).status, 401);
    assert_eq!((get(address, "/healthz", &[]).status, get(address, "/readyz", &[]).status), (200, 200));
    let log = run.terminate().succeeded().stderr;
    assert!(!log.contains(&token));

    let run = start();
    assert_eq!(get(run.address(), "/v1/credentials", &[&format!("Authorization: {token}")]).status, 200);
}

#[test]
fn a_token_s_file_gets_its_mode_unless_it_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt as _;

    let stage = Stage::new();
    let path = stage.write("authorization", "by-hand");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    let run = stage.credvend(ANY_PORT).env("CREDVEND_AUTH_TOKEN_FILE", &path).env("CREDVEND_FILE_MODE", "0640");
    let run = run.start();
    run.address();
    assert_eq!(std::fs::metadata(&path).expect("metadata").permissions().mode() & 0o7777, 0o640);
    assert_eq!(stage.read("authorization"), "by-hand");
}

#[test]
fn a_token_that_somebody_else_rotates_counts_beside_the_one_before() {
    let stage = Stage::new();
    let path = stage.write("authorization", "of-monday");
    let run = stage.credvend(ANY_PORT).env("CREDVEND_AUTH_TOKEN_FILE", &path).start();
    let address = run.address();
    let status = |token: &str| get(address, "/v1/credentials", &[&format!("Authorization: {token}")]).status;
    assert_eq!((status("of-monday"), status("of-tuesday")), (200, 401));
    // The file was looked at for the wrong one just now; the next look is a second later.
    stage.write("authorization", "of-tuesday\n");
    crate::support::wait_until("the new token is accepted", || status("of-tuesday") == 200);
    assert_eq!((status("of-monday"), status("of-wednesday")), (200, 401));
    stage.write("authorization", "");
    run.line(&["authorization token reloaded"]);
    assert_eq!(status("of-tuesday"), 200, "an empty file changes nothing");
}

#[test]
fn a_token_of_the_directory_opens_its_profile_alone() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("authorization")).expect("made");
    let arguments = ["run", "--listen", "127.0.0.1:0", "--all-profiles"];
    let run = stage
        .with_config(&arguments, crate::profiles::CROSS_ACCOUNT)
        .env("CREDVEND_AUTH_TOKEN_DIR", stage.path("authorization"))
        .start();
    let address = run.address();
    let header = |profile: &str| format!("Authorization: {}", stage.read(format!("authorization/{profile}")));
    let status = |path: &str, profile: &str| get(address, path, &[&header(profile)]).status;
    assert_eq!(status("/v1/credentials/account_a_role", "account_a_role"), 200);
    assert_eq!(status("/v1/credentials/account_b_role", "account_b_role"), 200);
    assert_eq!(status("/v1/credentials/account_b_role", "account_a_role"), 401);
    // The first profile of the file is the default one.
    assert_eq!((status("/v1/credentials", "account_b_role"), status("/v1/credentials", "account_a_role")), (200, 401));

    let old = header("account_a_role");
    run.signal(crate::support::Signal::HUP);
    run.line(&["configuration reloaded"]);
    assert_ne!(header("account_a_role"), old);
    for token in [&old, &header("account_a_role")] {
        assert_eq!(get(address, "/v1/credentials/account_a_role", &[token]).status, 200);
    }

    // A rotation that fails halfway: what is in a file opens its profile, whatever became of the others'.
    let before = header("account_a_role");
    std::fs::remove_file(stage.path("authorization/account_b_role")).expect("removed");
    std::fs::create_dir(stage.path("authorization/account_b_role")).expect("in the way");
    run.signal(crate::support::Signal::HUP);
    run.line(&["configuration not reloaded"]);
    for token in [&before, &header("account_a_role")] {
        assert_eq!(get(address, "/v1/credentials/account_a_role", &[token]).status, 200);
    }
}

#[test]
fn before_the_first_exchange_a_request_waits_but_not_for_long() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let run = stage.credvend(ANY_PORT).start();
    let address = run.address();
    let asked = std::time::Instant::now();
    let answer = get(address, "/v1/credentials", &[]);
    assert!(asked.elapsed().as_millis() >= 750, "some SDKs give up after a second, so it waits as long as it can");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(get(address, "/readyz", &[]).status, 503);

    stage.sts.clear_faults();
    run.line(&["credentials obtained"]);
    assert_eq!(get(address, "/v1/credentials", &[]).text("RoleArn"), ROLE_A);
}

#[test]
fn a_connection_can_be_used_again_and_slow_heads_do_not_block_others() {
    use std::io::{Read as _, Write as _};

    let stage = Stage::new();
    let run = stage.credvend(ANY_PORT).start();
    let address = run.address();
    let mut slow: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(address).expect("connected")).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /v1/cred").expect("sent");
    }
    assert_eq!(get(address, "/v1/credentials", &[]).status, 200);

    let mut stream = std::net::TcpStream::connect(address).expect("connected");
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).expect("an answer");
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn an_oversized_head_is_refused_and_the_server_lives_on() {
    let stage = Stage::new();
    let run = stage.credvend(ANY_PORT).start();
    let address = run.address();
    let mut stream = std::net::TcpStream::connect(address).expect("connected");
    let filler = "x".repeat(64 * 1024);
    // The server may close before all of it was sent.
    let _ = std::io::Write::write_all(&mut stream, format!("GET / HTTP/1.1\r\nA: {filler}\r\n\r\n").as_bytes());
    let mut answer = Vec::new();
    // Closed with what was sent still unread, the connection may be reset before the answer is here.
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(get(address, "/v1/credentials", &[]).status, 200);
}

#[test]
fn every_address_of_several_is_served() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"]).start();
    let lines = run.lines(&["listening url="], 2);
    for (line, host) in lines.iter().zip(["127.0.0.1", "127.0.0.2"]) {
        let url = line.split("http://").nth(1).expect("a URL");
        let address: std::net::SocketAddr = url.split('/').next().expect("an authority").parse().expect("an address");
        assert_eq!(address.ip().to_string(), host);
        assert_eq!(get(address, "/v1/credentials", &[]).status, 200);
    }
}

#[test]
fn a_taken_address_ends_run_at_start() {
    let stage = Stage::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
    let ended = stage.credvend(&["run", "--listen", &address]).end();
    ended.failed(6, &[&address, "another process uses this port"]);
    assert_eq!(stage.actions(), [""; 0], "nothing was asked of STS");
}
