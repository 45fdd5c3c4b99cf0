//! Syntax errors of a shared file.

use thiserror::Error;

/// The first invalid line of a file.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("line {line}: {problem}")]
pub(crate) struct SyntaxError {
    /// Line number, from 1.
    pub(crate) line: usize,
    pub(crate) problem: Problem,
}

/// Why a line is invalid. Messages never show the line because it may contain a secret key.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub(crate) enum Problem {
    #[error("the file is UTF-16 text, as PowerShell writes it; save it as UTF-8")]
    Utf16,
    #[error("there is a property before the first section header")]
    OutsideSection,
    #[error("there is no property above the indented line that it could continue; remove the leading white space")]
    NothingToContinue,
    /// The `]` is missing, or text other than a comment follows it.
    #[error("a section header must end with `]`")]
    UnclosedHeader,
    #[error("there is no `=` in the line; write a property as `name = value`")]
    MissingEquals,
    #[error("there is no name before the `=`")]
    EmptyName,
    #[error("the value is not valid UTF-8")]
    NotUtf8,
}
