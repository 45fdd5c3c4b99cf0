//! `credential_process`: credentials that another program prints.
//!
//! Input: a command line, split by the quoting rules of a POSIX shell but run without a shell, as botocore does:
//! variables, `~` and pipes have no effect. Output: the credentials document that the program prints to stdout.
//!
//! The program inherits the environment and has no stdin. After 60 s, credvend kills its process group. If credvend
//! itself is killed, or a signal ends a one-shot command, the program is left to finish on its own, and its output is
//! lost.
//! [Process credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).
//!
//! The program can be credvend itself. To stop a profile whose process reads the same profile from recursing
//! endlessly, the variable [`ANCESTORS`] passes the names of the profiles whose processes are running to the child.

use std::{
    io,
    process::Stdio,
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
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
    process::program::{Program, describe_exit, last_line, read_tail},
    scrubber::Scrubber,
};

const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Maximum size of stdout, in bytes. A document has about 2 KiB.
const MAX_OUTPUT: usize = 64 * 1024;

impl CredentialProcess {
    /// Runs the program once. If `is_vended`, a profile vends the output unchanged, so it must be temporary
    /// credentials. `now` is STS's time.
    pub(super) async fn fetch(
        &self,
        clock: &dyn Clock,
        now: SystemTime,
        is_vended: bool,
    ) -> Result<Credentials, BaseError> {
        let output = tokio::select! {
            output = self.run() => output?,
            () = clock.sleep(TIME_LIMIT) => {
                let what = format!("did not exit within {} s and was killed", TIME_LIMIT.as_secs());
                let help = "run the command manually to find out what it waits for";
                return Err(self.error(BaseFault::Unavailable, what, help));
            }
        };
        let credentials = credentials_document::read(Dialect::Process, &output, Some(now), &Scrubber::new([]))
            .map_err(|error| {
                let help = match error {
                    DocumentError::Expired { .. } => {
                        "find out why the command does not renew them, and check this machine's clock"
                    }
                    _ => "make the command print a credential_process document, and nothing else, to stdout",
                };
                self.error(BaseFault::Refused, error, help)
            })?;
        let is_temporary = credentials.expiry().is_some() && !credentials.expose_session_token().is_empty();
        if is_vended && !is_temporary {
            return Err(self.error(
                BaseFault::Refused,
                "returned keys without a SessionToken or without an Expiration, which are not vended unchanged",
                "add a role_arn to the profile, or make the command return temporary credentials",
            ));
        }
        Ok(credentials)
    }

    /// Runs the program and returns its stdout if it succeeds.
    async fn run(&self) -> Result<Zeroizing<Vec<u8>>, BaseError> {
        let (program, arguments) =
            self.command.split_first().ok_or_else(|| self.not_started(&io::ErrorKind::NotFound))?;
        let mut command = Command::new(program);
        command.args(arguments).env(ANCESTORS, &self.ancestors).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = Program::start(&mut command).map_err(|error| self.not_started(&error.kind()))?;
        let (stdout, stderr) = program.outputs();
        let mut error_output = Vec::new();
        let (output, ()) =
            tokio::try_join!(async { read_all(stdout).await.map_err(|error| self.not_read(&error)) }, async {
                read_tail(stderr, &mut error_output).await;
                Ok(())
            })?;
        let status = program.wait().await.map_err(|error| self.not_read(&error))?;
        if status.success() {
            return Ok(output);
        }
        let line = match last_line(&error_output) {
            line if line.is_empty() => "nothing on stderr".to_owned(),
            line => line,
        };
        let what = format!("{}: {line}", describe_exit(status));
        Err(self.error(BaseFault::Refused, what, "run the command manually and fix the error that it reports"))
    }

    fn not_started(&self, kind: &io::ErrorKind) -> BaseError {
        let (fault, help) = match kind {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => (
                BaseFault::Configuration,
                "name an executable file by its full path (the command runs without a shell: ~ and variables have no \
                 effect)",
            ),
            _ => (BaseFault::Unavailable, "verify that this machine can start another process"),
        };
        self.error(fault, format!("cannot be started: {kind}"), help)
    }

    fn not_read(&self, error: &io::Error) -> BaseError {
        match error.kind() {
            io::ErrorKind::FileTooLarge => self.error(
                BaseFault::Refused,
                format!("printed more than {MAX_OUTPUT} bytes and was killed"),
                "make the command print a credential_process document, and nothing else, to stdout",
            ),
            kind => {
                self.error(BaseFault::Unavailable, format!("failed: its output cannot be read: {kind}"), "retry later")
            }
        }
    }

    fn error(&self, fault: BaseFault, what: impl std::fmt::Display, help: &'static str) -> BaseError {
        BaseError { what: format!("credential_process of profile {} {what}", self.profile), help, fault }
    }
}

/// Reads the pipe to its end.
///
/// # Errors
/// Returns `FileTooLarge` if the output exceeds [`MAX_OUTPUT`].
async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Zeroizing<Vec<u8>>> {
    // Full capacity from the start: growing would leave copies of secrets in memory.
    let mut output = Zeroizing::new(Vec::with_capacity(MAX_OUTPUT + 1));
    let Some(pipe) = pipe else { return Ok(output) };
    pipe.take(MAX_OUTPUT as u64 + 1).read_to_end(&mut output).await?;
    if output.len() > MAX_OUTPUT { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(output) }
}
