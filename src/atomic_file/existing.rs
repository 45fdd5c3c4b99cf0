//! A file as it was when it was read, to notice what other processes write to it.

use std::{
    fs::{File, Metadata},
    io::Seek as _,
    os::unix::fs::MetadataExt as _,
};

use zeroize::Zeroizing;

use super::{SETTLE_TIME, wait};
use crate::bounded_file::{self, FifoPolicy, ReadError};

/// Maximum size of a file, in bytes. A larger file is not a credentials file.
pub(super) const MAX_FILE_SIZE: u64 = 1 << 20;

/// Number of times to wait for that.
const MAX_SETTLE_ROUNDS: usize = 20;

/// An open file, and its metadata and content when it was read.
pub(super) struct Existing {
    pub(super) file: File,
    pub(super) metadata: Metadata,
    pub(super) content: Zeroizing<Vec<u8>>,
}

impl Existing {
    /// Reads the rest of a file.
    ///
    /// # Errors
    /// Returns an error if the file is too large or not regular, and the errors of the system calls.
    pub(super) fn read(file: File) -> Result<Self, ReadError> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(ReadError::NotRegular("a device"));
        }
        let content = bounded_file::read_opened(&file, &metadata, MAX_FILE_SIZE, FifoPolicy::Refuse)?;
        Ok(Self { file, metadata, content })
    }

    /// Returns what a process wrote to the file after it was read: a process that had opened the file before it was
    /// replaced does not notice that.
    pub(super) fn content_written_since(self) -> Option<Zeroizing<Vec<u8>>> {
        let state = |metadata: &Metadata| (metadata.size(), metadata.mtime(), metadata.mtime_nsec());
        let mut last = self;
        let mut is_late = false;
        for _ in 0..MAX_SETTLE_ROUNDS {
            let has_changed = state(&last.file.metadata().ok()?) != state(&last.metadata);
            match (has_changed, is_late) {
                (false, false) => return None,
                (false, true) if !last.content.is_empty() => return Some(last.content),
                _ => {}
            }
            is_late = true;
            wait(SETTLE_TIME);
            (&last.file).rewind().ok()?;
            last = Self::read(last.file).ok()?;
        }
        None
    }

    /// Returns true if the file is the same and nobody wrote to it.
    pub(super) fn equals(&self, now: &Self) -> bool {
        let state = |metadata: &Metadata| {
            let modified = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec());
            (metadata.dev(), metadata.ino(), metadata.size(), modified)
        };
        // Compare the content too: the kernel's clock for these times may tick only every few milliseconds.
        state(&self.metadata) == state(&now.metadata) && self.content == now.content
    }
}
