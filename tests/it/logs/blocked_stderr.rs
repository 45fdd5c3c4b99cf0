//! A pipe on stderr that nobody reads stops neither `run` nor `exec`.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, PipeReader, PipeWriter, Write as _},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::support::{ROLE_A, Running, Signal, Stage, binary, get, wait_until};

/// The time for a flush of half a second, on a busy machine.
const END: Duration = Duration::from_secs(5);

/// Returns a pipe that takes no more bytes.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let flags = fcntl_getfl(&writer).expect("flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("set");
    while writer.write(&[b'x'; 4096]).is_ok() {}
    while writer.write(b"x").is_ok() {}
    fcntl_setfl(&writer, flags).expect("set");
    (reader, writer)
}

/// Waits until `run` ends by itself, for as long as a flush takes.
#[track_caller]
fn ends_in_time(mut run: Running, what: &str) -> Option<i32> {
    let start = Instant::now();
    wait_until(what, || !run.is_running());
    assert!(start.elapsed() < END, "{what}: took {:?}", start.elapsed());
    run.status().code()
}

/// A `credvend run` whose stderr is read only until its listeners are known.
struct UnreadRun {
    run: Running,
    stderr: BufReader<PipeReader>,
    address: SocketAddr,
    admin: SocketAddr,
}

impl UnreadRun {
    fn start(stage: &Stage) -> Self {
        let (reader, writer) = io::pipe().expect("a pipe");
        let run = stage
            .credvend(&["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "debug"])
            .stderr(writer)
            .start();
        let mut stderr = BufReader::new(reader);
        let mut next = |text: &str| loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).expect("a line") > 0, "no line with {text}");
            if let Some((_, url)) = line.split_once(text) {
                break url.split(['/', '\n']).next().expect("an address").parse().expect("an address");
            }
        };
        let address = next("listening url=http://");
        let admin = next("listening for probes url=http://");
        Self { run, stderr, address, admin }
    }

    fn dropped(&self) -> u64 {
        let metrics = get(self.admin, "/metrics", &[]).body;
        let count = metrics.lines().find_map(|line| line.strip_prefix("credvend_log_lines_dropped_total "));
        count.expect("the metric").parse().expect("a number")
    }

    /// Causes long log lines until some are dropped.
    fn fill(&self) {
        let path = format!("/v1/credentials/{}", "x".repeat(1500));
        wait_until("log lines are dropped", || {
            (0..20).for_each(|_| assert_eq!(get(self.address, &path, &[]).status, 404));
            self.dropped() > 0
        });
    }
}

#[test]
fn unread_stderr_stops_neither_requests_nor_reloads_nor_sigterm() {
    let stage = Stage::new();
    let unread = UnreadRun::start(&stage);
    unread.fill();
    assert_eq!(get(unread.address, "/v1/credentials", &[]).status, 200);
    for _ in 0..14 {
        let before = stage.sts.requests().len();
        wait_until("a reload", || {
            // Again, because an exchange in progress counts as the refresh.
            unread.run.signal(Signal::HUP);
            stage.sts.requests().len() > before
        });
    }
    assert_eq!(get(unread.address, "/v1/credentials", &[]).status, 200);
    unread.run.signal(Signal::TERM);
    assert_eq!(ends_in_time(unread.run, "run ends at the first SIGTERM"), Some(0));
}

#[test]
fn dropped_lines_are_counted_and_said_in_their_place() {
    let stage = Stage::new();
    let mut unread = UnreadRun::start(&stage);
    unread.fill();
    let (sender, receiver) = mpsc::channel();
    let stderr = std::mem::replace(&mut unread.stderr, BufReader::new(io::pipe().expect("a pipe").0));
    let reader = std::thread::spawn(move || {
        stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).expect("a receiver");
    });
    // When the report is there, the reader has caught up, and nothing is dropped any more.
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line: &String| !line.contains("log lines dropped")) {
        lines.push(receiver.recv().expect("a report"));
    }
    let dropped = unread.dropped();
    unread.run.signal(Signal::TERM);
    assert_eq!(unread.run.status().code(), Some(0));
    reader.join().expect("the end of the lines");
    lines.extend(receiver.try_iter());
    let reports: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains("log lines dropped")).collect();
    let count = |at: &usize| -> u64 { lines[*at].split("count=").nth(1).expect("a count").parse().expect("a number") };
    assert_eq!(reports.iter().map(count).sum::<u64>(), dropped, "{} lines", lines.len());
    assert!(lines[reports[0]].contains(" WARN "), "{}", lines[reports[0]]);
    assert!(lines[..reports[0]].iter().any(|line| line.contains("request rejected")));
    assert!(lines.last().is_some_and(|line| line.contains("shutting down")), "{:?}", lines.last());
}

#[test]
fn full_stderr_delays_the_end_of_exec_and_run_for_half_a_second() {
    let stage = Stage::new();
    let exec = ["exec", "--log-level", "debug", "--", "sh", "-c", "exit 7"];
    for (arguments, code) in [(&exec[..], 7), (&["run", "--listen", "10.0.0.1:1"], 2)] {
        let (reader, writer) = full_pipe();
        let command = stage.credvend(arguments).env("PATH", "/usr/bin:/bin");
        let ended = ends_in_time(command.stderr(writer).start(), &arguments.join(" "));
        assert_eq!(ended, Some(code), "{arguments:?}");
        drop(reader);
    }
}

/// Returns a command that runs credvend with a limit of processes that leaves none for a thread.
fn without_threads() -> Command {
    let limited = ["prlimit", "--nproc=1", binary()];
    // The limit does not bind root, which becomes a user that runs nothing else.
    let as_user = ["setpriv", "--reuid", "64999", "--regid", "64999", "--clear-groups"];
    let is_root = rustix::process::geteuid().is_root();
    let words: Vec<&str> = as_user.into_iter().filter(|_| is_root).chain(limited).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

#[test]
fn without_a_thread_the_error_is_written_and_never_waited_for() {
    let stage = Stage::new();
    fs::set_permissions(stage.directory(), fs::Permissions::from_mode(0o755)).expect("set");
    if !without_threads().arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("NOT TESTED: prlimit(1) and setpriv(1) cannot run {} here", binary());
        return;
    }
    let exec = |stderr: Stdio| {
        let mut command = without_threads();
        command.args(["exec", "--log-level", "debug", "--", "true"]).stderr(stderr);
        command.env("AWS_ROLE_ARN", ROLE_A).env("AWS_WEB_IDENTITY_TOKEN_FILE", stage.tokens.token_file());
        command.env("AWS_ENDPOINT_URL_STS", stage.sts.url());
        let start = Instant::now();
        let output = command.output().expect("credvend starts");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(start.elapsed() < END, "{:?}", start.elapsed());
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let log = exec(Stdio::piped());
    assert!(log.lines().last().is_some_and(|line| line.starts_with("credvend: cannot start a thread")), "{log}");
    let (_reader, writer) = full_pipe();
    exec(writer.into());
}
