use local_sts::{Fault, FaultKind};

use crate::support::{Credvend, ROLE_A, ROLE_B, Signal, Stage, get, raw, wait_until};

const ANY_PORT: &[&str] = &["run", "--listen", "127.0.0.1:0"];

/// A `run` command that chains role B.
fn chained(stage: &Stage) -> Credvend {
    stage.credvend(ANY_PORT).env("CREDVEND_CHAIN_ROLE_ARNS", ROLE_B)
}

#[test]
fn credentials_are_one_flat_json_object() {
    let stage = Stage::new();
    let run = chained(&stage).start();
    let response = get(run.address(), "/v1/credentials", &[]);
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("content-length"), Some(response.body.len().to_string().as_str()));
    let json = response.json();
    let mut keys: Vec<_> = json.as_object().expect("a JSON object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["AccessKeyId", "AccountId", "Expiration", "RoleArn", "SecretAccessKey", "Token"]);
    assert_eq!((response.text("RoleArn").as_str(), response.text("AccountId").as_str()), (ROLE_B, "222222222222"));
    assert!(response.text("Expiration").ends_with('Z') && response.text("Expiration").len() == 20);
    assert_eq!(get(run.address(), "/v1/credentials/default?any=query", &[]).body, response.body);
    assert_eq!(stage.actions(), ["AssumeRoleWithWebIdentity", "AssumeRole"]);
}

#[test]
fn errors_have_the_right_status_and_both_key_spellings() {
    let stage = Stage::new();
    let run = stage.credvend(ANY_PORT).start();
    let address = run.address();
    let host = format!("Host: {address}\r\n");
    let send =
        |line: &str, headers: &str| raw(address, &format!("{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"));
    for (status, line, headers) in [
        (404, "GET /v1/credentials/other", host.clone()),
        (404, "GET /v1/credentialsdefault", host.clone()),
        (404, "GET /", host.clone()),
        (404, "GET /v1/credentials/../status", host.clone()),
        (404, "GET /v1%2Fcredentials", host.clone()),
        (405, "POST /v1/credentials", format!("{host}Content-Length: 0\r\n")),
        (405, "PUT /latest/api/token", format!("{host}Content-Length: 0\r\n")),
        (403, "GET /v1/credentials", "Host: rebound.example\r\n".into()),
        (403, "GET /v1/credentials", format!("{host}X-Forwarded-For: \r\n")),
        (403, "GET /v1/credentials", format!("{host}Forwarded: for=10.0.0.1\r\n")),
        (403, "GET /v1/credentials", format!("{host}Via: 1.1 proxy\r\n")),
        (403, "GET /v1/credentials", format!("{host}X-Real-IP: 10.0.0.1\r\n")),
        (403, "GET /v1/credentials", format!("{host}Origin: http://{address}\r\n")),
        (403, "GET /v1/credentials", format!("{host}Sec-Fetch-Site: same-origin\r\n")),
        (403, "GET /v1/credentials", format!("{host}Sec-Fetch-Mode: navigate\r\n")),
        (403, "GET /v1/credentials", format!("{host}Referer: http://{address}/\r\n")),
        (403, "GET /v1/credentials", format!("{host}X-Forwarded-Host: rebound.example\r\n")),
        (403, "GET /v1/credentials", format!("{host}X-Client-IP: 10.0.0.1\r\n")),
        (403, "GET http://rebound.example/v1/credentials", host.clone()),
        (400, "GET /v1/credentials", String::new()),
        (400, "GET /v1/credentials", format!("{host}{host}")),
    ] {
        let response = send(line, &headers);
        assert_eq!(response.status, status, "{line} {headers:?}");
        assert_eq!(response.header("content-type"), Some("application/json"), "{line}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{line}");
        assert_eq!(response.text("code"), response.text("Code"), "{line}");
        assert_eq!(response.text("message"), response.text("Message"), "{line}");
    }
}

#[test]
fn authorization_token_is_created_required_and_reused() {
    let stage = Stage::new();
    let path = stage.path("authorization");
    let start = || stage.credvend(ANY_PORT).env("CREDVEND_AUTH_TOKEN_FILE", &path).start();
    let run = start();
    let address = run.address();
    let token = stage.read("authorization");
    assert!(token.len() >= 32 && !token.contains(char::is_whitespace));
    let status = |header: &str| get(address, "/v1/credentials", &[header]).status;
    assert_eq!(status(&format!("Authorization: {token}")), 200);
    for header in
        ["X-Nothing: 1".to_owned(), format!("Authorization: Bearer {token}"), format!("Authorization: {token}x")]
    {
        assert_eq!(status(&header), 401, "{header}");
    }
    let header = format!("Authorization: {token}");
    assert_eq!(get(address, "/v1/credentials", &[&header, &header]).status, 401, "header sent twice");
    // Unauthorized callers cannot find out which profiles exist. Probes need no token.
    assert_eq!(get(address, "/v1/credentials/other", &[]).status, 401);
    assert_eq!((get(address, "/healthz", &[]).status, get(address, "/readyz", &[]).status), (200, 200));
    let log = run.terminate().succeeded().stderr;
    assert!(!log.contains(&token));

    let run = start();
    assert_eq!(get(run.address(), "/v1/credentials", &[&format!("Authorization: {token}")]).status, 200);
}

