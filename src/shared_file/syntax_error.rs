//! Syntax errors of a shared file.

use thiserror::Error;

/// The line for which a file is refused.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("line {line}: {problem}")]
pub(crate) struct SyntaxError {
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong with it.
    pub(crate) problem: Problem,
}

/// What can be wrong with a line. The line itself is never shown: it may hold a secret key.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub(crate) enum Problem {
    /// A property above the first header.
    #[error("a property stands before any section header")]
    OutsideSection,
    /// An indented line with nothing above it to belong to.
    #[error("an indented line has no property above it that it could continue; remove the white space in front")]
    NothingToContinue,
    /// `[name`, or something other than a comment behind `]`.
    #[error("a section header must end with `]`")]
    UnclosedHeader,
    /// A line that is not `name = value`.
    #[error("a property is written `name = value`, and there is no `=`")]
    MissingEquals,
    /// `= value`.
    #[error("there is no name before the `=`")]
    EmptyName,
    /// A value that cannot be text.
    #[error("a value is not UTF-8")]
    NotUtf8,
}
