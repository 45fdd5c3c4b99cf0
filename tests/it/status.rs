use local_sts::Fault;

use crate::support::{Credvend, Ended, ROLE_A, ROLE_B, Signal, Stage, get, raw, wait_until};

/// Runs `status` against this listener.
fn status(address: impl ToString, arguments: &[&str]) -> Ended {
    let listen = address.to_string();
    Credvend::new(&[&["status", "--listen", &listen], arguments].concat()).end()
}

#[test]
fn status_prints_a_table_or_json() {
    let stage = Stage::new();
    let arguments = ["run", "--listen", "127.0.0.1:0", "--all-profiles"];
    let run = stage.with_config(&arguments, crate::profiles::CROSS_ACCOUNT).start();
    let address = run.address();
    run.lines(&["credentials obtained"], 2);
    let text = status(address, &[]).succeeded().stdout;
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("PROFILE") && lines.len() == 3, "{text}");
    assert!(
        lines[1].starts_with("account_b_role") && lines[1].contains("ready") && lines[1].ends_with(ROLE_B),
        "{text}"
    );
    assert!(lines[1].contains("in 59m") || lines[1].contains("in 1h 0m"), "{text}");

    let json: serde_json::Value =
        serde_json::from_str(&status(address, &["--format", "json"]).succeeded().stdout).expect("parse JSON");
    let first = &json["profiles"][0];
    assert_eq!((&first["name"], &first["ready"]), (&"account_b_role".into(), &true.into()));
    assert_eq!(json["profiles"][1]["role_arn"], ROLE_A);
    let next = first["next_attempt_seconds"].as_u64().expect("a number");
    assert!((1790..=2160).contains(&next), "{next}");
    stage.refuse_leaks(&text);
    stage.refuse_leaks(&json.to_string());
}

#[test]
fn last_error_is_shown_until_the_next_success() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    stage.fault(Fault::error("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity").forever());
    run.signal(Signal::HUP);
    run.line(&["exchange failed"]);
    let text = status(address, &[]).succeeded().stdout;
    assert!(text.contains("ready, refresh failing") && text.contains("AccessDenied"), "{text}");
    stage.sts.clear_faults();
    run.lines(&["credentials obtained"], 2);
    assert!(!status(address, &[]).succeeded().stdout.contains("AccessDenied"));
}

#[test]
fn status_after_a_reload_names_the_role_that_is_served() {
    let stage = Stage::new();
    let token = stage.tokens.token_file();
    let config = |role: &str| format!("[default]\nrole_arn = {role}\nweb_identity_token_file = {}\n", token.display());
    let run = stage.with_config(&["run", "--listen", "127.0.0.1:0"], &config(ROLE_A)).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    let profile = || {
        let json = status(address, &["--format", "json"]).succeeded().stdout;
        serde_json::from_str::<serde_json::Value>(&json).expect("parse JSON")["profiles"][0].clone()
    };
    assert_eq!((&profile()["stale"], &profile()["configured_role_arn"]), (&false.into(), &serde_json::Value::Null));

    // The trust policy of role B does not allow the token.
    stage.write("config", &config(ROLE_B));
    run.signal(Signal::HUP);
    let warning = run.line(&["credentials of the previous configuration are served"]);
    assert!(warning.contains("WARN") && warning.contains(ROLE_A) && warning.contains(ROLE_B), "{warning}");
    run.line(&["exchange failed", ROLE_B]);
    assert_eq!(get(address, "/v1/credentials", &[]).text("RoleArn"), ROLE_A);
    let stale = profile();
    assert_eq!(
        (&stale["role_arn"], &stale["stale"], &stale["configured_role_arn"]),
        (&ROLE_A.into(), &true.into(), &ROLE_B.into())
    );
    let text = status(address, &[]).succeeded().stdout;
    assert!(text.contains("ready, stale, refresh failing") && text.contains(ROLE_A), "{text}");
    assert!(text.contains(&format!("the configured role is {ROLE_B}")), "{text}");

    // Back to the first configuration.
    stage.write("config", &config(ROLE_A));
    run.signal(Signal::HUP);
    run.lines(&["credentials obtained", ROLE_A], 2);
    wait_until("the new credentials are published", || profile()["stale"] == false);
}

