//! The connection between signal handlers and the runtime.

use std::{io, os::unix::net::UnixStream};

/// Returns the non-blocking read end and write end of a socket pair. A signal handler can write to the latter.
pub(super) fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    Ok((reader, writer))
}
