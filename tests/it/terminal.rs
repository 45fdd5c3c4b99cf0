use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use crate::support::{DEADLINE, ROLE_A, Stage};

const CREDVEND: &str = env!("CARGO_BIN_EXE_credvend");

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
        "exec {CREDVEND} exec --role-arn {ROLE_A} --web-identity-token-file {} {flags} -- {words}",
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
        .current_dir(stage.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script starts");
    let until = Instant::now() + DEADLINE;
    while !stage.path("ready").exists() {
        assert!(Instant::now() < until, "the program has not started");
    }
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
    let run = |words: &str| {
        let program = stage.write("program", words);
        let line = exec(&stage, "", &format!("sh {}", program.display()));
        let output = Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", &line])
            .env("AWS_ENDPOINT_URL_STS", stage.sts.url())
            .output()
            .expect("unshare starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // A hundred orphans die with a status of their own; the program's is what counts.
    let (code, states) =
        run("echo parent $PPID\nfor n in $(seq 100); do (sh -c 'sleep 0.1; exit 3' &); done\nsleep 3\n\
         grep -h ^State /proc/[0-9]*/status\nexit 9\n");
    assert_eq!(code, Some(9), "{states}");
    assert!(states.contains("parent 1\n") && !states.contains("zombie"), "{states}");

    let (code, said) =
        run("trap 'echo heard; exit 5' TERM\nkill -TERM 1\nsleep 1\nsh -c 'kill -TERM 1'\nsleep 60 & wait\n");
    assert_eq!((code, said.as_str()), (Some(5), "heard\n"));
}
