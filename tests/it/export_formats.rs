use std::process::Command;

use crate::support::Stage;

/// The variables that `export` prints, in this order.
const NAMES: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
];

fn export(stage: &Stage, format: &str) -> String {
    stage.credvend(&["export", "--format", format]).end().succeeded().stdout
}

/// Asserts that the values of the six variables, as a consumer read them, are the credentials that STS issued.
#[track_caller]
fn assert_issued(stage: &Stage, values: &[String]) {
    let issued = stage.sts.issued_secrets();
    assert_eq!(values.len(), 6, "{values:?}");
    assert!(values[0].starts_with("ASIA"), "{values:?}");
    assert!(issued.contains(&values[1]) && issued.contains(&values[2]));
    assert!(values[3].ends_with('Z') && values[4] == "eu-central-1" && values[5] == values[4]);
}

/// Runs `script` in a shell and returns the lines that it prints, or `None` if the shell is not installed.
fn run_shell(shell: &str, arguments: &[&str], script: &str) -> Option<Vec<String>> {
    let output = match Command::new(shell).args(arguments).arg(script).env("HOME", "/nonexistent").output() {
        Ok(output) => output,
        Err(_) => {
            eprintln!("SKIPPED: {shell} is not installed");
            return None;
        }
    };
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).expect("output is UTF-8").lines().map(str::to_owned).collect())
}

#[test]
fn sh_evaluates_the_env_format() {
    let stage = Stage::new();
    let print: String = NAMES.map(|name| format!("printf '%s\\n' \"${name}\"\n")).concat();
    let values = run_shell("sh", &["-c"], &format!("{}{print}", export(&stage, "env")));
    assert_issued(&stage, &values.expect("sh is installed"));
}

/// botocore reads AWS_SECURITY_TOKEN before AWS_SESSION_TOKEN and uses it even if it is empty.
#[test]
fn evaluating_the_env_format_removes_a_stale_security_token() {
    let stage = Stage::new();
    for stale in ["old", ""] {
        let ended = stage.credvend(&["export"]).env("AWS_SECURITY_TOKEN", stale).end().succeeded();
        let script = format!("set -eu; export AWS_SECURITY_TOKEN='{stale}'; {}\nenv", ended.stdout);
        let variables = run_shell("sh", &["-c"], &script).expect("sh is installed");
        let count = |name: &str| variables.iter().filter(|line| line.starts_with(name)).count();
        assert_eq!((count("AWS_SECURITY_TOKEN="), count("AWS_SESSION_TOKEN=")), (0, 1), "{stale:?}");
    }
    // Without the stale variable, the output consists of the documented lines only.
    assert!(export(&stage, "env").lines().all(|line| line.starts_with("export AWS_")));
}

#[test]
fn fish_evaluates_the_fish_format() {
    let stage = Stage::new();
    let print: String = NAMES.map(|name| format!("echo ${name}\n")).concat();
    let script = format!(
        "set -gx AWS_SECURITY_TOKEN old\n{}env | string match 'AWS_SECURITY_TOKEN=*'\n{print}",
        export(&stage, "fish")
    );
    if let Some(values) = run_shell("fish", &["--no-config", "-c"], &script) {
        assert_issued(&stage, &values);
    }
}

#[test]
fn pwsh_evaluates_the_powershell_format() {
    let stage = Stage::new();
    let print: String = NAMES.map(|name| format!("Write-Output $Env:{name}\n")).concat();
    let script = format!("{}{print}", export(&stage, "powershell"));
    if let Some(values) = run_shell("pwsh", &["-NoProfile", "-Command"], &script) {
        assert_issued(&stage, &values);
    }
}

/// Kubernetes 1.35 reads env files as `NAME='value'`: it takes the quoted text literally and allows no blank before `=`.
#[test]
fn dotenv_format_follows_the_kubernetes_env_file_syntax() {
    let stage = Stage::new();
    let text = export(&stage, "dotenv");
    let values: Vec<_> = text
        .lines()
        .zip(NAMES)
        .map(|(line, name)| {
            let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix("='")?.strip_suffix('\''));
            value.filter(|value| !value.is_empty() && !value.contains('\'')).expect(line).to_owned()
        })
        .collect();
    assert_issued(&stage, &values);
}

/// Kubernetes 1.34 and `docker run --env-file` take everything after the first `=` literally, including quotes.
#[test]
fn docker_format_has_no_quotes() {
    let stage = Stage::new();
    let text = export(&stage, "docker");
    let values: Vec<_> =
        text.lines().zip(NAMES).map(|(line, name)| line.strip_prefix(name).expect(line)[1..].to_owned()).collect();
    assert!(!text.contains(['\'', '"']));
    assert_issued(&stage, &values);
}

#[test]
fn ini_parser_reads_the_credentials_format() {
    let stage = Stage::new();
    let ini = ini::Ini::load_from_str_noescape(&export(&stage, "credentials")).expect("parse INI");
    let section = ini.section(Some("default")).expect("the section of the profile");
    let keys: Vec<_> = section.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"]);
    assert!(stage.sts.issued_secrets().iter().any(|secret| Some(secret.as_str()) == section.get("aws_session_token")));
}
