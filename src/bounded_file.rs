//! Reads files completely, with a limit on their size, and without ever waiting for a file that is not regular.
//!
//! Input: a path and the maximum size. Output: the content, in memory that is wiped when dropped. Without these
//! precautions, opening a FIFO would block until somebody writes to it, and reading `/dev/zero` would fill the memory.
//! `/dev/null` reads as an empty file, because SDKs accept it as one.
//!
//! Shells pass the output of a command as a FIFO (`--config <(command)`), so [`FifoPolicy::ReadWithin`] allows FIFOs.

use std::{
    fs::{File, Metadata},
    io::{self, ErrorKind, Read as _},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::Path,
    str,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags, makedev},
};
use zeroize::Zeroizing;

use crate::clock::{Clock as _, SystemClock};

/// Maximum time to wait for the first writer of a FIFO.
const WRITER_TIMEOUT: Duration = Duration::from_secs(2);

/// Size of the first buffer for files whose size is not known, in bytes.
const INITIAL_BUFFER: usize = 16 * 1024;

/// Whether to read a FIFO.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FifoPolicy {
    /// A FIFO is an error, as any other file that is not regular.
    Refuse,
    /// Block the thread until the writer of the FIFO has closed it, for at most this time; for at most
    /// [`WRITER_TIMEOUT`] if there is no writer.
    ReadWithin(Duration),
}

/// Why a file was not read. The text is a clause that follows the path.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("{}", .0.kind())]
    Io(#[from] io::Error),
    /// With the kind of the file, such as `a FIFO`.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// With the limit.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    #[error("it is not valid UTF-8")]
    NotText,
    /// PowerShell writes such files by default.
    #[error("it is UTF-16 text, as PowerShell writes it; save it as UTF-8")]
    Utf16,
    #[error("it is a FIFO without a writer")]
    NoWriter,
    #[error("it is a FIFO whose writer did not close it within {}", humantime::format_duration(*.0))]
    WriterTimeout(Duration),
}

impl ReadError {
    /// Returns true if there is no file at the path.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == ErrorKind::NotFound)
    }
}

/// Reads a file of UTF-8 text.
///
/// # Errors
/// Returns the errors of [`read_bytes`], and an error if the content is not UTF-8.
pub(crate) fn read_text(path: &Path, max_size: u64, fifos: FifoPolicy) -> Result<Zeroizing<String>, ReadError> {
    into_text(read_bytes(path, max_size, fifos)?)
}

/// Returns the content of a file as text.
///
/// # Errors
/// Returns an error if it is not UTF-8.
pub(crate) fn into_text(mut bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, ReadError> {
    if is_utf16(&bytes) {
        return Err(ReadError::Utf16);
    }
    // Check first: an error of `from_utf8` owns the bytes and does not wipe them.
    str::from_utf8(&bytes).map_err(|_| ReadError::NotText)?;
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|_| ReadError::NotText)
}

/// Returns true for UTF-16 text with a byte order mark, or that starts with an ASCII character.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => true,
        [first, second, ..] => (*first == 0) != (*second == 0),
        _ => false,
    }
}

/// Reads a file.
///
/// # Errors
/// Returns the errors of [`open`] and [`read_opened`].
pub(crate) fn read_bytes(path: &Path, max_size: u64, fifos: FifoPolicy) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let (file, metadata) = open(path)?;
    read_opened(&file, &metadata, max_size, fifos)
}

/// Opens a file of any kind for [`read_opened`], without waiting. Returns the metadata of the opened file: another file can
/// take its place at the path at any time.
///
/// # Errors
/// Returns an error if the file cannot be opened.
pub(crate) fn open(path: &Path) -> Result<(File, Metadata), ReadError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => {
            let file = File::from(file);
            let metadata = file.metadata()?;
            Ok((file, metadata))
        }
        // Sockets, and devices without a driver.
        Err(rustix::io::Errno::NXIO) => Err(ReadError::NotRegular("a socket or a device")),
        Err(error) => Err(ReadError::Io(error.into())),
    }
}

