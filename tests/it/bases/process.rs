use std::time::{Duration, Instant};

use super::assert_chained;
use crate::support::{Credvend, ROLE_A, ROLE_B, Signal, Stage, binary, get, wait_until};

/// Returns a profile `base` whose `credential_process` is a shell script with this content.
fn script_profile(stage: &Stage, script: &str) -> String {
    let path = stage.write("script", script);
    format!("[profile base]\ncredential_process = sh \"{}\"\n", path.display())
}

/// Returns a config whose default profile assumes role B with the credentials that the script prints.
fn role_b_from_script(stage: &Stage, script: &str) -> String {
    format!("{}[default]\nrole_arn = {ROLE_B}\nsource_profile = base\n", script_profile(stage, script))
}

fn export(stage: &Stage, config: &str) -> Credvend {
    stage.with_config(&["export", "--timeout", "20s"], config).env("PATH", "/usr/bin:/bin")
}

#[test]
fn chain_starts_with_a_credential_process() {
    let (stage, binary) = (Stage::new(), binary());
    let config = format!(
        "[default]\nrole_arn = {ROLE_B}\nsource_profile = base\n[profile base]\n\
         credential_process = '{binary}' process --role-arn {ROLE_A} --web-identity-token-file TOKEN\n"
    );
    let ended = stage.with_config(&["export", "--log-level", "trace"], &config).end().succeeded();
    assert_chained(&stage, &ended);
    assert_eq!(stage.actions(), ["AssumeRoleWithWebIdentity", "AssumeRole"]);
    assert!(ended.stderr.contains("source=\"process\""), "{}", ended.stderr);
    // The output of a program is not necessarily a role session, so credvend leaves the limit for role chaining to STS.
    stage.with_config(&["export", "--duration", "2h"], &config).end().failed(4, &["hop 2", "role chaining"]);
}

#[test]
fn output_of_a_credential_process_is_served_without_a_hop() {
    let (stage, binary) = (Stage::new(), binary());
    let process = format!("'{binary}' process --role-arn {ROLE_A} --web-identity-token-file TOKEN");
    let config = format!("[default]\ncredential_process = {process}\n");
    let run = stage.with_config(&["run", "--listen", "127.0.0.1:0"], &config).start();
    let address = run.address();
    run.line(&["base credentials loaded"]);
    let response = get(address, "/v1/credentials", &[]);
    assert_eq!((response.status, response.text("AccountId").as_str()), (200, "111111111111"));
    assert!(response.text("Expiration").ends_with('Z') && response.json().get("RoleArn").is_none());
    stage.with_config(&["export", "--duration", "1h"], &config).end().failed(2, &["credential_process determines"]);
    let print_keys = r#"echo '{"Version":1,"AccessKeyId":"AKIA","SecretAccessKey":"s"}'"#;
    let config = script_profile(&stage, print_keys).replace("[profile base]", "[default]");
    export(&stage, &config).end().failed(4, &["not vended", "role_arn"]);
}

#[test]
fn credential_process_that_reads_its_own_profile_is_detected() {
    let (stage, binary) = (Stage::new(), binary());
    let path = stage.path("config");
    // First a program that uses its own profile, then two profiles whose programs use each other.
    let config = format!("[default]\ncredential_process = {binary} process\n");
    stage.with_config(&["process"], &config).end().failed(4, &["exited with 2", "reads the same profile again"]);
    let profile = |name: &str, other: &str| {
        let process = format!("{binary} process --config {} --profile {other}", path.display());
        format!("[profile {name}]\ncredential_process = {process}\n")
    };
    let config = profile("a", "b") + &profile("b", "a");
    let ended = stage.with_config(&["process", "--profile", "a"], &config).end();
    ended.failed(4, &["profile a exited with 4", "profile b exited with 2"]);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    // A path through several profiles that ends is not a loop.
    let last = format!("credential_process = {binary} process --role-arn {ROLE_A} --web-identity-token-file TOKEN\n");
    stage.with_config(&["process", "--profile", "a"], &(profile("a", "b") + "[profile b]\n" + &last)).end().succeeded();
}

