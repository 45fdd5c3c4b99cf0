use std::time::{Duration, Instant};

use super::assert_chained;
use crate::support::{Credvend, DEADLINE, ROLE_A, ROLE_B, Signal, Stage, get};

const BINARY: &str = env!("CARGO_BIN_EXE_credvend");

/// A profile whose credentials a shell script prints.
fn of_script(stage: &Stage, script: &str) -> String {
    let path = stage.write("script", script);
    format!("[profile base]\ncredential_process = sh \"{}\"\n", path.display())
}

fn role_b_of_script(stage: &Stage, script: &str) -> String {
    format!("{}[default]\nrole_arn = {ROLE_B}\nsource_profile = base\n", of_script(stage, script))
}

fn export(stage: &Stage, config: &str) -> Credvend {
    stage.with_config(&["export", "--timeout", "20s"], config).env("PATH", "/usr/bin:/bin")
}

#[test]
fn credvend_process_is_a_base() {
    let stage = Stage::new();
    let config = format!(
        "[default]\nrole_arn = {ROLE_B}\nsource_profile = base\n[profile base]\n\
         credential_process = '{BINARY}' process --role-arn {ROLE_A} --web-identity-token-file TOKEN\n"
    );
    let ended = stage.with_config(&["export", "--log-level", "trace"], &config).end().succeeded();
    assert_chained(&stage, &ended);
    assert_eq!(stage.actions(), ["AssumeRoleWithWebIdentity", "AssumeRole"]);
    assert!(ended.stderr.contains("source=\"process\""), "{}", ended.stderr);
    // What a program prints need not be a role's session: STS says.
    stage.with_config(&["export", "--duration", "2h"], &config).end().failed(4, &["hop 2", "role chaining"]);
}

#[test]
fn a_profile_with_a_process_alone_is_vended_as_it_is() {
    let stage = Stage::new();
    let process = format!("'{BINARY}' process --role-arn {ROLE_A} --web-identity-token-file TOKEN");
    let config = format!("[default]\ncredential_process = {process}\n");
    let run = stage.with_config(&["run", "--listen", "127.0.0.1:0"], &config).start();
    let address = run.address();
    run.line(&["base credentials loaded"]);
    let answer = get(address, "/v1/credentials", &[]);
    assert_eq!((answer.status, answer.text("AccountId").as_str()), (200, "111111111111"));
    assert!(answer.text("Expiration").ends_with('Z') && answer.json().get("RoleArn").is_none());
    stage.with_config(&["export", "--duration", "1h"], &config).end().failed(2, &["credential_process decides"]);
    let keys = r#"echo '{"Version":1,"AccessKeyId":"AKIA","SecretAccessKey":"s"}'"#;
    let config = of_script(&stage, keys).replace("[profile base]", "[default]");
    export(&stage, &config).end().failed(4, &["not vended", "role_arn"]);
}

#[test]
fn a_process_that_reads_its_own_profile_ends() {
    let stage = Stage::new();
    let path = stage.path("config");
    // One that names no profile; two that name each other.
    let config = format!("[default]\ncredential_process = {BINARY} process\n");
    stage.with_config(&["process"], &config).end().failed(4, &["exited with 2", "reads the same profile again"]);
    let one = |name: &str, other: &str| {
        let process = format!("{BINARY} process --config {} --profile {other}", path.display());
        format!("[profile {name}]\ncredential_process = {process}\n")
    };
    let config = one("a", "b") + &one("b", "a");
    let ended = stage.with_config(&["process", "--profile", "a"], &config).end();
    ended.failed(4, &["profile a exited with 4", "profile b exited with 2"]);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    // A way through several profiles that ends is none round.
    let last = format!("credential_process = {BINARY} process --role-arn {ROLE_A} --web-identity-token-file TOKEN\n");
    stage.with_config(&["process", "--profile", "a"], &(one("a", "b") + "[profile b]\n" + &last)).end().succeeded();
}