/// Reads an opened file.
///
/// # Errors
/// Returns an error if the file has more than `max_size` bytes, cannot be read, or is neither regular nor a FIFO that
/// `fifos` allows.
pub(crate) fn read_opened(
    file: &File,
    metadata: &Metadata,
    max_size: u64,
    fifos: FifoPolicy,
) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let file_type = metadata.file_type();
    match fifos {
        _ if file_type.is_file() => read_regular(file, metadata.len(), max_size),
        _ if is_null_device(metadata) => Ok(Zeroizing::default()),
        FifoPolicy::ReadWithin(timeout) if file_type.is_fifo() => read_fifo(file, max_size, timeout),
        _ => Err(ReadError::NotRegular(kind(metadata))),
    }
}

/// Checks that a file is regular or the null device. Opening another device may have an effect of its own.
///
/// # Errors
/// Returns an error with the kind of the file.
pub(crate) fn require_regular(metadata: &Metadata) -> Result<(), ReadError> {
    let is_accepted = metadata.is_file() || is_null_device(metadata);
    if is_accepted { Ok(()) } else { Err(ReadError::NotRegular(kind(metadata))) }
}

fn is_null_device(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == makedev(1, 3)
}

fn kind(metadata: &Metadata) -> &'static str {
    let file_type = metadata.file_type();
    match () {
        () if file_type.is_dir() => "a directory",
        () if file_type.is_fifo() => "a FIFO",
        () if file_type.is_socket() => "a socket",
        () => "a device",
    }
}

fn read_regular(file: &File, size: u64, max_size: u64) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    if size > max_size {
        return Err(ReadError::TooLarge(max_size));
    }
    // One byte more than the size, for the read that detects the end.
    let mut buffer = Buffer::new(usize::try_from(size).unwrap_or(0) + 1, max_size);
    while buffer.read_from(file)? > 0 {}
    Ok(buffer.into_bytes())
}

fn read_fifo(file: &File, max_size: u64, timeout: Duration) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let clock = SystemClock::new();
    let start = clock.now();
    let mut buffer = Buffer::new(INITIAL_BUFFER, max_size);
    let mut has_writer = false;
    loop {
        match buffer.read_from(file) {
            // Without a writer, a FIFO appears to be at its end.
            Ok(0) if has_writer => return Ok(buffer.into_bytes()),
            Ok(0) => {}
            Ok(_) => {
                has_writer = true;
                continue;
            }
            Err(ReadError::Io(error)) if error.kind() == ErrorKind::WouldBlock => has_writer = true,
            Err(error) => return Err(error),
        }
        let limit = if has_writer { timeout } else { timeout.min(WRITER_TIMEOUT) };
        let left = limit.saturating_sub(clock.now().monotonic.saturating_sub(start.monotonic));
        if left.is_zero() {
            return Err(if has_writer { ReadError::WriterTimeout(timeout) } else { ReadError::NoWriter });
        }
        // The writer came and has gone.
        has_writer |= wait(file, left)?.contains(PollFlags::HUP);
    }
}

/// Waits until the file can be read or its writer has closed it, for at most `timeout`.
fn wait(file: &impl AsFd, timeout: Duration) -> Result<PollFlags, ReadError> {
    let mut files = [PollFd::new(file, PollFlags::IN)];
    match poll(&mut files, Timespec::try_from(timeout).ok().as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(files[0].revents()),
        Err(error) => Err(ReadError::Io(error.into())),
    }
}

/// A growing buffer that leaves no unwiped copy of its content behind.
struct Buffer {
    /// The content, and zeros up to the end.
    bytes: Zeroizing<Vec<u8>>,
    length: usize,
    max_size: u64,
}

impl Buffer {
    fn new(capacity: usize, max_size: u64) -> Self {
        Self { bytes: Zeroizing::new(vec![0; capacity]), length: 0, max_size }
    }

