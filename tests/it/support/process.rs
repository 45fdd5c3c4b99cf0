//! The credvend binary as a child process: it has only the environment that the test sets, and its stderr is read line by
//! line while it runs.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Instant,
};

use super::{DEADLINE, binary};

pub(crate) use rustix::process::Signal;

/// A credvend command that has not started.
pub(crate) struct Credvend(Command);

/// Installs handlers for the signals that this process ignores, for example because the tests run under `nohup`. Child
/// processes inherit ignored signals, but not handlers.
fn stop_ignoring_signals() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").expect("read");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a line SigIgn").trim();
        let ignored = u64::from_str_radix(mask, 16).expect("hexadecimal");
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2] {
            if ignored & (1 << (signal.as_raw() - 1)) != 0 {
                signal_hook::flag::register(signal.as_raw(), Arc::default()).expect("a signal handler");
            }
        }
    });
}

/// A finished command.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Returns the last line of stderr, which explains a failure.
    pub(crate) fn last_line(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }

    /// Asserts that the command exited with `code`, that the last line of stderr contains `texts`, and that stdout is empty.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for text in texts {
            assert!(self.last_line().contains(text), "{text:?} is missing in {:?}", self.last_line());
        }
        assert_eq!(self.stdout, "", "stdout after a failure");
    }

    /// Asserts that the command exited with 0.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

impl Credvend {
    /// Returns a command with these arguments and an empty environment.
    #[track_caller]
    pub(crate) fn new(arguments: &[&str]) -> Self {
        stop_ignoring_signals();
        let mut command = Command::new(binary());
        command.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// Returns the environment, for a shell that runs the command.
    pub(crate) fn variables(&self) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
        self.0.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect()
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// Gives the command this stderr, which the test reads itself.
    pub(crate) fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.0.stderr(stderr);
        self
    }

    /// Gives the command this stdout, which the test reads itself.
    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.0.stdout(stdout);
        self
    }

    /// Gives the command its own process group, which it can signal.
    pub(crate) fn own_group(mut self) -> Self {
        self.0.process_group(0);
        self
    }

    /// Limits the number of open files of the command.
    pub(crate) fn open_files(self, limit: u32) -> Self {
        self.limited(&format!("-n {limit}"))
    }

    /// Limits the virtual memory of the command, in KiB.
    pub(crate) fn limit_memory(self, limit: u32) -> Self {
        self.limited(&format!("-v {limit}"))
    }

    /// Starts the command with this limit of the shell's `ulimit`.
    fn limited(self, limit: &str) -> Self {
        let mut limited = Command::new("/bin/sh");
        limited.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\"")]);
        limited.arg(self.0.get_program()).args(self.0.get_args()).env_clear();
        limited.envs(self.0.get_envs().filter_map(|(name, value)| Some((name, value?))));
        limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(limited)
    }

    /// Runs the command as another user, which only root can.
    pub(crate) fn user(mut self, id: u32) -> Self {
        self.0.uid(id).gid(id);
        self
    }

    /// Runs the command until it exits.
    pub(crate) fn end(mut self) -> Ended {
        let output = self.0.output().expect("credvend starts");
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Starts the command in the background.
    pub(crate) fn start(mut self) -> Running {
        let mut child = self.0.spawn().expect("credvend starts");
        let log = Arc::new(Log::default());
        let reader = child.stderr.take().map(|stderr| {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    log.lines.lock().expect("unpoisoned").push(line);
                    log.changed.notify_all();
                }
            })
        });
        Running { child, log, reader }
    }
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
}

/// A running command. It is killed when the test ends.
pub(crate) struct Running {
    child: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Waits for a line on stderr that contains all of `texts`.
    #[track_caller]
    pub(crate) fn line(&self, texts: &[&str]) -> String {
        self.lines(texts, 1).pop().expect("one line")
    }

    /// Waits until `count` lines on stderr contain all of `texts`.
    #[track_caller]
    pub(crate) fn lines(&self, texts: &[&str], count: usize) -> Vec<String> {
        let end = Instant::now() + DEADLINE;
        let mut lines = self.log.lines.lock().expect("unpoisoned");
        loop {
            let found: Vec<_> =
                lines.iter().filter(|line| texts.iter().all(|text| line.contains(text))).cloned().collect();
            if found.len() >= count {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no line with {texts:?} in {lines:#?}");
            lines = self.log.changed.wait_timeout(lines, left).expect("unpoisoned").0;
        }
    }

    /// Waits until the command listens for credentials requests, and returns the address.
    pub(crate) fn address(&self) -> SocketAddr {
        Self::address_in(&self.line(&["listening url=http://"]))
    }

    /// Waits until the command listens for probes, and returns the address.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        Self::address_in(&self.line(&["listening for probes url=http://"]))
    }

    fn address_in(line: &str) -> SocketAddr {
        let url = line.split("url=http://").nth(1).expect("a URL");
        url.split('/').next().expect("an authority").parse().expect("an address")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process ID");
        rustix::process::kill_process(id, signal).expect("a running process");
    }

    /// Waits until the command has used this much CPU time, in hundredths of a second.
    pub(crate) fn wait_for_cpu_time(&self, ticks: u64) {
        let path = format!("/proc/{}/stat", self.id());
        super::wait_until("the command has used CPU time", || {
            let stat = std::fs::read_to_string(&path).expect("not reaped yet");
            let fields = stat.rsplit_once(") ").expect("a name").1.split(' ').skip(11).take(2);
            fields.map(|field| field.parse::<u64>().expect("a number")).sum::<u64>() >= ticks
        });
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns everything on stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.log.lines.lock().expect("unpoisoned").join("\n")
    }

    /// Sends SIGTERM and waits until the command exits.
    pub(crate) fn terminate(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Sends SIGTERM, unless the command has exited, and waits until it exits.
    pub(crate) fn terminate_if_running(mut self) -> Ended {
        if self.is_running() {
            self.signal(Signal::TERM);
        }
        self.wait()
    }

    /// Waits until the command exits.
    pub(crate) fn wait(mut self) -> Ended {
        let status = self.status();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("stderr to the end");
        }
        let mut stdout = String::new();
        let pipe = self.child.stdout.take();
        pipe.expect("piped").read_to_string(&mut stdout).expect("UTF-8");
        Ended { code: status.code(), stdout, stderr: self.stderr() }
    }

    /// Waits until the command exits, and returns its status, which includes the signal that killed it.
    pub(crate) fn status(&mut self) -> ExitStatus {
        self.child.wait().expect("an exit status")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
