use std::process::Command;

use crate::support::Stage;

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

/// What a consumer found under the six names is what STS gave.
#[track_caller]
fn assert_issued(stage: &Stage, values: &[String]) {
    let issued = stage.sts.issued_secrets();
    assert_eq!(values.len(), 6, "{values:?}");
    assert!(values[0].starts_with("ASIA"), "{values:?}");
    assert!(issued.contains(&values[1]) && issued.contains(&values[2]));
    assert!(values[3].ends_with('Z') && values[4] == "eu-central-1" && values[5] == values[4]);
}

/// Runs a shell that evaluates the text and prints the variables.
fn evaluated(shell: &str, arguments: &[&str], script: &str) -> Option<Vec<String>> {
    let output = match Command::new(shell).args(arguments).arg(script).env("HOME", "/nonexistent").output() {
        Ok(output) => output,
        Err(_) => {
            eprintln!("SKIPPED: {shell} is not installed");
            return None;
        }
    };
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect())
}

#[test]
fn env_by_sh() {
    let stage = Stage::new();
    let print: String = NAMES.map(|name| format!("printf '%s\\n' \"${name}\"\n")).concat();
    let values = evaluated("sh", &["-c"], &format!("{}{print}", export(&stage, "env")));
    assert_issued(&stage, &values.expect("every system has a sh"));
}

/// As botocore reads them, which looks for AWS_SECURITY_TOKEN first and for its presence alone.
#[test]
fn a_stale_security_token_is_gone_after_an_eval() {
    let stage = Stage::new();
    for stale in ["old", ""] {
        let ended = stage.credvend(&["export"]).env("AWS_SECURITY_TOKEN", stale).end().succeeded();
        let script = format!("set -eu; export AWS_SECURITY_TOKEN='{stale}'; {}\nenv", ended.stdout);
        let variables = evaluated("sh", &["-c"], &script).expect("every system has a sh");
        let named = |name: &str| variables.iter().filter(|line| line.starts_with(name)).count();
        assert_eq!((named("AWS_SECURITY_TOKEN="), named("AWS_SESSION_TOKEN=")), (0, 1), "{stale:?}");
    }
    // As the interface lists them.
    assert!(export(&stage, "env").lines().all(|line| line.starts_with("export AWS_")));
}

#[test]
fn fish_by_fish() {
    let stage = Stage::new();
    let print: String = NAMES.map(|name| format!("echo ${name}\n")).concat();
    let script = format!(
        "set -gx AWS_SECURITY_TOKEN old\n{}env | string match 'AWS_SECURITY_TOKEN=*'\n{print}",
        export(&stage, "fish")
    );
    if let Some(values) = evaluated("fish", &["--no-config", "-c"], &script) {
        assert_issued(&stage, &values);
    }
}

#[test]
fn powershell_by_pwsh() {
    let stage = Stage::new();
    let print: String = NAMES.map(|name| format!("Write-Output $Env:{name}\n")).concat();
    let script = format!("{}{print}", export(&stage, "powershell"));
    if let Some(values) = evaluated("pwsh", &["-NoProfile", "-Command"], &script) {
        assert_issued(&stage, &values);
    }
}

/// The env file parser of Kubernetes 1.35: `NAME='value'`, the content taken literally, no blank before the `=`.
#[test]
fn dotenv_by_the_rules_of_kubernetes() {
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

/// The parser of 1.34, and `docker run --env-file`: everything behind the first `=`, quotes and all.
#[test]
fn docker_is_bare() {
    let stage = Stage::new();
    let text = export(&stage, "docker");
    let values: Vec<_> =
        text.lines().zip(NAMES).map(|(line, name)| line.strip_prefix(name).expect(line)[1..].to_owned()).collect();
    assert!(!text.contains(['\'', '"']));
    assert_issued(&stage, &values);
}

#[test]
fn credentials_by_another_ini_reader() {
    let stage = Stage::new();
    let ini = ini::Ini::load_from_str_noescape(&export(&stage, "credentials")).expect("INI");
    let section = ini.section(Some("default")).expect("the profile's section");
    let keys: Vec<_> = section.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"]);
    assert!(stage.sts.issued_secrets().iter().any(|one| Some(one.as_str()) == section.get("aws_session_token")));
}
