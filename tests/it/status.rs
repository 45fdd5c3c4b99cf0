use local_sts::Fault;

use crate::support::{Credvend, Ended, ROLE_A, ROLE_B, Signal, Stage, get};

fn status(address: impl ToString, arguments: &[&str]) -> Ended {
    let listen = address.to_string();
    Credvend::new(&[&["status", "--listen", &listen], arguments].concat()).end()
}

#[test]
fn a_table_for_people_and_json_for_scripts() {
    let stage = Stage::new();
    let arguments = ["run", "--listen", "127.0.0.1:0", "--all-profiles"];
    let run = stage.with_config(&arguments, crate::profiles::CROSS_ACCOUNT).start();
    let address = run.address();
    run.lines(&["exchanged"], 2);
    let text = status(address, &[]).succeeded().stdout;
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("PROFILE") && lines.len() == 3, "{text}");
    assert!(
        lines[1].starts_with("account_b_role") && lines[1].contains("ready") && lines[1].ends_with(ROLE_B),
        "{text}"
    );
    assert!(lines[1].contains("in 59m") || lines[1].contains("in 1h 0m"), "{text}");

    let json: serde_json::Value =
        serde_json::from_str(&status(address, &["--format", "json"]).succeeded().stdout).expect("JSON");
    let first = &json["profiles"][0];
    assert_eq!((&first["name"], &first["ready"]), (&"account_b_role".into(), &true.into()));
    assert_eq!(json["profiles"][1]["role_arn"], ROLE_A);
    let next = first["next_attempt_seconds"].as_u64().expect("a number");
    assert!((1790..=2160).contains(&next), "{next}");
    stage.refuse_leaks(&text);
    stage.refuse_leaks(&json.to_string());
}

#[test]
fn the_last_error_is_shown_and_goes_with_the_next_success() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let address = run.address();
    run.line(&["exchanged"]);
    stage.fault(Fault::error("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity").forever());
    run.signal(Signal::HUP);
    run.line(&["exchange failed"]);
    let text = status(address, &[]).succeeded().stdout;
    assert!(text.contains("ready, refresh failing") && text.contains("AccessDenied"), "{text}");
    stage.sts.clear_faults();
    run.lines(&["exchanged"], 2);
    assert!(!status(address, &[]).succeeded().stdout.contains("AccessDenied"));
}

#[test]
fn it_needs_the_token_where_one_is_set_and_shows_what_that_opens() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("tokens-of-profiles")).expect("made");
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
    run.lines(&["exchanged"], 2);
    assert_eq!(get(admin, "/v1/status", &[]).status, 401);
    let header = format!("Authorization: {}", stage.read("tokens-of-profiles/account_a_role"));
    let shown = get(admin, "/v1/status", &[&header]);
    assert_eq!(shown.json()["profiles"].as_array().map(Vec::len), Some(1));

    let address = admin.to_string();
    let arguments = ["status", "--listen", "none", "--admin-listen", &address, "--format", "json"];
    Credvend::new(&arguments).end().failed(1, &["--auth-token-file"]);
    let both = Credvend::new(&arguments).env("CREDVEND_AUTH_TOKEN_DIR", &directory).end().succeeded();
    let json: serde_json::Value = serde_json::from_str(&both.stdout).expect("JSON");
    assert_eq!(json["profiles"].as_array().map(Vec::len), Some(2));

    // A token of a profile that is no more, and a temporary file, are no reason to show nothing.
    stage.write("tokens-of-profiles/gone", "opens-nothing");
    stage.write("tokens-of-profiles/.credvend-0123456789ab.tmp", "half");
    let both = Credvend::new(&arguments).env("CREDVEND_AUTH_TOKEN_DIR", &directory).end().succeeded();
    assert!(both.stdout.contains("account_a_role") && both.stdout.contains("account_b_role"));
    for name in ["account_a_role", "account_b_role"] {
        std::fs::remove_file(directory.join(name)).expect("removed");
    }
    Credvend::new(&arguments).env("CREDVEND_AUTH_TOKEN_DIR", &directory).end().failed(1, &["--auth-token-file"]);
}

#[test]
fn nobody_there_and_wrong_formats() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address");
    status(free, &[]).failed(1, &["check that credvend run is listening there"]);
    status(free, &["--format", "yaml"]).failed(2, &["--format"]);
}
