//! Packs go to the disk while they are still being written, so that the fsync that every pack ends with finds little to
//! do: at the end of a run it would keep both cores waiting, and on a busy disk all the way.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use crate::source::begin_writeback;

/// Often enough that little is left at the end, seldom enough that the disk gets long writes.
const STEP: u64 = 8 << 20;

/// Begins to write what was not begun yet. Promises nothing: durability comes from the fsync of whoever stores the pack.
#[derive(Default)]
pub(super) struct EarlyWriting {
    begun: u64,
}

impl EarlyWriting {
    /// `written`: length of the file.
    pub fn advance(&mut self, file: &File, written: u64) -> io::Result<()> {
        if written - self.begun >= STEP {
            begin_writeback(file.as_fd(), self.begun, written - self.begun)?;
            self.begun = written;
        }
        Ok(())
    }
}
