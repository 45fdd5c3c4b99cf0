//! Settings: the text of flags and environment variables, and the errors in them.

pub(crate) mod environment;
pub(crate) mod errors;
pub(crate) mod file_mode;
pub(crate) mod setting;
