use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use crate::support::{ROLE_A, Stage, binary, wait_until};

/// Whether this machine can do what a test needs; said loudly where it cannot.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn can(what: &str, command: &mut Command) -> bool {
    let can = command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("NOT TESTED: {what} does not work here");
    }
    can
}

/// A command line of `exec` for a shell.
fn exec(stage: &Stage, flags: &str, words: &str) -> String {
    format!(
        "exec {} exec --role-arn {ROLE_A} --web-identity-token-file {} {flags} -- {words}",
        binary(),
        stage.tokens.token_file().display()
    )
}

#[test]
fn an_interrupt_from_the_terminal_reaches_the_program_once() {
    if !can("script(1)", Command::new("script").args(["-qec", "true", "/dev/null"])) {
        return;
    }
    let stage = Stage::new();
    let program = stage.write(
        "program",
        "trap 'echo interrupted; interrupted=1' INT\n: > ready\nwhile [ -z \"$interrupted\" ]; do sleep 0.1; done\nexit 9\n",
    );
    let words = exec(&stage, "--log-level debug", &format!("sh {}", program.display()));
    let mut terminal = Command::new("script")
        .args(["-qec", &words, "/dev/null"])
        .env("AWS_ENDPOINT_URL_STS", stage.sts.url())
        .env("SHELL", "/bin/sh")
        .current_dir(stage.directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script starts");
    wait_until("the program has started", || stage.path("ready").exists());
    let mut keyboard = terminal.stdin.take().expect("piped");
    keyboard.write_all(b"\x03").expect("typed");
    let output = terminal.wait_with_output().expect("waited for");
    drop(keyboard);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(9), "{text}");
    assert_eq!(text.matches("\ninterrupted").count() + text.matches("^Cinterrupted").count(), 1, "{text}");
    assert!(text.contains("signal not forwarded") && !text.contains("signal forwarded"), "{text}");
}

#[test]
fn as_pid_1_orphans_are_buried_and_signals_heard() {
    let namespace = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"];
    if !can("unshare(1) of a PID namespace", Command::new("unshare").args(namespace).arg("true")) {
        return;
    }
    let stage = Stage::new();
    let log = stage.path("log").display().to_string();
    let run = |words: &str| {
        let program = stage.write("program", words);
        let line = exec(&stage, "--log-level debug", &format!("sh {} 2> {log}", program.display()));
        let output = Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", &line])
            .env("AWS_ENDPOINT_URL_STS", stage.sts.url())
            .output()
            .expect("unshare starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // A hundred orphans exit with another status than the program. Then credvend and the program are the only processes.
    let (code, states) = run("echo parent $PPID\nfor n in $(seq 100); do (sh -c 'sleep 0.1; exit 3' &); done\n\
         for n in $(seq 300); do set -- /proc/[0-9]*; test $# -eq 2 && break; sleep 0.1; done\n\
         echo $# processes\ngrep -h ^State /proc/[0-9]*/status\nexit 9\n");
    assert_eq!(code, Some(9), "{states}");
    assert!(states.contains("parent 1\n") && states.contains("\n2 processes\n"), "{states}");
    assert!(!states.contains("zombie"), "{states}");

    // credvend passes a signal on unless the program itself sent it.
    let (code, output) = run(&format!(
        "trap 'echo heard; exit 5' TERM\nkill -TERM 1\n\
         for n in $(seq 300); do grep -q 'signal not passed on' {log} && break; sleep 0.1; done\n\
         sh -c 'kill -TERM 1'\nsleep 60 & wait\n"
    ));
    assert_eq!((code, output.as_str()), (Some(5), "heard\n"));
    for line in ["signal not passed on", "signal passed on"] {
        assert_eq!(stage.read("log").matches(line).count(), 1, "{line}");
    }
}