    /// Reads once and returns the number of bytes; 0 at the end of the file.
    fn read_from(&mut self, mut file: &File) -> Result<usize, ReadError> {
        if self.length == self.bytes.len() {
            let mut larger = Zeroizing::new(vec![0; (self.length * 2).max(INITIAL_BUFFER)]);
            larger[..self.length].copy_from_slice(&self.bytes);
            self.bytes = larger;
        }
        let count = loop {
            match file.read(&mut self.bytes[self.length..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.length += count;
        // The file may have grown since its size was read.
        if self.length as u64 > self.max_size { Err(ReadError::TooLarge(self.max_size)) } else { Ok(count) }
    }

    fn into_bytes(mut self) -> Zeroizing<Vec<u8>> {
        self.bytes.truncate(self.length);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, os::unix::net::UnixListener, path::PathBuf, thread};

    use super::*;

    const FIFO: FifoPolicy = FifoPolicy::ReadWithin(Duration::from_secs(30));

    fn read(path: &Path, max_size: u64) -> Result<Zeroizing<String>, ReadError> {
        read_text(path, max_size, FifoPolicy::Refuse)
    }

    fn fifo(directory: &Path) -> PathBuf {
        use rustix::fs::{CWD, FileType, mknodat};
        let path = directory.join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
        path
    }

    #[test]
    fn only_small_regular_text_files_are_read() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("file");
        fs::write(&path, "12345").expect("written");
        assert_eq!(read(&path, 5).expect("read").as_str(), "12345");
        assert_eq!(read(&path, 4).expect_err("too large").to_string(), "it is larger than 4 bytes");
        assert!(
            read(&path.join("x"), 5).is_err() && read(&directory.path().join("x"), 5).is_err_and(|e| e.is_not_found())
        );
        fs::write(&path, b"\xff").expect("written");
        assert_eq!(read(&path, 5).expect_err("no text").to_string(), "it is not valid UTF-8");
        for utf16 in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"a\0b\0", b"\0a\0b"] {
            fs::write(&path, utf16).expect("written");
            assert!(read(&path, 5).expect_err("UTF-16").to_string().starts_with("it is UTF-16 text"));
        }
        assert_eq!(read(Path::new("/dev/null"), 5).expect("empty").as_str(), "");
        // The metadata of such a file says that it is empty.
        assert!(read(Path::new("/proc/self/status"), 1 << 20).expect("read").contains("\nVmSize:"));
    }

    #[test]
    fn files_that_are_not_regular_are_refused_at_once_by_their_kind() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let socket = directory.path().join("socket");
        let _listener = UnixListener::bind(&socket).expect("a socket");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("a link");
        for (path, kind) in [
            (fifo(directory.path()), "a FIFO"),
            (directory.path().to_owned(), "a directory"),
            (link, "a device"),
            ("/dev/full".into(), "a device"),
            (socket, "a socket or a device"),
        ] {
            let error = read(&path, 5).expect_err(kind);
            assert_eq!(error.to_string(), format!("it is {kind}, not a regular file"));
        }
    }

    #[test]
    fn fifo_is_read_until_its_writer_closes_it() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = fifo(directory.path());
        let (half, whole) = ("x".repeat(40_000), "x".repeat(80_000));
        thread::scope(|scope| {
            let reader = scope.spawn(|| read_text(&path, 80_000, FIFO));
            let mut writer = File::options().write(true).open(&path).expect("a reader");
            writer.write_all(half.as_bytes()).expect("read");
            writer.write_all(half.as_bytes()).expect("read");
            drop(writer);
            assert!(*reader.join().expect("no panic").expect("read") == whole);
        });
        thread::scope(|scope| {
            let reader = scope.spawn(|| read_text(&path, 79_999, FIFO));
            let mut writer = File::options().write(true).open(&path).expect("a reader");
            // Fails if the reader has gone.
            let _ = writer.write_all(whole.as_bytes());
            assert!(matches!(reader.join().expect("no panic"), Err(ReadError::TooLarge(79_999))));
        });
    }

    #[test]
    fn fifo_without_a_writer_or_without_an_end_is_given_up() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = fifo(directory.path());
        let policy = FifoPolicy::ReadWithin(Duration::from_millis(20));
        assert!(matches!(read_text(&path, 5, policy), Err(ReadError::NoWriter)));
        let _silent_writer = File::options().read(true).write(true).open(&path).expect("opened");
        let error = read_text(&path, 5, policy).expect_err("no end");
        assert_eq!(error.to_string(), "it is a FIFO whose writer did not close it within 20ms");
    }
}
