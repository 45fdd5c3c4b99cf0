//! Small files that hold a secret: read whole, up to a bound, and only where they are files.
//!
//! In: a path and the most bytes that make sense. Out: the text, in memory that is wiped.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _},
    path::Path,
};

use zeroize::Zeroizing;

/// Reads the file at `path`.
///
/// # Errors
/// `InvalidInput` for what is no regular file, which could keep its reader waiting for ever; `FileTooLarge` for more than `most`
/// bytes; `InvalidData` for what is not UTF-8; and whatever the system says.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Zeroizing<String>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    if metadata.len() > most {
        return Err(ErrorKind::FileTooLarge.into());
    }
    // Room for it all and for the read that finds the end: a buffer that grows leaves a copy behind, which nobody wipes.
    let room = usize::try_from(metadata.len()).unwrap_or(0) + 64;
    let mut text = Zeroizing::new(String::with_capacity(room));
    File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    // It may have grown since.
    if text.len() as u64 > most { Err(ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_small_files_are_read() {
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
