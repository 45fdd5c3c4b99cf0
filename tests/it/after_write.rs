use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    profiles::CROSS_ACCOUNT,
    support::{Credvend, Running, Signal, Stage, get, wait_until},
};

const RUN: &[&str] = &["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

/// Returns a `run` command for two profiles with a credentials file and `--on-write`, which runs a shell script.
fn with_script(stage: &Stage, script: &str) -> Credvend {
    let script = stage.write("hook.sh", script);
    let run = stage.with_config(&[RUN, &["--all-profiles"]].concat(), CROSS_ACCOUNT);
    let run = run.env("CREDVEND_CREDENTIALS_FILE", stage.path("credentials")).env("PATH", "/usr/bin:/bin");
    run.arg("--on-write").arg(format!("/bin/sh '{}'", script.display()))
}

/// Returns the lines of a file that a script writes.
fn lines(stage: &Stage, name: &str) -> Vec<String> {
    fs::read_to_string(stage.path(name)).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn failures(run: &Running, sink: &str) -> u64 {
    let metrics = get(run.admin_address(), "/metrics", &[]).body;
    let start = format!("credvend_sink_failures_total{{sink=\"{sink}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap_or_default()
}

#[test]
fn command_runs_after_each_write_of_the_file_for_each_profile() {
    let stage = Stage::new();
    let script = format!(
        "cd '{}'; grep -q \"^\\[$CREDVEND_PROFILE\\]\" credentials && echo \"$CREDVEND_PROFILE\" >> log",
        stage.directory().display()
    );
    let run = with_script(&stage, &script).start();
    let counts = || {
        let log = lines(&stage, "log");
        ["account_a_role", "account_b_role"].map(|name| log.iter().filter(|line| *line == name).count())
    };
    wait_until("the command ran for both profiles", || counts() == [1, 1]);
    run.signal(Signal::HUP);
    wait_until("the command ran after the renewal", || counts() == [2, 2]);
    run.lines(&["command of --on-write succeeded"], 4);
    assert_eq!(failures(&run, "on_write"), 0);
}

#[test]
fn command_runs_after_each_renewal_if_there_is_no_file() {
    let stage = Stage::new();
    let log = stage.path("log");
    let command = format!("/bin/sh -c 'echo \"$CREDVEND_PROFILE\" >> \"{}\"'", log.display());
    let run = stage.credvend(RUN).arg("--on-write").arg(command).start();
    wait_until("the command ran", || lines(&stage, "log") == ["default"]);
    run.signal(Signal::HUP);
    wait_until("the command ran again", || lines(&stage, "log") == ["default"; 2]);
}

#[test]
fn commands_never_overlap_and_the_last_write_of_each_profile_is_seen() {
    let stage = Stage::new();
    let script = format!(
        "cd '{}'; mkdir running || echo overlap >> log; cp credentials \"seen-$CREDVEND_PROFILE\"; sleep 0.3; \
         rmdir running; echo \"$CREDVEND_PROFILE\" >> log",
        stage.directory().display()
    );
    let run = with_script(&stage, &script).start();
    run.address();
    for _ in 0..8 {
        run.signal(Signal::HUP);
        std::thread::sleep(Duration::from_millis(400));
    }
    run.lines(&["credentials obtained"], 4);
    // A write of the other profile causes no further run for this one.
    let key = |file: &str, profile: &str| {
        let mut lines = lines(&stage, file).into_iter().skip_while(|line| *line != format!("[{profile}]"));
        lines.find(|line| line.contains("key_id"))
    };
    wait_until("the command has seen the last write of each profile", || {
        ["account_a_role", "account_b_role"].iter().all(|profile| {
            let last = key("credentials", profile);
            last.is_some() && key(&format!("seen-{profile}"), profile) == last
        })
    });
    assert!(!lines(&stage, "log").contains(&"overlap".to_owned()), "{:?}", lines(&stage, "log"));
}

#[test]
fn hanging_command_is_killed_with_its_children_and_stops_nothing() {
    let stage = Stage::new();
    let script = format!(
        "cd '{}'; test -e pid || {{ sleep 1000 & echo $! > pid; wait; }}; echo \"$CREDVEND_PROFILE\" >> log",
        stage.directory().display()
    );
    let run = with_script(&stage, &script).start();
    wait_until("the command hangs", || !lines(&stage, "pid").is_empty());
    wait_until("both profiles are ready", || get(run.address(), "/readyz", &[]).status == 200);
    let start = Instant::now();
    let child = format!("/proc/{}", lines(&stage, "pid")[0]);
    let first = lines(&stage, "credentials");
    run.signal(Signal::HUP);
    wait_until("the credentials are renewed meanwhile", || lines(&stage, "credentials") != first);
    assert_eq!(get(run.address(), "/readyz", &[]).status, 200);
    assert_eq!(lines(&stage, "log"), [""; 0]);
    while start.elapsed() < Duration::from_secs(28) {
        assert!(Path::new(&child).exists(), "the command has 30 s");
        std::thread::sleep(Duration::from_millis(200));
    }
    run.line(&["ERROR", "command of --on-write failed", "did not end within 30 s and was killed"]);
    let is_running = || fs::read_to_string(format!("{child}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    wait_until("the child is killed", || !is_running());
    wait_until("the commands that waited run", || {
        let log = lines(&stage, "log");
        ["account_a_role", "account_b_role"].iter().all(|name| log.contains(&(*name).to_owned()))
    });
    assert_eq!(failures(&run, "on_write"), 1);
    run.terminate().succeeded();
}

#[test]
fn failed_command_is_logged_and_counted_and_its_output_does_not_reach_stdout() {
    let stage = Stage::new();
    let run = with_script(&stage, "echo on-stdout; echo 'the reason\u{1b}[2J' >&2; exit 3").start();
    let lines = run.lines(&["command of --on-write failed", "exited with 3", "the reason"], 2);
    assert!(!lines.concat().contains('\u{1b}'));
    wait_until("the failures are counted", || failures(&run, "on_write") == 2);
    assert_eq!(get(run.address(), "/readyz", &[]).status, 200);
    let ended = run.terminate().succeeded();
    assert_eq!(ended.stdout, "");
    stage.refuse_leaks(&ended.stderr);

    let run = stage.credvend(RUN).arg("--on-write").arg("/no/such/program").start();
    run.line(&["command of --on-write failed", "cannot be started"]);
    assert_eq!(get(run.address(), "/v1/credentials", &[]).status, 200);
}

#[test]
fn command_inherits_no_secret_and_no_open_file() {
    let stage = Stage::new();
    let script = format!(
        "cd '{}'; env > environment; cat > stdin; ls /proc/self/fd > files; echo \"$CREDVEND_PROFILE\" >> log",
        stage.directory().display()
    );
    let run = with_script(&stage, &script)
        .env("AWS_ACCESS_KEY_ID", "AKIAHIDDEN")
        .env("AWS_SECRET_ACCESS_KEY", "hidden-secret-key")
        .env("AWS_SESSION_TOKEN", "hidden-session-token")
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hidden-token")
        .env("HTTPS_PROXY", "http://user:hidden@127.0.0.1:9")
        .env("KEPT", "kept")
        .start();
    wait_until("the commands ran", || lines(&stage, "log").len() == 2);
    let environment = stage.read("environment");
    assert!(environment.contains("KEPT=kept\n") && !environment.to_lowercase().contains("hidden"), "{environment}");
    stage.refuse_leaks(&environment);
    // The tests may have been started with open files.
    let outside = Command::new("sh").args(["-c", "ls /proc/self/fd"]).output().expect("run ls");
    let outside = String::from_utf8(outside.stdout).expect("UTF-8").lines().count();
    assert!(lines(&stage, "files").len() <= outside, "{:?}", lines(&stage, "files"));
    assert_eq!(stage.read("stdin"), "");
    run.terminate().succeeded();
}

#[test]
fn running_command_is_killed_when_run_ends() {
    let stage = Stage::new();
    let script = format!("echo $$ > '{}'; exec sleep 1000", stage.path("pid").display());
    let run = with_script(&stage, &script).start();
    wait_until("the command is running", || !lines(&stage, "pid").is_empty());
    let process = format!("/proc/{}/stat", lines(&stage, "pid")[0]);
    let start = Instant::now();
    run.terminate().succeeded();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    wait_until("the command is killed", || !fs::read_to_string(&process).is_ok_and(|stat| !stat.contains(") Z ")));
}

#[test]
fn run_once_waits_for_the_command_and_does_not_fail_with_it() {
    let stage = Stage::new();
    let once = |script: &str| {
        let file = stage.path("credentials");
        let run =
            stage.credvend(&["run", "--once"]).env("CREDVEND_CREDENTIALS_FILE", file).env("PATH", "/usr/bin:/bin");
        run.arg("--on-write").arg(format!("/bin/sh -c '{script}'"))
    };
    let log = stage.path("log").display().to_string();
    once(&format!("sleep 0.2; echo $CREDVEND_PROFILE > {log}")).end().succeeded();
    assert_eq!(lines(&stage, "log"), ["default"]);
    let ended = once("exit 1").end().succeeded();
    assert!(ended.stderr.contains("command of --on-write failed"), "{}", ended.stderr);
    // The timeout of --once is that of the exchange and the file.
    once("sleep 2").arg("--timeout").arg("1s").end().succeeded();
}

/// A program that writes a line to a file at each SIGHUP. It is killed when the test ends.
struct Program(Child);

impl Program {
    /// Starts a program whose executable has this name.
    fn start(stage: &Stage, name: &str) -> Self {
        let program = stage.path(name);
        fs::copy("/bin/sh", &program).expect("copied");
        let script = "trap 'echo reloaded >> log' HUP; echo ready > ready; while :; do sleep 0.1; done";
        let mut command = Command::new(program);
        command.args(["-c", script]).current_dir(stage.directory()).stdin(Stdio::null());
        let mut child = None;
        wait_until("the program is started", || match command.spawn() {
            Ok(started) => {
                child = Some(started);
                true
            }
            // Another test has forked while the copy was open.
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => false,
            Err(error) => panic!("{error}"),
        });
        let program = Self(child.expect("started"));
        wait_until("the program is ready", || !lines(stage, "ready").is_empty());
        program
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn signal_is_sent_to_processes_of_that_name_after_each_write() {
    let stage = Stage::new();
    let name = format!("reloading-program-{}", std::process::id());
    let mut program = Program::start(&stage, &name);
    let other = Program::start(&Stage::new(), "reloading-program-of-another-name");
    let run = stage.credvend(RUN).env("CREDVEND_CREDENTIALS_FILE", stage.path("credentials"));
    let run = run.arg("--signal").arg(format!("{name}:SIGHUP")).start();
    wait_until("the program received the signal", || lines(&stage, "log").len() == 1);
    run.line(&["signal sent", &name, "signal=1", "count=1"]);
    run.signal(Signal::HUP);
    wait_until("the program received the signal again", || lines(&stage, "log").len() == 2);
    assert_eq!(failures(&run, "signal"), 0);
    assert!(program.0.try_wait().expect("a status").is_none());
    drop(other);

    drop(program);
    run.signal(Signal::HUP);
    run.line(&["WARN", "no process to signal", &name, "shareProcessNamespace"]);
    wait_until("the failure is counted", || failures(&run, "signal") == 1);
    assert_eq!(get(run.address(), "/readyz", &[]).status, 200);
}

/// As root, credvend runs as another user, and signals a program of root. Without root, it signals the first process, which is not its own.
#[test]
fn signal_that_the_kernel_refuses_is_a_warning_that_names_the_process() {
    let stage = Stage::new();
    let is_root = rustix::process::geteuid().is_root();
    let unique = format!("of-root-{}", std::process::id());
    let program = is_root.then(|| Program::start(&Stage::new(), &unique));
    let (name, pid) = match &program {
        Some(program) => (unique, program.0.id()),
        None => (fs::read_to_string("/proc/1/comm").expect("the first process").trim_end().to_owned(), 1),
    };
    if !is_root && fs::metadata("/proc/1").expect("the first process").uid() == rustix::process::geteuid().as_raw() {
        // In a container whose only user is this one.
        return;
    }
    let run = stage.credvend(RUN).env("CREDVEND_CREDENTIALS_FILE", stage.path("credentials"));
    // The kernel lets a process send CONT to any process of its session.
    let run = run.arg("--signal").arg(format!("{name}:WINCH"));
    let run = crate::limits::bound(&stage, run).start();
    let line =
        run.line(&["WARN", "signal not sent", &format!("program=\"{name}\""), "signal=28", "Operation not permitted"]);
    assert!(line.contains("run credvend as the user of the process, or with CAP_KILL"), "{line}");
    assert!(!is_root || line.contains(&format!("pid={pid}")), "{line}");
    wait_until("the failure is counted", || failures(&run, "signal") == 1);
    assert_eq!(get(run.address(), "/readyz", &[]).status, 200);
}

#[test]
fn hanging_command_does_not_delay_the_signal() {
    let stage = Stage::new();
    let name = format!("reloading-beside-{}", std::process::id());
    let _program = Program::start(&stage, &name);
    let run = with_script(&stage, "sleep 1000").arg("--signal").arg(format!("{name}:1")).start();
    run.line(&["signal sent", &name, "count=1"]);
    wait_until("the program received the signal", || !lines(&stage, "log").is_empty());
    run.terminate().succeeded();
}

#[test]
fn invalid_commands_and_signals_are_usage_errors() {
    let stage = Stage::new();
    for (flag, value, word) in [
        ("--on-write", "sh -c 'unclosed", "--on-write has an unclosed quotation mark"),
        ("--on-write", "''", "--on-write is empty"),
        ("--signal", "vector", "--signal \"vector\" must be NAME:SIGNAL"),
        ("--signal", "vector:RELOAD", "--signal \"vector:RELOAD\" must end with a signal"),
    ] {
        stage.credvend(RUN).arg(flag).arg(value).end().failed(2, &[word]);
    }
    stage
        .credvend(RUN)
        .env("CREDVEND_SIGNAL", "vector:HUP,:HUP")
        .end()
        .failed(2, &["CREDVEND_SIGNAL \":HUP\" must be"]);
}