#[test]
fn invalid_output_is_refused_and_never_printed() {
    let stage = Stage::new();
    let keys = r#""AccessKeyId":"AKIA","SecretAccessKey":"hidden-key","SessionToken":"hidden-token""#;
    let print = |document: &str| format!("echo '{document}'");
    for (script, code, words) in [
        ("echo hidden-key; exit 0".into(), 4, &["not a JSON object"][..]),
        ("true".into(), 4, &["nothing was returned", "stdout"]),
        (print(&format!("{{{keys}}}")), 4, &["Version"]),
        (print(&format!(r#"{{"Version":"1",{keys}}}"#)), 4, &["base", "credential_process document"]),
        (print(&format!(r#"{{"Version":1,{keys},"Expiration":"soon"}}"#)), 4, &["Expiration"]),
        (
            print(&format!(r#"{{"Version":1,{keys},"Expiration":"2020-01-01T00:00:00Z"}}"#)),
            4,
            &["expired at 2020-01-01T00:00:00Z"],
        ),
        ("head -c 70000 /dev/zero".into(), 4, &["more than 65536 bytes"]),
        ("cat /dev/zero".into(), 4, &["more than 65536 bytes"]),
        (
            "echo first >&2; printf 'no \\033[31mlogin\\007\\n\\n' >&2; exit 3".into(),
            4,
            &["hop 1", "profile base exited with 3: no  [31mlogin "],
        ),
        ("exit 5".into(), 4, &["exited with 5: nothing on stderr"]),
        ("kill -9 $$".into(), 4, &["killed by signal 9"]),
        ("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1".into(), 4, &["exited with 1: xxx", "x…"]),
    ] {
        let ended = export(&stage, &role_b_from_script(&stage, &script)).end();
        ended.failed(code, words);
        assert!(!ended.stderr.contains("hidden") && ended.last_line().len() < 700, "{}", ended.stderr);
    }
    assert_eq!(stage.sts.requests().len(), 0);
    for (command, words) in [
        ("/absent/program --flag", ["cannot be started", "full path"]),
        ("/dev/null", ["permission denied", "executable"]),
        ("~/bin/program", ["cannot be started", "~ and variables have no effect"]),
        ("'unclosed", ["credential_process", "unclosed quotation mark"]),
        ("''", ["credential_process", "empty"]),
    ] {
        let config = format!("[default]\ncredential_process = {command}\n");
        export(&stage, &config).end().failed(2, &words);
    }
}

#[test]
fn slow_process_is_killed_with_its_children() {
    let stage = Stage::new();
    let pids = stage.path("pids");
    let script = format!("sleep 300 &\necho $$ $! > '{}'\nwait", pids.display());
    let config = role_b_from_script(&stage, &script);
    let ended = stage.with_config(&["export", "--timeout", "2s"], &config).env("PATH", "/usr/bin:/bin").end();
    ended.failed(5, &["base of the chain", "did not respond within 2s"]);
    assert_gone(&stage.read("pids"));

    // SIGTERM also ends the program and its children.
    std::fs::remove_file(&pids).expect("remove file");
    let run = stage.with_config(&["run", "--listen", "127.0.0.1:0"], &config).env("PATH", "/usr/bin:/bin").start();
    wait_until("the program has written its process IDs", || {
        std::fs::read_to_string(&pids).is_ok_and(|pids| pids.ends_with('\n'))
    });
    assert_eq!(run.terminate().code, Some(0));
    assert_gone(&stage.read("pids"));
}

/// Waits until none of these processes is running.
#[track_caller]
fn assert_gone(pids: &str) {
    for pid in pids.split_whitespace() {
        // A process that has exited remains a zombie until its parent reaps it.
        wait_until(&format!("process {pid} has exited"), || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            status.is_empty() || status.contains(") Z ")
        });
    }
}

#[test]
fn process_runs_again_before_expiry_and_a_failure_keeps_the_credentials() {
    let stage = Stage::new();
    let script = stage.write(
        "script",
        &format!(
            "echo run >> '{0}/runs'\ntest -e '{0}/broken' && exit 1\n\
             echo \"{{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"AKIA$$\\\",\\\"SecretAccessKey\\\":\\\"s\\\",\
             \\\"SessionToken\\\":\\\"t\\\",\\\"Expiration\\\":\\\"$(date -u -d '+19 seconds' +%Y-%m-%dT%H:%M:%SZ)\\\"}}\"\n",
            stage.directory().display()
        ),
    );
    let config = format!("[default]\ncredential_process = sh {}\n", script.display());
    let start = Instant::now();
    let run = stage.with_config(&["run", "--listen", "127.0.0.1:0"], &config).env("PATH", "/usr/bin:/bin").start();
    let address = run.address();
    run.line(&["base credentials loaded"]);
    let served = get(address, "/v1/credentials", &[]).body;
    stage.write("broken", "");
    run.signal(Signal::HUP);
    run.line(&["exchange failed", "exited with 1"]);
    assert_eq!(get(address, "/v1/credentials", &[]).body, served);
    std::fs::remove_file(stage.path("broken")).expect("remove file");
    run.lines(&["base credentials loaded"], 2);
    let second_fetch = start.elapsed();
    run.lines(&["base credentials loaded"], 3);
    let interval = start.elapsed() - second_fetch;
    assert!(interval >= Duration::from_secs(8), "{interval:?}");
}
