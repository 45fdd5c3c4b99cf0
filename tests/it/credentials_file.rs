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

/// `tests/clients/matrix/sections.py` compares the settings with SDKs: some of them take credentials from another source, or fail.
#[test]
fn section_or_file_that_sdks_will_not_use_is_written_with_a_warning() {
    let stage = Stage::new();
    let source = "credentials file: section [app] also has";
    let unreadable = "credentials file: the AWS CLI and boto3 cannot read this file: line";
    for (content, warning) in [
        (
            "[app]\nrole_arn = arn:aws:iam::111111111111:role/x\nsource_profile = base\n",
            format!("{source} role_arn, source_profile: "),
        ),
        ("[app]\nweb_identity_token_file = /token\n", format!("{source} web_identity_token_file: ")),
        ("[app]\nsso_account_id = 1\nsso_role_name = r\n", format!("{source} sso_account_id, sso_role_name: ")),
        ("[app]\nsso_session = s\n", format!("{source} sso_session: ")),
        ("[app]\nsso_region = r\n", format!("{source} sso_region: ")),
        ("[app]\ncredential_process = /bin/x\n", format!("{source} credential_process: ")),
        ("[ app ]\nrole_arn = r\n", format!("{source} role_arn: ")),
        ("[DEFAULT]\nsso_role_name = r\n", format!("{source} sso_role_name: ")),
        ("[other]\na = b\n[other]\n", format!("{unreadable} 3: the section is repeated")),
        ("[other]\na = b\na = c\n", format!("{unreadable} 3: the property is repeated")),
        ("\u{feff}[other]\na = b\n", format!("{unreadable} 1: it starts with a byte order mark")),
        ("[other]\na =\n  b = c\u{b}d\n", "an indented block has a line".to_owned()),
        ("[other]\na : b\n", "AWS SDKs other than boto3 cannot read this file: line 2: ".to_owned()),
    ] {
        stage.write("aws/credentials", content);
        let ended = run_once(&stage, &["--credentials-profile", "app"]).succeeded();
        let warnings: Vec<_> = ended.stderr.lines().filter(|line| line.contains("WARN")).collect();
        let [line] = warnings.as_slice() else { panic!("{content:?}: one warning: {}", ended.stderr) };
        assert!(line.contains(&warning), "{content:?}: {line}");
        assert!(stage.read("aws/credentials").contains("aws_session_token = "));
    }
    for content in ["", "[app]\nregion = r\n", "[other]\nrole_arn = r\n", "[ app ]\nregion = r\n"] {
        stage.write("aws/credentials", content);
        let ended = run_once(&stage, &["--credentials-profile", "app"]).succeeded();
        assert!(!ended.stderr.contains("WARN"), "{content:?}: {}", ended.stderr);
    }
}

#[test]
fn warning_about_the_file_is_repeated_only_if_its_reason_changes() {
    let stage = Stage::new();
    let path = stage.write("aws/credentials", "[default]\nrole_arn = r\n");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--credentials-file"]).arg(&path).start();
    run.lines(&["credentials file written"], 1);
    // A second write with the same reason, and a third with another one.
    for (count, edit) in [(2, ""), (3, "sso_session = s\n")] {
        let text = stage.read("aws/credentials").replace("role_arn", &format!("{edit}role_arn"));
        stage.write("aws/credentials", &text);
        run.signal(Signal::HUP);
        run.lines(&["credentials file written"], count);
    }
    let warnings: Vec<_> = run.stderr().lines().filter(|line| line.contains("also has")).map(str::to_owned).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("has role_arn: ") && warnings[1].contains("has role_arn, sso_session: "),
        "{warnings:?}"
    );
}

#[test]
fn utf_16_files_of_powershell_are_refused_untouched() {
    let stage = Stage::new();
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let path = stage.write("aws/credentials", "");
    for text in ["\u{feff}[default]\r\nregion = r\r\n", "[default]\r\n"] {
        std::fs::write(&path, utf16(text)).expect("written");
        run_once(&stage, &[]).failed(6, &["UTF-16", "save it as UTF-8"]);
        assert_eq!(std::fs::read(&path).expect("read"), utf16(text));
        // As a source of the configuration, and as every other text that credvend reads.
        stage
            .bare(&["export"])
            .env("AWS_SHARED_CREDENTIALS_FILE", &path)
            .env("AWS_PROFILE", "default")
            .end()
            .failed(2, &["UTF-16"]);
        stage.bare(&["export"]).env("AWS_CONFIG_FILE", &path).end().failed(2, &["UTF-16"]);
        let policy = format!("@{}", path.display());
        stage.credvend(&["export", "--policy", &policy]).end().failed(2, &["UTF-16"]);
        stage.credvend(&["export"]).env("AWS_WEB_IDENTITY_TOKEN_FILE", &path).end().failed(3, &["UTF-16"]);
    }
    assert_eq!(stage.actions(), [""; 0]);
}