#[test]
fn existing_token_file_gets_the_configured_mode() {
    use std::os::unix::fs::PermissionsExt as _;

    let stage = Stage::new();
    let path = stage.write("authorization", "by-hand");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set mode");
    let run = stage.credvend(ANY_PORT).env("CREDVEND_AUTH_TOKEN_FILE", &path).env("CREDVEND_FILE_MODE", "0640");
    let run = run.start();
    run.address();
    assert_eq!(std::fs::metadata(&path).expect("read metadata").permissions().mode() & 0o7777, 0o640);
    assert_eq!(stage.read("authorization"), "by-hand");
}

#[test]
fn externally_rotated_token_is_accepted_alongside_the_previous_one() {
    let stage = Stage::new();
    let path = stage.write("authorization", "token-1");
    let run = stage.credvend(ANY_PORT).env("CREDVEND_AUTH_TOKEN_FILE", &path).start();
    let address = run.address();
    let status = |token: &str| get(address, "/v1/credentials", &[&format!("Authorization: {token}")]).status;
    assert_eq!((status("token-1"), status("token-2")), (200, 401));
    // A client that has read the new token is never refused.
    stage.write("authorization", "token-2\n");
    assert_eq!(status("token-2"), 200);
    assert_eq!((status("token-1"), status("token-3")), (200, 401));
    stage.write("authorization", "");
    run.line(&["authorization token reloaded"]);
    assert_eq!(status("token-2"), 200, "an empty token file is ignored");
}

#[test]
fn rotation_is_noticed_while_the_previous_token_is_used() {
    let stage = Stage::new();
    let path = stage.write("authorization", "token-1");
    let run = stage.credvend(ANY_PORT).env("CREDVEND_AUTH_TOKEN_FILE", &path).start();
    let address = run.address();
    let status = |token: &str| get(address, "/v1/credentials", &[&format!("Authorization: {token}")]).status;
    assert_eq!(status("token-1"), 200);
    stage.write("authorization", "token-2");
    wait_until("the rotation is noticed", || {
        assert_eq!(status("token-1"), 200);
        run.stderr().contains("authorization token reloaded")
    });
    assert_eq!((status("token-1"), status("token-2")), (200, 200));
}

#[test]
fn wrong_tokens_for_one_profile_do_not_delay_the_rotation_of_another() {
    let stage = Stage::new();
    let directory = stage.path("authorization");
    std::fs::create_dir(&directory).expect("create directory");
    let arguments = ["run", "--listen", "127.0.0.1:0", "--all-profiles"];
    let run = stage.with_config(&arguments, crate::profiles::CROSS_ACCOUNT).env("CREDVEND_AUTH_TOKEN_DIR", directory);
    let run = run.start();
    let address = run.address();
    let status = |profile: &str, token: &str| {
        get(address, &format!("/v1/credentials/{profile}"), &[&format!("Authorization: {token}")]).status
    };
    stage.write("authorization/account_b_role", "rotated");
    for _ in 0..20 {
        assert_eq!(status("account_a_role", "guessed"), 401);
    }
    assert_eq!(status("account_b_role", "rotated"), 200);
}

#[test]
fn deleted_token_file_is_written_again_with_the_same_token() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("shared")).expect("create directory");
    let path = stage.path("shared/authorization");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let run = run.env("CREDVEND_AUTH_TOKEN_FILE", &path).start();
    let address = run.address();
    let token = stage.read("shared/authorization");
    let request = || get(address, "/v1/credentials", &[&format!("Authorization: {token}")]).status;
    std::fs::remove_file(&path).expect("remove file");
    wait_until("the file is written again", || request() == 200 && path.exists());
    assert_eq!(stage.read("shared/authorization"), token);

    // A failure is logged once and tried again.
    std::fs::rename(stage.path("shared"), stage.path("away")).expect("rename directory");
    let failures = || get(run.admin_address(), "/metrics", &[]).body;
    let counted = "credvend_sink_failures_total{sink=\"authorization_token\"} 2";
    wait_until("two failures", || request() == 200 && failures().contains(counted));
    assert_eq!(run.lines(&["authorization token file not written"], 1).len(), 1);
    std::fs::create_dir(stage.path("shared")).expect("create directory");
    wait_until("the file is written again", || request() == 200 && path.exists());
    run.lines(&["authorization token file written again"], 2);
    assert_eq!(stage.read("shared/authorization"), token);
}

