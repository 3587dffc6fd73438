//! Packs go to the disk while they are still being written, so that the fsync that every pack ends with finds little to
//! do: at the end of a run it would keep both cores waiting, and on a busy disk all the way.

use std::fs::File;

/// Often enough that little is left at the end, seldom enough that the disk gets long writes.
const STEP: u64 = 8 << 20;

/// Begins to write what was not begun yet. Promises nothing: durability comes from the fsync of whoever stores the pack.
#[derive(Default)]
pub(super) struct EarlyWriting {
    begun: u64,
}

impl EarlyWriting {
    /// `written`: length of the file.
    pub fn advance(&mut self, file: &File, written: u64) {
        if written - self.begun >= STEP {
            begin(file, self.begun, written - self.begun);
            self.begun = written;
        }
    }
}

#[cfg(target_os = "linux")]
fn begin(file: &File, offset: u64, len: u64) {
    use std::os::fd::AsRawFd;

    let (offset, len) = (offset.cast_signed(), len.cast_signed());
    // SAFETY: takes no pointers; the descriptor is open as long as `file` is borrowed.
    let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
}

#[cfg(not(target_os = "linux"))]
fn begin(_: &File, _: u64, _: u64) {}
