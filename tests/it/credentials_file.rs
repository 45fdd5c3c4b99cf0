use std::os::unix::fs::{PermissionsExt as _, symlink};

use ini::Ini;

use crate::support::{Ended, ROLE_B, Signal, Stage, get};

/// Runs `run --once`, which writes `aws/credentials`.
fn run_once(stage: &Stage, arguments: &[&str]) -> Ended {
    let path = stage.path("aws/credentials");
    stage.credvend(&[&["run", "--once"], arguments].concat()).env("CREDVEND_CREDENTIALS_FILE", path).end()
}

#[test]
fn section_holds_only_sdk_keys_below_the_expiry_comment() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("aws")).expect("create directory");
    run_once(&stage, &["--chain-role-arn", ROLE_B]).succeeded();
    let text = stage.read("aws/credentials");
    let lines: Vec<_> = text.lines().map(|line| line.split_once(" = ").map_or(line, |(key, _)| key)).collect();
    assert!(lines[0].starts_with("# credvend: these credentials expire at 20") && lines[0].ends_with('Z'));
    assert_eq!(lines[1..], ["[default]", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"]);
    // An independent INI parser finds the session token.
    let ini = Ini::load_from_str_noescape(&text).expect("parse INI");
    let token = ini.get_from(Some("default"), "aws_session_token").expect("a session token");
    assert!(stage.sts.issued_secrets().iter().any(|issued| issued == token));
    let mode = std::fs::metadata(stage.path("aws/credentials")).expect("read metadata").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn all_other_bytes_are_kept() {
    let stage = Stage::new();
    let original = "; comment\r\n[other]\r\naws_access_key_id = KEEP\r\n\r\n[app]\r\nregion=eu-west-1\r\naws_session_token=old\r\ns3 =\r\n  aws_access_key_id = nested";
    stage.write("aws/credentials", original);
    for _ in 0..2 {
        run_once(&stage, &["--credentials-profile", "app", "--file-mode", "0640"]).succeeded();
    }
    let text = stage.read("aws/credentials");
    let is_not_from_credvend = |line: &&str| {
        !["aws_access_key_id = ASIA", "aws_secret_access_key", "aws_session_token", "# credvend: "]
            .iter()
            .any(|key| line.starts_with(key))
    };
    let kept: Vec<_> = text.split("\r\n").filter(is_not_from_credvend).collect();
    assert_eq!(kept, original.split("\r\n").filter(is_not_from_credvend).collect::<Vec<_>>());
    assert_eq!(text.matches("# credvend: ").count(), 1);
    assert_eq!(text.matches("\naws_access_key_id = ASIA").count(), 1);
}

#[test]
fn symlink_is_kept_and_its_target_is_replaced() {
    let stage = Stage::new();
    stage.write("real/credentials", "# kept\n");
    std::fs::create_dir(stage.path("aws")).expect("create directory");
    symlink(stage.path("real/credentials"), stage.path("aws/credentials")).expect("create symlink");
    run_once(&stage, &[]).succeeded();
    assert!(std::fs::symlink_metadata(stage.path("aws/credentials")).expect("read metadata").is_symlink());
    assert!(stage.read("real/credentials").starts_with("# kept\n"));
}

#[test]
fn unusable_path_ends_run_before_any_call() {
    let stage = Stage::new();
    run_once(&stage, &[]).failed(6, &["aws", "mount a volume"]);
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--credentials-file"]).arg(stage.directory()).end();
    run.failed(6, &["directory"]);
    assert_eq!(stage.actions(), [""; 0]);
}

#[test]
fn file_that_programs_would_misread_ends_run_untouched_before_any_call() {
    let stage = Stage::new();
    for (content, texts) in [
        // To botocore, a second section `default` is an error.
        ("[default] # old\nregion = r\n[app] note\na = b\n", ["AWS CLI and boto3", "another file"]),
        ("[app]\r[default]\rregion = r\r", ["AWS CLI and boto3", "another file"]),
        // botocore prefers the old token.
        ("[DEFAULT]\naws_security_token = old\n", ["AWS CLI and boto3", "DEFAULT"]),
        // Neither the SDKs nor botocore can read the file.
        ("# mine\n[other]\nno separator\n", ["line 3", "no AWS SDK can read the file"]),
    ] {
        let path = stage.write("aws/credentials", content);
        run_once(&stage, &["--credentials-profile", "app"]).failed(6, &texts);
        let arguments = ["run", "--listen", "127.0.0.1:0", "--credentials-profile", "app", "--credentials-file"];
        stage.credvend(&arguments).arg(&path).end().failed(6, &texts);
        assert_eq!(stage.read("aws/credentials"), content);
    }
    assert_eq!(stage.actions(), [""; 0]);
}

#[test]
fn section_with_white_space_in_its_header_gets_a_section_that_botocore_finds() {
    let stage = Stage::new();
    stage.write("aws/credentials", "[ default ]\nregion = r\naws_session_token = old\n");
    run_once(&stage, &[]).succeeded();
    let text = stage.read("aws/credentials");
    assert!(text.starts_with("[ default ]\nregion = r\n\n# credvend: "), "{text}");
    assert!(text.contains("\n[default]\naws_access_key_id = ASIA"), "{text}");
}

#[test]
fn run_rewrites_the_file_after_each_exchange_and_retries_failed_writes() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("aws")).expect("create directory");
    let run = stage
        .credvend(&["run", "--listen", "127.0.0.1:0"])
        .env("CREDVEND_CREDENTIALS_FILE", stage.path("aws/credentials"))
        .start();
    let address = run.address();
    run.line(&["credentials file written"]);
    let first = stage.read("aws/credentials");
    assert_eq!(get(address, "/readyz", &[]).status, 200);

    // While the directory is missing, writing fails. It is retried and succeeds when the directory is back.
    std::fs::rename(stage.path("aws"), stage.path("away")).expect("rename directory");
    run.signal(Signal::HUP);
    run.line(&["credentials file not written"]);
    assert_eq!(get(address, "/readyz", &[]).status, 503, "the file lacks the last credentials");
    std::fs::rename(stage.path("away"), stage.path("aws")).expect("rename directory");
    run.lines(&["credentials file written"], 2);
    assert_eq!(get(address, "/readyz", &[]).status, 200);
    assert_ne!(stage.read("aws/credentials"), first);
    run.terminate().succeeded();
}

#[test]
fn concurrent_writers_lose_no_section_and_readers_see_complete_files() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("aws")).expect("create directory");
    let path = stage.path("aws/credentials");
    let start = |profile: &str| {
        stage
            .credvend(&["run", "--listen", "none", "--credentials-profile", profile, "--credentials-file"])
            .arg(&path)
            .start()
    };
    let runs = ["one", "two", "three"].map(start);
    for run in &runs {
        run.line(&["credentials file written"]);
    }
    let refresh = || {
        for round in 2..6 {
            for run in &runs {
                run.signal(Signal::HUP);
            }
            for run in &runs {
                run.lines(&["credentials file written"], round);
            }
        }
    };
    std::thread::scope(|scope| {
        let writers = scope.spawn(refresh);
        while !writers.is_finished() {
            let text = std::fs::read_to_string(&path).expect("read file");
            let ini = Ini::load_from_str_noescape(&text).expect("parse INI");
            for name in ["one", "two", "three"] {
                let section = ini.section(Some(name)).expect("the section of each writer");
                assert_eq!(section.iter().count(), 3);
            }
        }
        writers.join().expect("every refresh is written");
    });
}
