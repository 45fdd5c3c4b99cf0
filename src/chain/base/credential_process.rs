//! `credential_process`: another program that prints credentials.
//!
//! Input: a command line, taken apart by the quoting rules of a POSIX shell and run without one, as botocore does it: no
//! variable, no `~`, no pipe. The image has no shell. Output: what the program printed on stdout. It inherits the environment,
//! reads nothing, and has 60 s; then it is killed with every process that it started in its group. A credvend that is itself
//! killed, or a one-shot that a signal ends, leaves it to finish alone: nobody reads what it prints.
//! [Process credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).
//!
//! The program can be credvend itself. So that a profile whose process reads the same profile does not go on for ever, the
//! child is told in [`ANCESTORS`] which profiles' processes it runs under.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
};
use zeroize::Zeroizing;

use crate::plan::base::{ANCESTORS, CredentialProcess};
use crate::{
    chain::{
        base::credentials_document::{self, Dialect, DocumentError},
        error::{BaseError, BaseFault},
    },
    clock::Clock,
    credentials::Credentials,
    scrubber::Scrubber,
};

const TIME_LIMIT: Duration = Duration::from_secs(60);
/// A document has some 2 KiB.
const MAX_OUTPUT: usize = 64 * 1024;
/// What is kept of stderr to find its last line in.
const KEPT_OF_STDERR: usize = 4 * 1024;
/// How much of that line is told, in characters.
const MAX_LINE_LENGTH: usize = 300;

impl CredentialProcess {
    /// Runs the program once. Where nothing but it vends the credentials they must be temporary: `is_vended`.
    pub(crate) async fn fetch(
        &self,
        clock: &dyn Clock,
        now: SystemTime,
        is_vended: bool,
    ) -> Result<Credentials, BaseError> {
        let output = tokio::select! {
            output = self.run() => output?,
            () = clock.sleep(TIME_LIMIT) => {
                let what = format!("did not end within {} s and was killed", TIME_LIMIT.as_secs());
                return Err(self.error(BaseFault::Unavailable, what, "run it by hand and see what it waits for"));
            }
        };
        let credentials =
            credentials_document::read(Dialect::Process, &output, now, &Scrubber::new([])).map_err(|unusable| {
                let help = match unusable {
                    DocumentError::Expired { .. } => "see why it does not renew them, and check this machine's clock",
                    _ => "let it print a credential_process document and nothing else on stdout",
                };
                self.error(BaseFault::Refused, unusable, help)
            })?;
        let is_temporary = credentials.expiry().is_some() && !credentials.expose_session_token().is_empty();
        if is_vended && !is_temporary {
            return Err(self.error(
                BaseFault::Refused,
                "gave keys without a SessionToken and an Expiration, which are not vended as they are",
                "add a role_arn to the profile, or let the program give temporary credentials",
            ));
        }
        Ok(credentials)
    }

    /// What the program printed, where it ended well.
    async fn run(&self) -> Result<Zeroizing<Vec<u8>>, BaseError> {
        let (program, arguments) =
            self.command.split_first().ok_or_else(|| self.not_started(&io::ErrorKind::NotFound))?;
        let _running = Running::begin();
        let mut child = Command::new(program)
            .args(arguments)
            .env(ANCESTORS, &self.ancestors)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| self.not_started(&error.kind()))?;
        let group = Group::of(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (output, complaint) =
            tokio::try_join!(async { whole(stdout).await.map_err(|error| self.not_read(&error)) }, async {
                Ok(end_of(stderr).await)
            },)?;
        let status = child.wait().await.map_err(|error| self.not_read(&error))?;
        group.has_ended();
        if status.success() {
            return Ok(output);
        }
        let complaint = String::from_utf8_lossy(&complaint);
        let line = complaint.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing on stderr");
        let line = Scrubber::new([]).clean_to(MAX_LINE_LENGTH, line);
        let what = format!("{}: {line}", ending(status));
        Err(self.error(BaseFault::Refused, what, "run it by hand and mend what it names"))
    }

    fn not_started(&self, kind: &io::ErrorKind) -> BaseError {
        let (fault, help) = match kind {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => (
                BaseFault::Configuration,
                "name an executable file by its whole path (it is run without a shell: no ~ and no variables)",
            ),
            _ => (BaseFault::Unavailable, "see that this machine can start another process"),
        };
        self.error(fault, format!("cannot be started: {kind}"), help)
    }

    fn not_read(&self, error: &io::Error) -> BaseError {
        match error.kind() {
            io::ErrorKind::FileTooLarge => self.error(
                BaseFault::Refused,
                format!("printed more than {MAX_OUTPUT} bytes and was killed"),
                "let it print a credential_process document and nothing else on stdout",
            ),
            kind => self.error(BaseFault::Unavailable, format!("cannot be read from: {kind}"), "it is run again"),
        }
    }

    fn error(&self, fault: BaseFault, what: impl std::fmt::Display, help: &'static str) -> BaseError {
        BaseError { what: format!("credential_process of profile {} {what}", self.profile), help, fault }
    }
}

/// Everything that comes, within the bound.
async fn whole(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Zeroizing<Vec<u8>>> {
    // Of its final size from the start, so that growing leaves no copies behind.
    let mut output = Zeroizing::new(Vec::with_capacity(MAX_OUTPUT + 1));
    let Some(pipe) = pipe else { return Ok(output) };
    pipe.take(MAX_OUTPUT as u64 + 1).read_to_end(&mut output).await?;
    if output.len() > MAX_OUTPUT { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(output) }
}

/// The last of what comes; what came before is read too, so that its writer is not held up.
async fn end_of(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::with_capacity(2 * KEPT_OF_STDERR);
    let Some(mut pipe) = pipe else { return kept };
    while let Ok(1..) = pipe.read_buf(&mut kept).await {
        let surplus = kept.len().saturating_sub(KEPT_OF_STDERR);
        kept.drain(..surplus);
    }
    kept
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended without a status".to_owned(),
    }
}

/// How many programs are running here.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Whether any credential process was started and not yet waited for.
pub(crate) fn credential_process_runs() -> bool {
    RUNNING.load(Ordering::Relaxed) > 0
}

/// Held from before a program starts until it was waited for.
struct Running;

impl Running {
    fn begin() -> Self {
        RUNNING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A child's process group, killed where nobody waits for its end any more.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// The child was waited for: its number can already be another's.
    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails where there is nobody left to kill.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
