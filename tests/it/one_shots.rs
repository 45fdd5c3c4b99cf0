use std::os::unix::fs::PermissionsExt as _;

use local_sts::{Fault, FaultKind};

use crate::support::{ROLE_A, ROLE_B, Stage, binary};

#[test]
fn export_env_is_safe_to_evaluate() {
    let stage = Stage::new();
    let ended = stage.credvend(&["export", "--chain-role-arn", ROLE_B]).end().succeeded();
    stage.refuse_leaks(&ended.stderr);
    let script = format!(
        "{}\nprintf '%s\\n' \"$AWS_ACCESS_KEY_ID\" \"$AWS_SECRET_ACCESS_KEY\" \"$AWS_SESSION_TOKEN\" \
         \"$AWS_CREDENTIAL_EXPIRATION\" \"$AWS_REGION\" \"$AWS_DEFAULT_REGION\"",
        ended.stdout
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).env_clear().output().expect("run sh");
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    let [key, secret, token, expiry, region, default_region] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("not six lines: {text:?}")
    };
    let issued = stage.sts.issued_secrets();
    let is_issued = |value: &str| issued.iter().any(|secret| secret == value);
    assert!(key.starts_with("ASIA") && is_issued(secret) && is_issued(token));
    assert!(expiry.ends_with('Z') && region == "eu-central-1" && default_region == region);
}

#[test]
fn process_and_export_json_print_only_the_document() {
    let stage = Stage::new();
    for arguments in [&["process"][..], &["export", "--format", "json"]] {
        let ended = stage.credvend(arguments).end().succeeded();
        let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one JSON document");
        let mut keys: Vec<_> = json.as_object().expect("a JSON object").keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["AccessKeyId", "AccountId", "Expiration", "SecretAccessKey", "SessionToken", "Version"]);
        assert_eq!((&json["Version"], &json["AccountId"]), (&1.into(), &"111111111111".into()));
    }
    // botocore adds stderr to its error message and Go passes it on, so credvend writes to stderr only if it fails.
    assert_eq!(stage.credvend(&["process"]).end().stderr, "");
    let failed = stage.credvend(&["process", "--role-arn", "arn:aws:iam::111111111111:role/absent"]).end();
    assert_eq!((failed.code, failed.stderr.lines().count()), (Some(4), 1));
}

#[test]
fn output_file_gets_the_configured_mode() {
    let stage = Stage::new();
    let path = stage.write("env", "old");
    let mode = || std::fs::metadata(&path).expect("read metadata").permissions().mode() & 0o7777;
    let output = path.to_str().expect("path is UTF-8");
    let ended = stage.credvend(&["export", "--output", output]).end().succeeded();
    assert_eq!((ended.stdout.as_str(), mode()), ("", 0o600));
    assert!(stage.read("env").starts_with("export AWS_ACCESS_KEY_ID='ASIA"));
    stage.credvend(&["export", "--output", output, "--file-mode", "0640"]).end().succeeded();
    assert_eq!(mode(), 0o640);

    let absent = stage.path("absent/env");
    stage.credvend(&["export", "--output"]).arg(&absent).end().failed(6, &["absent"]);
}

#[test]
fn transient_errors_are_retried_until_the_timeout() {
    let stage = Stage::new();
    stage.sts.inject(vec![Fault::throttle(), Fault::new(FaultKind::Reset)]);
    stage.credvend(&["export"]).end().succeeded();
    assert_eq!(stage.sts.requests().len(), 3);

    stage.fault(Fault::server_error(503).forever());
    let ended = stage.credvend(&["export", "--timeout", "2s"]).end();
    ended.failed(5, &["timed out after 2s", "hop 1", "ServiceUnavailable"]);
}

#[test]
fn refusal_of_sts_is_not_retried() {
    let stage = Stage::new();
    stage.fault(Fault::error("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity"));
    let ended = stage.credvend(&["export"]).end();
    ended.failed(4, &["hop 1", "AccessDenied", "trust policy"]);
    assert_eq!(stage.sts.requests().len(), 1);
}

#[test]
fn hanging_sts_ends_with_the_timeout() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    stage
        .credvend(&["process", "--timeout", "1s"])
        .end()
        .failed(5, &[&stage.sts.url(), "did not respond within 1s", "--timeout"]);
}

