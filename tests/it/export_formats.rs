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

/// Shells in which people type the command, each with a way to type it. `CREDVEND` stands for the command.
const TYPED: [(&str, &str); 11] = [
    ("sh", "eval \"$(CREDVEND)\""),
    ("sh", "eval $(CREDVEND)"),
    ("sh", "eval `CREDVEND`"),
    ("sh", "set -eu; eval $(CREDVEND --output -)"),
    ("dash", "eval $(CREDVEND)"),
    ("bash", "eval \"$(CREDVEND)\""),
    ("bash", "eval $(CREDVEND)"),
    ("bash", "source <(CREDVEND)"),
    ("bash", "unset AWS_SECURITY_TOKEN; export $(CREDVEND --format env-no-export)"),
    ("zsh", "eval $(CREDVEND)"),
    ("zsh", "source <(CREDVEND)"),
];

/// The inherited AWS_SECURITY_TOKEN belongs to other credentials, and botocore would use it.
#[test]
fn formats_work_in_each_shell_as_people_type_them() {
    let stage = Stage::new();
    let print: String = NAMES.map(|name| format!("printenv {name}\n")).concat();
    let fish = [
        "CREDVEND --format fish | source",
        "eval (CREDVEND --format fish)",
        "CREDVEND --format fish --output /dev/stdout | source",
    ];
    let pwsh = [
        "CREDVEND --format powershell | Invoke-Expression",
        "Invoke-Expression \"$(CREDVEND --format powershell)\"",
        "CREDVEND --format powershell | Out-String | Invoke-Expression",
    ];
    let others = fish.map(|typed| ("fish", typed)).into_iter().chain(pwsh.map(|typed| ("pwsh", typed)));
    for (shell, typed) in TYPED.into_iter().chain(others) {
        let stale = "printenv AWS_SECURITY_TOKEN AWS_SESSION_TOKEN_STALE";
        let in_subshell = shell == "bash" || shell == "sh";
        let command = format!("{} export", crate::support::binary());
        let typed = typed.replace("CREDVEND", &command);
        let script = format!("{typed}\n{print}{stale}\nexit 0\n");
        let scripts = [script.clone(), format!("echo \"$({script})\"\n")];
        for script in &scripts[..if in_subshell { 2 } else { 1 }] {
            let mut command = Command::new(shell);
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
            command.envs(stage.credvend(&[]).variables()).env("AWS_SECURITY_TOKEN", "stale");
            match shell {
                "fish" => command.args(["--no-config", "-c"]),
                "pwsh" => command.args(["-NoProfile", "-Command"]),
                _ => command.arg("-c"),
            };
            let Ok(output) = command.arg(script).output() else {
                eprintln!("SKIPPED: {shell} is not installed");
                continue;
            };
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}: {typed}");
            let lines = String::from_utf8(output.stdout).expect("output is UTF-8");
            let values: Vec<_> = lines.lines().map(str::to_owned).collect();
            assert_issued(&stage, &values);
        }
    }
}

/// `CMD /C` reads `set NAME=value`, and takes everything after the `=`.
#[test]
fn windows_cmd_format_has_one_set_command_a_line() {
    let stage = Stage::new();
    let text = export(&stage, "windows-cmd");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("set AWS_SECURITY_TOKEN="), "the stale variable");
    let value = |(line, name): (&str, &str)| {
        line.strip_prefix(&format!("set {name}="))
            .filter(|value| !value.contains(['"', '%', '^', '&']))
            .expect(line)
            .to_owned()
    };
    assert_issued(&stage, &lines.zip(NAMES).map(value).collect::<Vec<_>>());
}

#[test]
fn env_no_export_format_has_bare_assignments() {
    let stage = Stage::new();
    let text = export(&stage, "env-no-export");
    let value = |(line, name): (&str, &str)| line.strip_prefix(&format!("{name}=")).expect(line).to_owned();
    assert_issued(&stage, &text.lines().zip(NAMES).map(value).collect::<Vec<_>>());
}

/// Runs `export` below `sh`, which redirects the descriptors, and returns stdout, stderr and the exit code.
fn redirected(stage: &Stage, script: &str) -> (String, String, Option<i32>) {
    let mut command = Command::new("sh");
    command.current_dir(stage.directory()).env_clear().envs(stage.credvend(&[]).variables());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("CREDVEND", crate::support::binary());
    let output = command.args(["-c", script]).output().expect("run sh");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[test]
fn output_names_of_streams_are_streams() {
    let stage = Stage::new();
    let holds = |text: &str| text.starts_with("export AWS_ACCESS_KEY_ID='ASIA") && text.lines().count() == 6;
    for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let (stdout, stderr, code) = redirected(&stage, &format!("\"$CREDVEND\" export --output {name}"));
        assert!(holds(&stdout) && code == Some(0), "{name}: {stderr}");
        // Redirection appends, as for every other program.
        redirected(&stage, &format!("echo first >out; \"$CREDVEND\" export --output {name} >>out"));
        assert!(holds(stage.read("out").strip_prefix("first\n").expect("kept")), "{name}");
    }
    for (name, redirection) in
        [("/dev/stderr", ""), ("/dev/fd/2", ""), ("/dev/fd/3", "3>&2"), ("/proc/self/fd/7", "7>&2")]
    {
        let (stdout, stderr, code) = redirected(&stage, &format!("\"$CREDVEND\" export --output {name} {redirection}"));
        assert!(holds(&stderr) && stdout.is_empty() && code == Some(0), "{name}: {stderr}");
    }
    // A pipe of the shell, a file that it has opened, and a reader that is gone.
    let (stdout, ..) = redirected(&stage, "{ \"$CREDVEND\" export --output /dev/fd/4 4>&1 >/dev/null; } | cat");
    assert!(holds(&stdout), "{stdout}");
    redirected(&stage, "echo first >kept; \"$CREDVEND\" export --output /dev/fd/5 5>>kept");
    assert!(holds(stage.read("kept").strip_prefix("first\n").expect("kept")));
    let (_, stderr, code) = redirected(&stage, "\"$CREDVEND\" export --output /dev/fd/9");
    assert!(
        code == Some(6) && stderr.contains("/dev/fd/9: Bad file descriptor (os error 9); check its redirection"),
        "{stderr}"
    );
    assert!(!stage.path("-").exists());
    stage.refuse_leaks(&stderr);
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
