//! The real binary as a child process: its environment is what the test gave, its stderr is read as it comes.

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

use super::DEADLINE;

pub(crate) use rustix::process::Signal;

pub(crate) struct Credvend(Command);

/// Undoes what a `nohup` around the tests does: a signal that is ignored here is ignored by children too, while one that has
/// a handler here has none in them.
fn heed_signals() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").expect("read");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a mask").trim();
        let ignored = u64::from_str_radix(mask, 16).expect("hexadecimal");
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2] {
            if ignored & (1 << (signal.as_raw() - 1)) != 0 {
                signal_hook::flag::register(signal.as_raw(), Arc::default()).expect("handled");
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
    /// The last line on stderr: what failed, where, and what to do.
    pub(crate) fn last_line(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }

    /// Asserts the exit code and that the last line holds these words.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(self.last_line().contains(word), "{word:?} is missing in {:?}", self.last_line());
        }
        assert_eq!(self.stdout, "", "nothing on stdout after a failure");
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

impl Credvend {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        heed_signals();
        let mut command = Command::new(env!("CARGO_BIN_EXE_credvend"));
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

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// In a process group of its own, which it can signal.
    pub(crate) fn own_group(mut self) -> Self {
        self.0.process_group(0);
        self
    }

    /// Runs it to its end.
    pub(crate) fn end(mut self) -> Ended {
        let output = self.0.output().expect("credvend starts");
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Starts it and goes on.
    pub(crate) fn start(mut self) -> Running {
        let mut child = self.0.spawn().expect("credvend starts");
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().expect("piped");
        let reader = thread::spawn({
            let log = Arc::clone(&log);
            move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    log.lines.lock().expect("unpoisoned").push(line);
                    log.came.notify_all();
                }
            }
        });
        Running { child, log, reader: Some(reader) }
    }
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    came: Condvar,
}

/// A running command; killed where the test ends before it.
pub(crate) struct Running {
    child: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Waits for a line on stderr that holds all these words.
    #[track_caller]
    pub(crate) fn line(&self, words: &[&str]) -> String {
        self.lines(words, 1).pop().expect("one line")
    }

    /// Waits until so many lines on stderr hold all these words.
    #[track_caller]
    pub(crate) fn lines(&self, words: &[&str], count: usize) -> Vec<String> {
        let until = Instant::now() + DEADLINE;
        let mut lines = self.log.lines.lock().expect("unpoisoned");
        loop {
            let found: Vec<_> =
                lines.iter().filter(|line| words.iter().all(|word| line.contains(word))).cloned().collect();
            if found.len() >= count {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no line with {words:?} in {lines:#?}");
            lines = self.log.came.wait_timeout(lines, left).expect("unpoisoned").0;
        }
    }

    /// Where it listens for credentials, once it does.
    pub(crate) fn address(&self) -> SocketAddr {
        Self::address_in(&self.line(&["listening url=http://"]))
    }

    /// Where it listens for probes, once it does.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        Self::address_in(&self.line(&["listening for probes url=http://"]))
    }

    fn address_in(line: &str) -> SocketAddr {
        let url = line.split("url=http://").nth(1).expect("a URL");
        url.split('/').next().expect("an authority").parse().expect("an address")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process ID");
        rustix::process::kill_process(id, signal).expect("signalled");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.log.lines.lock().expect("unpoisoned").join("\n")
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn terminate(self) -> Ended {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> Ended {
        let status = self.status();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("read to its end");
        }
        let mut stdout = String::new();
        let pipe = self.child.stdout.take();
        pipe.expect("piped").read_to_string(&mut stdout).expect("UTF-8");
        Ended { code: status.code(), stdout, stderr: self.stderr() }
    }

    /// Waits for its exit status, signals included.
    pub(crate) fn status(&mut self) -> ExitStatus {
        self.child.wait().expect("waited for")
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("asked").is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
