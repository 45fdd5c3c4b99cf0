//! The credvend binary under test.

use std::{env, fs, os::unix::fs::PermissionsExt as _, sync::LazyLock};

/// The environment variable that names a binary to test instead of the one that Cargo built.
const VARIABLE: &str = "CREDVEND_BINARY";

/// Returns the absolute path of the credvend binary under test.
#[track_caller]
pub(crate) fn binary() -> &'static str {
    static BINARY: LazyLock<Result<String, String>> = LazyLock::new(find);
    BINARY.as_deref().unwrap_or_else(|error| panic!("{error}"))
}

fn find() -> Result<String, String> {
    let path = match env::var(VARIABLE) {
        Ok(path) if !path.is_empty() => path,
        Ok(_) | Err(env::VarError::NotPresent) => return Ok(env!("CARGO_BIN_EXE_credvend").to_owned()),
        Err(env::VarError::NotUnicode(_)) => return Err(format!("{VARIABLE} must be UTF-8")),
    };
    let is_executable = fs::metadata(&path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    let absolute = std::path::absolute(&path).ok().and_then(|path| path.into_os_string().into_string().ok());
    absolute
        .filter(|_| is_executable)
        .ok_or_else(|| format!("{VARIABLE}={path} is not an executable file; build it first, or unset {VARIABLE}"))
}