#[test]
fn token_of_a_profile_grants_access_to_that_profile_only() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("authorization")).expect("create directory");
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
    // `/v1/credentials` serves the first profile of the file.
    assert_eq!((status("/v1/credentials", "account_b_role"), status("/v1/credentials", "account_a_role")), (200, 401));

    // A reload rotates no token: a container that mounts the file by subPath would be locked out. A missing file gets a new token.
    let previous = header("account_a_role");
    run.signal(Signal::HUP);
    run.line(&["configuration reloaded"]);
    assert_eq!(header("account_a_role"), previous);
    std::fs::remove_file(stage.path("authorization/account_a_role")).expect("remove file");
    run.signal(Signal::HUP);
    run.lines(&["configuration reloaded"], 2);
    assert_ne!(header("account_a_role"), previous);
    for token in [&previous, &header("account_a_role")] {
        assert_eq!(get(address, "/v1/credentials/account_a_role", &[token]).status, 200);
    }

    // If loading fails for one profile, the tokens of the other profiles still match their files.
    let before = header("account_a_role");
    std::fs::remove_file(stage.path("authorization/account_b_role")).expect("remove file");
    std::fs::create_dir(stage.path("authorization/account_b_role")).expect("create a directory in place of the file");
    run.signal(Signal::HUP);
    run.line(&["configuration not reloaded"]);
    for token in [&before, &header("account_a_role")] {
        assert_eq!(get(address, "/v1/credentials/account_a_role", &[token]).status, 200);
    }
}

#[test]
fn request_before_the_first_exchange_waits_briefly_then_gets_503() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let run = stage.credvend(ANY_PORT).start();
    let address = run.address();
    let sent = std::time::Instant::now();
    let response = get(address, "/v1/credentials", &[]);
    assert!(sent.elapsed().as_millis() >= 750, "the request waits 0.8 s, because some SDKs give up after 1 s");
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert_eq!(get(address, "/readyz", &[]).status, 503);

    stage.sts.clear_faults();
    run.line(&["credentials obtained"]);
    assert_eq!(get(address, "/v1/credentials", &[]).text("RoleArn"), ROLE_A);
}

#[test]
fn connections_are_reused_and_slow_request_heads_do_not_block_others() {
    use std::io::{Read as _, Write as _};

    let stage = Stage::new();
    let run = stage.credvend(ANY_PORT).start();
    let address = run.address();
    let mut slow: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(address).expect("connect")).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /v1/cred").expect("send");
    }
    assert_eq!(get(address, "/v1/credentials", &[]).status, 200);

    let mut stream = std::net::TcpStream::connect(address).expect("connect");
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).expect("send");
        let mut response = [0; 512];
        let length = stream.read(&mut response).expect("read response");
        assert!(response[..length].starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn client_that_ends_its_side_of_the_connection_gets_its_response() {
    use std::io::{Read as _, Write as _};

    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let run = stage.credvend(ANY_PORT).start();
    let address = run.address();
    let mut stream = std::net::TcpStream::connect(address).expect("connect");
    write!(stream, "GET /v1/credentials HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("send");
    // The end arrives while the request waits for the first credentials.
    stream.shutdown(std::net::Shutdown::Write).expect("shut down");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("read until credvend closes");
    assert!(response.starts_with("HTTP/1.1 503 ") && response.contains("retry-after: 1"), "{response}");
}

#[test]
fn oversized_request_head_is_refused_and_the_server_keeps_running() {
    let stage = Stage::new();
    let run = stage.credvend(ANY_PORT).start();
    let address = run.address();
    let mut stream = std::net::TcpStream::connect(address).expect("connect");
    let filler = "x".repeat(64 * 1024);
    // The server may close the connection before the whole request is sent.
    let _ = std::io::Write::write_all(&mut stream, format!("GET / HTTP/1.1\r\nA: {filler}\r\n\r\n").as_bytes());
    let mut response = Vec::new();
    // If the server closes with unread data, the connection may be reset before the response arrives.
    let _ = std::io::Read::read_to_end(&mut stream, &mut response);
    assert!(response.is_empty() || response.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&response));
    assert_eq!(get(address, "/v1/credentials", &[]).status, 200);
}

#[test]
fn each_listen_address_is_served() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"]).start();
    let lines = run.lines(&["listening url="], 2);
    for (line, host) in lines.iter().zip(["127.0.0.1", "127.0.0.2"]) {
        let url = line.split("http://").nth(1).expect("a URL in the log line");
        let address: std::net::SocketAddr = url.split('/').next().expect("an authority").parse().expect("an address");
        assert_eq!(address.ip().to_string(), host);
        assert_eq!(get(address, "/v1/credentials", &[]).status, 200);
    }
}

#[test]
fn address_in_use_ends_run_at_start() {
    let stage = Stage::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("local address").to_string();
    let ended = stage.credvend(&["run", "--listen", &address]).end();
    ended.failed(6, &[&address, "another process uses this port"]);
    assert_eq!(stage.actions(), [""; 0], "no call to STS");
}
