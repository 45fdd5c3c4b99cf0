use std::os::unix::fs::PermissionsExt as _;

use local_sts::{Fault, FaultKind};

use crate::support::{ROLE_A, ROLE_B, Stage};

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
    let output = std::process::Command::new("sh").args(["-c", &script]).env_clear().output().expect("sh");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let [key, secret, token, expiry, region, default_region] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("six lines, not {text:?}")
    };
    let issued = stage.sts.issued_secrets();
    assert!(key.starts_with("ASIA") && issued.iter().any(|one| one == secret) && issued.iter().any(|one| one == token));
    assert!(expiry.ends_with('Z') && region == "eu-central-1" && default_region == region);
}

#[test]
fn process_and_export_json_print_the_same_document_and_nothing_else() {
    let stage = Stage::new();
    for arguments in [&["process"][..], &["export", "--format", "json"]] {
        let ended = stage.credvend(arguments).end().succeeded();
        let json: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one JSON document");
        let mut keys: Vec<_> = json.as_object().expect("an object").keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["AccessKeyId", "AccountId", "Expiration", "SecretAccessKey", "SessionToken", "Version"]);
        assert_eq!((&json["Version"], &json["AccountId"]), (&1.into(), &"111111111111".into()));
    }
    // botocore shows all of stderr with an error, and Go passes it on: without a failure there is nothing to say.
    assert_eq!(stage.credvend(&["process"]).end().stderr, "");
    let failed = stage.credvend(&["process", "--role-arn", "arn:aws:iam::111111111111:role/absent"]).end();
    assert_eq!((failed.code, failed.stderr.lines().count()), (Some(4), 1));
}

#[test]
fn output_goes_into_a_file_of_the_mode() {
    let stage = Stage::new();
    let path = stage.write("env", "old");
    let mode = || std::fs::metadata(&path).expect("there").permissions().mode() & 0o7777;
    let output = path.to_str().expect("UTF-8");
    let ended = stage.credvend(&["export", "--output", output]).end().succeeded();
    assert_eq!((ended.stdout.as_str(), mode()), ("", 0o600));
    assert!(stage.read("env").starts_with("export AWS_ACCESS_KEY_ID='ASIA"));
    stage.credvend(&["export", "--output", output, "--file-mode", "0640"]).end().succeeded();
    assert_eq!(mode(), 0o640);

    // Another process's lock is waited for as long as the whole command may take.
    std::fs::create_dir(stage.path("locked")).expect("made");
    let lock = std::fs::File::open(stage.path("locked")).expect("opened");
    lock.lock().expect("locked");
    let run = stage.credvend(&["export", "--timeout", "1s", "--output"]).arg(stage.path("locked/env"));
    run.end().failed(6, &["within 1s", "lock"]);

    let absent = stage.path("absent/env");
    stage.credvend(&["export", "--output"]).arg(&absent).end().failed(6, &["absent"]);
}

#[test]
fn a_one_shot_asks_again_while_that_can_help() {
    let stage = Stage::new();
    stage.sts.inject(vec![Fault::throttle(), Fault::new(FaultKind::Reset)]);
    stage.credvend(&["export"]).end().succeeded();
    assert_eq!(stage.sts.requests().len(), 3);

    stage.fault(Fault::server_error(503).forever());
    let ended = stage.credvend(&["export", "--timeout", "2s"]).end();
    ended.failed(5, &["timed out after 2s", "hop 1", "ServiceUnavailable"]);
}

#[test]
fn a_refusal_is_final_at_once() {
    let stage = Stage::new();
    stage.fault(Fault::error("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity"));
    let ended = stage.credvend(&["export"]).end();
    ended.failed(4, &["hop 1", "AccessDenied", "trust policy"]);
    assert_eq!(stage.sts.requests().len(), 1);
}

#[test]
fn a_hang_ends_with_the_timeout() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    stage.credvend(&["process", "--timeout", "1s"]).end().failed(5, &["did not respond within 1s", "--timeout"]);
}

#[test]
fn an_export_needs_no_home_and_no_region() {
    let stage = Stage::new();
    let ended = stage.credvend(&["export"]).without("HOME").without("AWS_REGION").end().succeeded();
    assert!(!ended.stdout.contains("AWS_REGION"));
}

#[test]
fn run_once_fills_the_file_and_listens_nowhere() {
    let stage = Stage::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("an address").to_string();
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
fn an_exit_code_does_not_need_a_reader() {
    let full = || std::fs::File::create("/dev/full").expect("a device");
    let binary = env!("CARGO_BIN_EXE_credvend");
    for (arguments, code) in [
        (&["export", "--nope"][..], 2),
        (&["export", "--role-arn", ROLE_A, "--web-identity-token-file", "/nowhere/token"], 3),
        (&["health", "--listen", "127.0.0.1:1"], 1),
        (&["--help"], 0),
        (&["--version"], 0),
        (&[], 2),
    ] {
        let mut command = std::process::Command::new(binary);
        let status = command.args(arguments).env_clear().stdout(full()).stderr(full()).status().expect("run");
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_variable_that_is_no_text_is_a_mistake_and_not_unset() {
    use std::os::unix::ffi::OsStrExt as _;

    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]);
    let run = run.env("CREDVEND_AUTH_TOKEN_FILE", std::ffi::OsStr::from_bytes(b"/d\xff/token"));
    run.end().failed(2, &["CREDVEND_AUTH_TOKEN_FILE must be UTF-8"]);
}

#[test]
fn what_cannot_even_start_says_so() {
    // A runtime takes more files than these: stdin, stdout, stderr and two.
    let script = format!("ulimit -n 5; exec '{}' health", env!("CARGO_BIN_EXE_credvend"));
    let output = std::process::Command::new("sh").args(["-c", &script]).env_clear().output().expect("sh");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.starts_with("credvend: ") && stderr.contains("Too many open files"), "{stderr}");
}