#[test]
fn timeout_bounds_all_steps_of_run_once_together() {
    let stage = Stage::new();
    // Another process holds the lock. The command waits for it twice: 1 s at the start, and a quarter of the timeout before the
    // write. Between them, STS takes 4.2 s. Each step alone takes less than the timeout, all together take more.
    stage.fault(Fault::new(FaultKind::Delay { milliseconds: 4200 }));
    std::fs::create_dir(stage.path("locked")).expect("create directory");
    let lock = std::fs::File::open(stage.path("locked")).expect("open directory");
    lock.lock().expect("lock directory");
    let run = stage.credvend(&["run", "--once", "--timeout", "6s"]);
    let run = run.env("CREDVEND_CREDENTIALS_FILE", stage.path("locked/credentials"));
    run.end().failed(6, &["not written within 6s", "lock"]);
}

#[test]
fn export_works_without_home_and_region() {
    let stage = Stage::new();
    let ended = stage.credvend(&["export"]).without("HOME").without("AWS_REGION").end().succeeded();
    assert!(!ended.stdout.contains("AWS_REGION"));
}

#[test]
fn run_once_writes_the_file_and_does_not_listen() {
    let stage = Stage::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("local address").to_string();
    let run = stage.credvend(&["run", "--once", "--listen", &address, "--credentials-file"]);
    run.arg(stage.path("credentials")).end().succeeded();
    assert!(stage.read("credentials").contains("[default]\naws_access_key_id = ASIA"));

    stage.credvend(&["run", "--once"]).end().failed(2, &["--credentials-file"]);
    stage.fault(Fault::error("AccessDenied", 403, "Not authorized"));
    let path = stage.path("other");
    stage.credvend(&["run", "--once", "--credentials-file"]).arg(&path).end().failed(4, &["AccessDenied"]);
    assert!(!path.exists());
}

#[test]
fn exit_code_is_correct_when_output_cannot_be_written() {
    let full = || std::fs::File::create("/dev/full").expect("open /dev/full");
    let binary = binary();
    for (arguments, code) in [
        (&["export", "--nope"][..], 2),
        (&["export", "--role-arn", ROLE_A, "--web-identity-token-file", "/nowhere/token"], 3),
        (&["health", "--listen", "127.0.0.1:1"], 1),
        (&["--help"], 6),
        (&["--version"], 6),
        (&[], 2),
    ] {
        let mut command = std::process::Command::new(binary);
        let status = command.args(arguments).env_clear().stdout(full()).stderr(full()).status().expect("run credvend");
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn variable_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;

    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]);
    let run = run.env("CREDVEND_AUTH_TOKEN_FILE", std::ffi::OsStr::from_bytes(b"/d\xff/token"));
    run.end().failed(2, &["CREDVEND_AUTH_TOKEN_FILE must be UTF-8"]);
}

#[test]
fn runtime_start_failure_is_reported() {
    // The limit allows stdin, stdout, stderr and two more files. The runtime needs more.
    let script = format!("ulimit -n 5; exec '{}' health", binary());
    let output = std::process::Command::new("sh").args(["-c", &script]).env_clear().output().expect("run sh");
    let stderr = String::from_utf8(output.stderr).expect("output is UTF-8");
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
    // The text of EMFILE is that of the C library.
    assert!(stderr.starts_with("credvend: ") && stderr.contains("(os error 24)"), "{stderr}");
}

#[test]
fn every_command_shows_the_value_that_it_refuses_unless_it_looks_like_a_secret() {
    let stage = Stage::new();
    for (arguments, message) in [
        (
            &["trust-policy", "--format", "yaml"][..],
            "--format \"yaml\" must be text, json, terraform, cloudformation or eksctl",
        ),
        (&["status", "--format", "yaml"], "--format \"yaml\" must be text or json"),
        (&["explain", "--format", "yaml"], "--format \"yaml\" must be text or json"),
        (&["status", "--watch", "1ms"], "--watch \"1ms\" must be 100ms or more"),
        (&["reload", "--pid", "x"], "--pid \"x\" must be a process ID"),
        (&["explain", "--pid", "x"], "--pid \"x\" must be a number"),
        (&["explain", "--sdk", "x"], "--sdk \"x\" is unknown; use one of: boto3, "),
        (&["check", "--format", "ASIAIOSFODNN7EXAMPLE"], "--format must be text or json"),
    ] {
        stage.credvend(arguments).end().failed(2, &[message]);
    }
}
