//! Reads small files that contain a secret.
//!
//! Input: the path of a regular file and the maximum size. Output: the text, in memory that is wiped when dropped.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _},
    path::Path,
};

use zeroize::Zeroizing;

/// Reads the file at `path`.
///
/// # Errors
/// Returns `InvalidInput` if `path` is not a regular file, because reading a FIFO or a device may block forever;
/// `FileTooLarge` if the file has more than `max_size` bytes; `InvalidData` if it is not UTF-8; and the errors of the
/// system calls.
pub(crate) fn read(path: &Path, max_size: u64) -> io::Result<Zeroizing<String>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    if metadata.len() > max_size {
        return Err(ErrorKind::FileTooLarge.into());
    }
    // Allocate enough for the whole file and for the read that detects its end: a growing buffer leaves an unwiped copy
    // behind.
    let capacity = usize::try_from(metadata.len()).unwrap_or(0) + 64;
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    File::open(path)?.take(max_size + 1).read_to_string(&mut text)?;
    // The file may have grown since its size was read.
    if text.len() as u64 > max_size { Err(ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_regular_text_files_are_read() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("file");
        std::fs::write(&path, "12345").expect("written");
        assert_eq!(read(&path, 5).expect("read").as_str(), "12345");
        assert_eq!(read(&path, 4).expect_err("too large").kind(), ErrorKind::FileTooLarge);
        assert_eq!(read(directory.path(), 5).expect_err("a directory").kind(), ErrorKind::InvalidInput);
        assert_eq!(read(Path::new("/dev/zero"), 5).expect_err("a device").kind(), ErrorKind::InvalidInput);
        assert_eq!(read(&path.join("x"), 5).expect_err("none").kind(), ErrorKind::NotADirectory);
        std::fs::write(&path, b"\xff").expect("written");
        assert_eq!(read(&path, 5).expect_err("no text").kind(), ErrorKind::InvalidData);
    }
}
