//! The failure of a command, and the exit codes.

use std::{fmt, process::ExitCode};

use crate::{
    app::SetupError,
    chain::error::{BaseFault, ProviderError},
    observe::telemetry::LogOutput,
    settings::errors::ConfigErrors,
    sink::SinkError,
    sts::recovery::Recovery,
};

/// The failure of a command: its exit code, and a one-line message that says what failed, where, and what to do.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(super) code: Exit,
    pub(super) line: String,
}

/// The exit codes other than 0. README.md lists them for users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Any other error. For `health`: not ready.
    Other = 1,
    /// A usage or configuration error.
    Usage = 2,
    /// The token is missing, unreadable, malformed or expired.
    Token = 3,
    /// STS, or another base of the chain, refused the request.
    Refused = 4,
    /// STS, or another base of the chain, was not reached or did not respond in time.
    Unavailable = 5,
    /// A sink could not be written or bound.
    Sink = 6,
    /// `exec` cannot run the program.
    CommandNotExecutable = 126,
    /// `exec` does not find the program.
    CommandNotFound = 127,
}

impl CommandError {
    pub(crate) fn new(code: Exit, line: impl fmt::Display) -> Self {
        Self { code, line: line.to_string() }
    }

    /// Writes the failure as the last line on stderr, and returns the exit code.
    pub(super) fn report(&self, output: &LogOutput) -> ExitCode {
        let code = self.code as u8;
        output.last_line(&self.line, code);
        code.into()
    }
}

impl From<ConfigErrors> for CommandError {
    fn from(errors: ConfigErrors) -> Self {
        Self::new(Exit::Usage, errors)
    }
}

impl From<SinkError> for CommandError {
    fn from(error: SinkError) -> Self {
        Self::new(Exit::Sink, error)
    }
}

impl From<SetupError> for CommandError {
    fn from(error: SetupError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

impl From<ProviderError> for CommandError {
    fn from(error: ProviderError) -> Self {
        Self::new(Exit::of(&error), error)
    }
}

impl Exit {
    pub(super) fn of(error: &ProviderError) -> Self {
        match error {
            ProviderError::Token(error) if error.is_planted() => Self::Sink,
            ProviderError::Token(_) => Self::Token,
            ProviderError::Refused { recovery: Recovery::ReloadToken, .. } => Self::Token,
            ProviderError::Refused { .. } | ProviderError::ShortLived { .. } => Self::Refused,
            ProviderError::Unavailable { .. } => Self::Unavailable,
            ProviderError::Base { error, .. } => match error.fault {
                BaseFault::Configuration => Self::Usage,
                BaseFault::Token => Self::Token,
                BaseFault::Planted => Self::Sink,
                BaseFault::Refused => Self::Refused,
                BaseFault::Unavailable => Self::Unavailable,
            },
        }
    }
}
