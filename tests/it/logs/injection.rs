//! Values from outside cannot control a terminal, forge a line or reorder text, wherever credvend prints them.

use local_sts::{Claims, Fault};

use crate::support::{Ended, ROLE_A, Stage};

/// Clears the screen, starts a line that looks like one of the log, reverses the text after it, and more.
const HOSTILE: &str =
    "a\u{1b}[2Jb\n2030-01-31T12:00:00Z ERROR forged\u{202e}c\u{2066}d\u{200b}e\u{7f}f\u{9b}g\u{2028}h\ri";

/// The part of it that XML and a URL can carry.
const HOSTILE_WORD: &str = "a\u{202e}b\u{2066}c\u{200b}d\u{9b}e";

fn is_hostile(c: char) -> bool {
    c.is_control() || "\u{202e}\u{2066}\u{200b}\u{2028}\u{2029}".contains(c)
}

#[track_caller]
fn assert_clean(what: &str, output: &str) {
    let hostile: Vec<char> = output.chars().filter(|c| is_hostile(*c) && *c != '\n').collect();
    assert!(hostile.is_empty(), "{what}: {hostile:?} in {output:?}");
    assert!(!output.lines().any(|line| line.contains("ERROR forged") && line.starts_with("2030")), "{what}: {output}");
}

#[track_caller]
fn assert_ended_clean(what: &str, ended: &Ended) {
    assert_clean(what, &ended.stdout);
    assert_clean(what, &ended.stderr);
}

/// A command with a hostile argument or variable.
struct HostileCommand {
    what: &'static str,
    arguments: Vec<String>,
    variable: Option<(&'static str, String)>,
    code: i32,
}

fn hostile_commands(stage: &Stage) -> Vec<HostileCommand> {
    let path = stage.path(HOSTILE).display().to_string();
    let config = stage.write("config", "[profile other]\nrole_arn=x\n").display().to_string();
    let with_arguments = |what, arguments: &[&str], code| {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        HostileCommand { what, arguments, variable: None, code }
    };
    let with_variable = |what, command: &str, name, value: &str, code| HostileCommand {
        variable: Some((name, value.to_owned())),
        ..with_arguments(what, &[command], code)
    };
    let file = format!("{path}/file");
    vec![
        with_arguments("credentials file", &["run", "--once", "--credentials-file", &file], 6),
        with_arguments("output file", &["export", "--output", &file], 6),
        with_arguments("authorization token file", &["run", "--auth-token-file", &file], 6),
        with_arguments("config", &["export", "--config", &path], 2),
        with_arguments("config of check", &["check", "--config", &path], 2),
        with_arguments("profile", &["export", "--config", &config, "--profile", HOSTILE], 2),
        with_arguments("profile of check", &["check", "--config", &config, "--profile", HOSTILE], 2),
        with_arguments("token file", &["export", "--role-arn", ROLE_A, "--web-identity-token-file", &path], 3),
        with_variable("token file of check", "check", "AWS_WEB_IDENTITY_TOKEN_FILE", &path, 3),
        with_variable("CA bundle", "export", "AWS_CA_BUNDLE", &path, 2),
        with_variable("role", "export", "AWS_ROLE_ARN", HOSTILE, 2),
        with_arguments("flag", &["export", &format!("--{HOSTILE}")], 2),
        with_arguments("value of a flag", &["completions", HOSTILE], 2),
        with_arguments("program", &["exec", "--", &path], 127),
        with_arguments("authorization token of status", &["status", "--auth-token-file", &path], 1),
    ]
}

#[test]
fn hostile_values_are_printed_visibly() {
    let stage = Stage::new();
    for HostileCommand { what, arguments, variable, code } in hostile_commands(&stage) {
        for format in ["text", "json"] {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let command = stage.credvend(&arguments).env("CREDVEND_LOG_FORMAT", format);
            let ended = variable.iter().fold(command, |command, (name, value)| command.env(name, value)).end();
            assert_eq!(ended.code, Some(code), "{what}: {ended:?}");
            assert_ended_clean(what, &ended);
            // A usage error is reported before the log format is known.
            if format == "json" && !ended.stderr.starts_with("credvend: ") {
                let line: serde_json::Value = serde_json::from_str(ended.last_line()).expect("JSON");
                assert!(line["message"].is_string(), "{what}: {line}");
            }
        }
    }
}

#[test]
fn hostile_paths_are_one_line_of_the_log_with_their_value() {
    let stage = Stage::new();
    let path = stage.write(&format!("{HOSTILE}/credentials"), "");
    for format in ["text", "json"] {
        let run = stage.credvend(&["run", "--listen", "none", "--log-format", format]);
        let run = run.env("CREDVEND_CREDENTIALS_FILE", &path).start();
        let line = run.line(&["credentials file written"]);
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(line["path"], path.display().to_string());
        } else {
            assert!(line.contains(r"a\u{1b}[2Jb\u{a}2030-01-31T12:00:00Z ERROR forged\u{202e}c"), "{line}");
        }
        assert_ended_clean(format, &run.terminate().succeeded());
    }
}

#[test]
fn hostile_messages_of_sts_are_cleaned_in_logs_status_and_check() {
    let stage = Stage::new();
    stage.fault(Fault::error("AccessDenied", 403, &format!("refused {HOSTILE_WORD}")).forever());
    assert_ended_clean("last line", &stage.credvend(&["export"]).end());
    assert_ended_clean("check", &stage.credvend(&["check"]).end());
    let report = stage.credvend(&["check", "--format", "json"]).end();
    assert_ended_clean("check as JSON", &report);
    let _: serde_json::Value = serde_json::from_str(&report.stdout).expect("JSON");

    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let address = run.address().to_string();
    run.line(&["exchange failed"]);
    let ask = |arguments: &[&str]| {
        let ended = stage.bare(arguments).env("CREDVEND_LISTEN", &address).end();
        assert_ended_clean(&arguments.join(" "), &ended);
        ended
    };
    let table = ask(&["status"]).succeeded().stdout;
    assert!(table.contains(r"refused a\u{202e}b\u{2066}c\u{200b}d"), "{table}");
    let document = ask(&["status", "--format", "json"]).succeeded().stdout;
    let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    let error = document["profiles"][0]["last_error"].as_str().expect("an error");
    assert!(error.contains("refused a\u{202e}b\u{2066}c\u{200b}d"), "{error}");
    assert_eq!(ask(&["health"]).code, Some(1));
    assert_ended_clean("run", &run.terminate().succeeded());
}

#[test]
fn hostile_claims_are_cleaned_in_check_and_trust_policy() {
    let stage = Stage::new();
    stage.renew_token(&Claims {
        subject: Some(HOSTILE.into()),
        issuer: Some(format!("https://{HOSTILE_WORD}")),
        ..Claims::service_account("shop", "checkout")
    });
    for arguments in [
        &["check"][..],
        &["check", "--format", "json"],
        &["trust-policy"],
        &["trust-policy", "--format", "json"],
        &["export"],
    ] {
        let ended = stage.credvend(arguments).end();
        assert_ended_clean(&arguments.join(" "), &ended);
        if arguments.contains(&"json") {
            let _: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
            assert!(ended.stdout.contains(r"\u202e"), "{}", ended.stdout);
        }
    }
}