#[test]
fn status_requires_the_token_and_shows_the_profiles_of_the_token() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("tokens-of-profiles")).expect("create directory");
    let directory = stage.path("tokens-of-profiles");
    let run = stage
        .with_config(
            &["run", "--listen", "none", "--admin-listen", "127.0.0.1:0", "--all-profiles"],
            crate::profiles::CROSS_ACCOUNT,
        )
        .env("CREDVEND_AUTH_TOKEN_DIR", &directory)
        .env("CREDVEND_CREDENTIALS_FILE", stage.path("credentials"))
        .start();
    let admin = run.admin_address();
    run.lines(&["credentials obtained"], 2);
    assert_eq!(get(admin, "/v1/status", &[]).status, 401);
    let header = format!("Authorization: {}", stage.read("tokens-of-profiles/account_a_role"));
    let response = get(admin, "/v1/status", &[&header]);
    assert_eq!(response.json()["profiles"].as_array().map(Vec::len), Some(1));

    let address = admin.to_string();
    let arguments = ["status", "--listen", "none", "--admin-listen", &address, "--format", "json"];
    Credvend::new(&arguments).end().failed(1, &["--auth-token-file"]);
    let both = Credvend::new(&arguments).env("CREDVEND_AUTH_TOKEN_DIR", &directory).end().succeeded();
    let json: serde_json::Value = serde_json::from_str(&both.stdout).expect("parse JSON");
    assert_eq!(json["profiles"].as_array().map(Vec::len), Some(2));

    // Tokens of removed profiles and temporary files in the directory are ignored.
    stage.write("tokens-of-profiles/gone", "opens-nothing");
    stage.write("tokens-of-profiles/.credvend-0123456789ab.tmp", "half");
    let both = Credvend::new(&arguments).env("CREDVEND_AUTH_TOKEN_DIR", &directory).end().succeeded();
    assert!(both.stdout.contains("account_a_role") && both.stdout.contains("account_b_role"));
    for name in ["account_a_role", "account_b_role"] {
        std::fs::remove_file(directory.join(name)).expect("remove file");
    }
    Credvend::new(&arguments).env("CREDVEND_AUTH_TOKEN_DIR", &directory).end().failed(1, &["--auth-token-file"]);
}

#[test]
fn unreachable_listener_and_unknown_format_are_errors() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("local address");
    status(free, &[]).failed(1, &["check that credvend run is listening there"]);
    status(free, &["--format", "yaml"]).failed(2, &["--format"]);
}

/// Returns an address of this machine that other machines can reach, if it has one. Connecting a UDP socket sends nothing.
fn external_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

#[test]
fn status_without_a_token_is_refused_on_an_external_address() {
    let Some(address) = external_address() else {
        eprintln!("SKIPPED: this machine has no external address");
        return;
    };
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0"]).start();
    let line = run.line(&["listening for probes"]);
    let port = line.split("0.0.0.0:").nth(1).and_then(|rest| rest.split('/').next()).expect("a port");
    let [external, loopback] =
        [address.to_string(), "127.0.0.1".to_owned()].map(|host| format!("{host}:{port}").parse().expect("an address"));
    assert_eq!(get(loopback, "/v1/status", &[]).status, 200);
    let response = get(external, "/v1/status", &[]);
    assert_eq!(response.status, 403);
    assert!(!response.body.contains("arn:aws"), "{}", response.body);
    assert_eq!(get(external, "/healthz", &[]).status, 200);
}

#[test]
fn optional_token_is_required_for_the_status_on_an_external_address() {
    let Some(address) = external_address() else {
        eprintln!("SKIPPED: this machine has no external address");
        return;
    };
    let stage = Stage::new();
    let arguments = ["run", "--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0", "--auth-token-optional"];
    let run = stage.credvend(&arguments).env("CREDVEND_AUTH_TOKEN_FILE", stage.path("authorization")).start();
    let external = std::net::SocketAddr::new(address, run.admin_address().port());
    run.line(&["credentials obtained"]);
    assert_eq!(get(run.address(), "/v1/status", &[]).status, 200);
    assert_eq!(get(external, "/v1/status", &[]).status, 401);
    assert_eq!(get(external, "/v1/status", &["Authorization: wrong"]).status, 401);
    let header = format!("Authorization: {}", stage.read("authorization"));
    assert_eq!(get(external, "/v1/status", &[&header]).status, 200);
}

#[test]
fn web_page_cannot_read_the_status_from_the_admin_listener() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).start();
    let admin = run.admin_address();
    let status =
        |headers: &str| raw(admin, &format!("GET /v1/status HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")).status;
    for host in [&admin.to_string(), "localhost:8080", "127.0.0.1", "[::1]:8080", "10.0.0.7:9912"] {
        assert_eq!(status(&format!("Host: {host}\r\n")), 200, "{host}");
    }
    assert_eq!(status("Host: rebound.example:9912\r\n"), 403);
    assert_eq!(status(&format!("Host: {admin}\r\nOrigin: http://page.example\r\n")), 403);
    assert_eq!(status(&format!("Host: {admin}\r\nSec-Fetch-Site: cross-site\r\n")), 403);
}
