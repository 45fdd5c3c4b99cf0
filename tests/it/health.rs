use local_sts::{Fault, FaultKind};

use crate::support::{Credvend, ROLE_A, ROLE_B, Stage, get, raw, wait_until};

#[test]
fn readiness_requires_credentials() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).start();
    let (address, admin) = (run.address(), run.admin_address());
    let health = |arguments: &[&str]| {
        let listen = address.to_string();
        Credvend::new(&[&["health", "--listen", &listen], arguments].concat()).end()
    };
    for listener in [address, admin] {
        assert_eq!(get(listener, "/healthz", &[]).status, 200);
        assert_eq!(get(listener, "/readyz", &[]).status, 503);
    }
    health(&[]).failed(1, &["not ready", "default"]);

    stage.sts.clear_faults();
    run.line(&["credentials obtained"]);
    health(&[]).succeeded();
    health(&["--profile", "default"]).succeeded();
    assert_eq!(health(&["--profile", "other"]).code, Some(1));
    assert_eq!(get(admin, "/readyz?profile=default", &[]).status, 200);
    assert_eq!(get(admin, "/readyz?profile=other", &[]).status, 404);
}

#[test]
fn admin_listener_serves_no_credentials_and_accepts_any_host() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "none", "--admin-listen", "127.0.0.1:0"]);
    let run = run.env("CREDVEND_CREDENTIALS_FILE", stage.path("credentials")).start();
    let admin = run.admin_address();
    run.line(&["credentials file written"]);
    assert_eq!(get(admin, "/v1/credentials", &[]).status, 404);
    let request = "GET /readyz HTTP/1.1\r\nHost: 10.0.0.7:9912\r\nConnection: close\r\n\r\n";
    assert_eq!(raw(admin, request).status, 200);
    let admin = admin.to_string();
    let health = |arguments: &[&str]| Credvend::new(&[&["health"], arguments].concat()).end();
    health(&["--listen", "none", "--admin-listen", &admin]).succeeded();
    health(&["--listen", "none"]).failed(2, &["--admin-listen"]);
}

#[test]
fn readiness_names_no_profile_to_callers_without_the_token() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let arguments = ["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--all-profiles"];
    let run = stage.with_config(&arguments, crate::profiles::CROSS_ACCOUNT);
    let run = run.env("CREDVEND_AUTH_TOKEN_FILE", stage.path("authorization")).start();
    let addresses = [run.address(), run.admin_address()];
    let header = format!("Authorization: {}", stage.read("authorization"));
    let paths = ["/readyz", "/readyz?profile=account_b_role", "/readyz?profile=other"];
    for address in addresses {
        for path in paths {
            let response = get(address, path, &[]);
            assert_eq!((response.status, response.body.as_str()), (503, "{\"status\":\"not ready\"}"), "{path}");
        }
        let [all, one, other] = paths.map(|path| get(address, path, &[&header]));
        assert_eq!((all.status, one.status, other.status), (503, 503, 404));
        assert!(all.body.contains("account_a_role") && one.body.contains("account_b_role"));
    }
    let listen = run.address().to_string();
    let health = || Credvend::new(&["health", "--listen", &listen, "--profile", "account_b_role"]);
    assert!(!health().end().last_line().contains("account_b_role"));
    health().env("CREDVEND_AUTH_TOKEN_FILE", stage.path("authorization")).end().failed(1, &["account_b_role"]);
}

#[test]
fn admin_listener_without_an_address_is_on_every_address() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "none", "--admin-listen", ":0"]);
    let run = run.env("CREDVEND_CREDENTIALS_FILE", stage.path("credentials")).start();
    let port = run.admin_address().port();
    run.line(&["credentials file written"]);
    assert_eq!(get(([127, 0, 0, 1], port).into(), "/readyz", &[]).status, 200);
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert_eq!(get((std::net::Ipv6Addr::LOCALHOST, port).into(), "/readyz", &[]).status, 200);
    } else {
        eprintln!("SKIPPED: this machine has no IPv6");
    }
    let listen = format!(":{port}");
    for command in ["health", "status"] {
        Credvend::new(&[command, "--listen", "none", "--admin-listen", &listen]).end().succeeded();
    }
}

#[test]
fn unreachable_listener_is_not_ready() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("local address");
    let ended = Credvend::new(&["health"]).env("CREDVEND_LISTEN", free.to_string()).end();
    ended.failed(1, &[&free.to_string(), "check that credvend run is listening there"]);
}

#[test]
fn metrics_report_exchanges_expiry_and_responses() {
    let stage = Stage::new();
    stage.fault(Fault::throttle());
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).start();
    let (address, admin) = (run.address(), run.admin_address());
    run.line(&["credentials obtained"]);
    assert_eq!(get(address, "/v1/credentials", &[]).status, 200);
    assert_eq!(get(address, "/v1/credentials/other", &[]).status, 404);
    assert_eq!(get(address, "/metrics", &[]).status, 404, "the credentials listener serves no metrics");
    let metrics = get(admin, "/metrics", &[]);
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    for line in [
        format!("credvend_exchanges_total{{hop=\"1\",role_arn=\"{ROLE_A}\",result=\"ok\"}} 1"),
        format!("credvend_exchanges_total{{hop=\"1\",role_arn=\"{ROLE_A}\",result=\"Throttling\"}} 1"),
        "credvend_exchange_duration_seconds_count{hop=\"1\"} 2".into(),
        "credvend_requests_total{status=\"200\"} 1".into(),
        "credvend_requests_total{status=\"404\"} 2".into(),
        "credvend_profile_ready{profile=\"default\"} 1".into(),
        "credvend_credentials_expiry_timestamp_seconds{profile=\"default\"} ".into(),
        format!("credvend_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(metrics.body.contains(&line), "{line} is missing in {}", metrics.body);
    }
    stage.refuse_leaks(&metrics.body);
}

#[test]
fn readiness_requires_a_written_credentials_file() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("aws")).expect("create directory");
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let run = stage
        .credvend(&["run", "--listen", "127.0.0.1:0"])
        .env("CREDVEND_CREDENTIALS_FILE", stage.path("aws/credentials"))
        .start();
    let address = run.address();
    std::fs::rename(stage.path("aws"), stage.path("away")).expect("rename directory");
    stage.sts.clear_faults();
    run.line(&["credentials file not written"]);
    assert_eq!((get(address, "/v1/credentials", &[]).status, get(address, "/readyz", &[]).status), (200, 503));
    std::fs::rename(stage.path("away"), stage.path("aws")).expect("rename directory");
    run.line(&["credentials file written"]);
    wait_until("the profile is ready", || get(address, "/readyz", &[]).status == 200);
}

#[test]
fn readiness_of_a_profile_does_not_depend_on_other_profiles() {
    let stage = Stage::new();
    let config = format!(
        "[profile good]\nrole_arn={ROLE_A}\nweb_identity_token_file={}\n[profile bad]\nsource_profile=good\nrole_arn={}\n",
        stage.tokens.token_file().display(),
        ROLE_B.replace("account-b-role", "absent"),
    );
    let run = stage
        .with_config(&["run", "--listen", "127.0.0.1:0", "--all-profiles"], &config)
        .env("CREDVEND_CREDENTIALS_FILE", stage.path("credentials"))
        .start();
    let address = run.address();
    run.line(&["exchange failed"]);
    wait_until("the good profile is ready", || get(address, "/readyz?profile=good", &[]).status == 200);
    assert_eq!(get(address, "/readyz?profile=bad", &[]).status, 503);
    assert_eq!(get(address, "/readyz", &[]).status, 503);
}