#[test]
fn bad_output_is_refused_and_never_repeated() {
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
        let ended = export(&stage, &role_b_of_script(&stage, &script)).end();
        ended.failed(code, words);
        assert!(!ended.stderr.contains("hidden") && ended.last_line().len() < 700, "{}", ended.stderr);
    }
    assert_eq!(stage.sts.requests().len(), 0);
    for (command, words) in [
        ("/absent/program --flag", ["cannot be started", "full path"]),
        ("/dev/null", ["permission denied", "executable"]),
        ("~/bin/program", ["cannot be started", "~ and variables have no effect"]),
        ("'unclosed", ["credential_process", "not closed"]),
        ("''", ["credential_process", "empty"]),
    ] {
        let config = format!("[default]\ncredential_process = {command}\n");
        export(&stage, &config).end().failed(2, &words);
    }
}

#[test]
fn a_slow_process_is_killed_with_all_that_it_started() {
    let stage = Stage::new();
    let pids = stage.path("pids");
    let script = format!("sleep 300 &\necho $$ $! > '{}'\nwait", pids.display());
    let config = role_b_of_script(&stage, &script);
    let ended = stage.with_config(&["export", "--timeout", "2s"], &config).env("PATH", "/usr/bin:/bin").end();
    ended.failed(5, &["base of the chain", "did not answer within 2s"]);
    assert_gone(&stage.read("pids"));

    // SIGTERM ends it as well.
    std::fs::remove_file(&pids).expect("removed");
    let run = stage.with_config(&["run", "--listen", "127.0.0.1:0"], &config).env("PATH", "/usr/bin:/bin").start();
    let until = Instant::now() + DEADLINE;
    while std::fs::read_to_string(&pids).map_or(true, |pids| !pids.ends_with('\n')) {
        assert!(Instant::now() < until, "the process was not started: {}", run.stderr());
    }
    assert_eq!(run.terminate().code, Some(0));
    assert_gone(&stage.read("pids"));
}

/// Waits until none of these processes runs any more.
#[track_caller]
fn assert_gone(pids: &str) {
    let until = Instant::now() + DEADLINE;
    for pid in pids.split_whitespace() {
        // What is dead can still wait for its parent to look.
        let is_running = || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !status.is_empty() && !status.contains(") Z ")
        };
        while is_running() {
            assert!(Instant::now() < until, "{pid} still runs");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_process_is_run_again_before_its_credentials_expire_and_a_failure_changes_nothing() {
    let stage = Stage::new();
    let script = stage.write(
        "script",
        &format!(
            "echo run >> '{0}/runs'\ntest -e '{0}/broken' && exit 1\n\
             echo \"{{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"AKIA$$\\\",\\\"SecretAccessKey\\\":\\\"s\\\",\
             \\\"SessionToken\\\":\\\"t\\\",\\\"Expiration\\\":\\\"$(date -u -d '+19 seconds' +%Y-%m-%dT%H:%M:%SZ)\\\"}}\"\n",
            stage.path("").display()
        ),
    );
    let config = format!("[default]\ncredential_process = sh {}\n", script.display());
    let begun = Instant::now();
    let run = stage.with_config(&["run", "--listen", "127.0.0.1:0"], &config).env("PATH", "/usr/bin:/bin").start();
    let address = run.address();
    run.line(&["base credentials loaded"]);
    let held = get(address, "/v1/credentials", &[]).body;
    stage.write("broken", "");
    run.signal(Signal::HUP);
    run.line(&["exchange failed", "exited with 1"]);
    assert_eq!(get(address, "/v1/credentials", &[]).body, held);
    std::fs::remove_file(stage.path("broken")).expect("removed");
    run.lines(&["base credentials loaded"], 2);
    let second = begun.elapsed();
    run.lines(&["base credentials loaded"], 3);
    assert!(begun.elapsed() - second >= Duration::from_secs(8), "{:?}", begun.elapsed() - second);
}
