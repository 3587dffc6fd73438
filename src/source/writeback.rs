//! Writing to the disk begins while there is still something else to do: whoever waits for the disk at the end waits less.

use std::os::fd::{AsRawFd, BorrowedFd};

/// Asks for what was written of a range (`len` 0: up to the end) to go to the disk. Waits for nothing and promises nothing:
/// durability comes from an fsync.
pub fn begin_writeback(file: BorrowedFd<'_>, offset: u64, len: u64) {
    let (offset, len) = (offset.cast_signed(), len.cast_signed());
    // SAFETY: takes no pointers; the descriptor is open as long as `file` is borrowed.
    let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
}
