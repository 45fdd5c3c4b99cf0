use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use crate::support::{ROLE_A, Stage, binary, wait_until};

/// Returns true if `command` succeeds. Otherwise prints that the test is skipped because `tool` does not work.
#[expect(clippy::print_stderr, reason = "a skipped test must be visible")]
fn is_available(tool: &str, command: &mut Command) -> bool {
    let is_available = command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success());
    if !is_available {
        eprintln!("NOT TESTED: {tool} does not work here");
    }
    is_available
}

/// Returns a shell command line that replaces the shell with `credvend exec`, which runs `program`.
fn exec_line(stage: &Stage, flags: &str, program: &str) -> String {
    format!(
        "exec {} exec --role-arn {ROLE_A} --web-identity-token-file {} {flags} -- {program}",
        binary(),
        stage.tokens.token_file().display()
    )
}

#[test]
fn terminal_interrupt_reaches_the_program_once() {
    if !is_available("script(1)", Command::new("script").args(["-qec", "true", "/dev/null"])) {
        return;
    }
    let stage = Stage::new();
    let program = stage.write(
        "program",
        "trap 'echo interrupted; interrupted=1' INT\n: > ready\nwhile [ -z \"$interrupted\" ]; do sleep 0.1; done\nexit 9\n",
    );
    let line = exec_line(&stage, "--log-level debug", &format!("sh {}", program.display()));
    let mut terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("AWS_ENDPOINT_URL_STS", stage.sts.url())
        .env("SHELL", "/bin/sh")
        .current_dir(stage.directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start script");
    wait_until("the program has started", || stage.path("ready").exists());
    let mut keyboard = terminal.stdin.take().expect("stdin is piped");
    keyboard.write_all(b"\x03").expect("send Ctrl-C");
    let output = terminal.wait_with_output().expect("wait for script");
    drop(keyboard);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(9), "{text}");
    assert_eq!(text.matches("\ninterrupted").count() + text.matches("^Cinterrupted").count(), 1, "{text}");
    assert!(text.contains("signal not forwarded") && !text.contains("signal forwarded"), "{text}");
}

/// The arguments of unshare(1) for a PID namespace.
const NAMESPACE: [&str; 6] = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"];

/// Returns true if unshare(1) can create a PID namespace.
fn has_namespaces() -> bool {
    is_available("unshare(1) of a PID namespace", Command::new("unshare").args(NAMESPACE).arg("true"))
}

/// Returns the state and the ID of each child of a process.
fn children(parent: u32) -> Vec<(String, u32)> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let child = |entry: fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let (state, its_parent) = (fields.next()?.to_owned(), fields.next()?.parse::<u32>().ok()?);
        (its_parent == parent).then_some((state, entry.file_name().to_str()?.parse().ok()?))
    };
    processes.filter_map(child).collect()
}

#[test]
fn run_as_pid_1_reaps_what_its_credential_processes_leave() {
    if !has_namespaces() {
        return;
    }
    const PROCESSES: usize = 10;
    let stage = Stage::new();
    let expiry = humantime::format_rfc3339_seconds(std::time::SystemTime::now() + std::time::Duration::from_secs(3600));
    let directory = stage.directory().display();
    // Each process leaves one that outlives it, and that its exit makes a child of credvend.
    let script = stage.write("script", &format!(
        "(sleep 0.2; : > {directory}/done-$1) > {directory}/out 2>&1 &\n\
         echo '{{\"Version\":1,\"AccessKeyId\":\"ASIA\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"{expiry}\"}}'\n"
    ));
    let names: Vec<String> = (0..PROCESSES).map(|number| format!("p{number}")).collect();
    let profiles =
        names.iter().map(|name| format!("[profile {name}]\ncredential_process = sh {} {name}\n", script.display()));
    let config = stage.write("config", &profiles.collect::<String>());
    let mut run = Command::new("unshare");
    run.args(NAMESPACE)
        .args([binary(), "run", "--listen", "127.0.0.1:0", "--log-level", "debug", "--config"])
        .arg(config);
    run.args(names.iter().map(|name| format!("--profile={name}"))).env("HOME", stage.directory());
    let mut unshare = run.stderr(fs::File::create(stage.path("log")).expect("a log")).spawn().expect("start unshare");
    wait_until("every process has run", || stage.read("log").matches("base credentials loaded").count() == PROCESSES);
    wait_until("what they left has ended", || names.iter().all(|name| stage.path(&format!("done-{name}")).exists()));
    let init = children(unshare.id()).first().expect("credvend").1;
    wait_until("credvend has reaped all of them", || children(init).is_empty());
    assert!(!stage.read("log").contains("WARN") && !stage.read("log").contains("ERROR"), "{}", stage.read("log"));
    // PID 1 of the namespace ends its other processes.
    let init = i32::try_from(init).ok().and_then(rustix::process::Pid::from_raw).expect("a process ID");
    rustix::process::kill_process(init, rustix::process::Signal::TERM).expect("a running process");
    assert_eq!(unshare.wait().expect("ended").code(), Some(0), "{}", stage.read("log"));
}

#[test]
fn orphans_are_reaped_and_signals_forwarded_as_pid_1() {
    if !has_namespaces() {
        return;
    }
    let stage = Stage::new();
    let log = stage.path("log").display().to_string();
    let run = |script: &str| {
        let program = stage.write("program", script);
        let line = exec_line(&stage, "--log-level debug", &format!("sh {} 2> {log}", program.display()));
        let output = Command::new("unshare")
            .args(NAMESPACE)
            .args(["sh", "-c", &line])
            .env("AWS_ENDPOINT_URL_STS", stage.sts.url())
            .output()
            .expect("run unshare");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // A hundred orphans exit with code 3, the program with code 9. It waits until only credvend and itself are left.
    let (code, states) = run("echo parent $PPID\nfor n in $(seq 100); do (sh -c 'sleep 0.1; exit 3' &); done\n\
         for n in $(seq 300); do set -- /proc/[0-9]*; test $# -eq 2 && break; sleep 0.1; done\n\
         echo $# processes\ngrep -h ^State /proc/[0-9]*/status\nexit 9\n");
    assert_eq!(code, Some(9), "{states}");
    assert!(states.contains("parent 1\n") && states.contains("\n2 processes\n"), "{states}");
    assert!(!states.contains("zombie"), "{states}");

    // credvend forwards a signal unless the program itself sent it.
    let (code, output) = run(&format!(
        "trap 'echo heard; exit 5' TERM\nkill -TERM 1\n\
         for n in $(seq 300); do grep -q 'signal not forwarded' {log} && break; sleep 0.1; done\n\
         sh -c 'kill -TERM 1'\nsleep 60 & wait\n"
    ));
    assert_eq!((code, output.as_str()), (Some(5), "heard\n"));
    for line in ["signal not forwarded", "signal forwarded"] {
        assert_eq!(stage.read("log").matches(line).count(), 1, "{line}");
    }
}
