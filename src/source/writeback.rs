//! Writing to the disk begins while there is still something else to do: whoever waits for the disk at the end waits less.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// Asks for what was written of a range (`len` 0: up to the end) to go to the disk. Promises nothing: durability comes from an
/// fsync. Does not wait for writing to end, but may for room in the queue of a busy device.
///
/// An error is told where data was lost: a filesystem that could give it no place may have told so to this call alone.
/// Where the call is not known nothing happens.
pub fn begin_writeback(file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<(), Errno> {
    let (offset, len) = (offset.cast_signed(), len.cast_signed());
    // SAFETY: takes no pointers; the descriptor is open as long as `file` is borrowed.
    let begun = unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
    if begun == 0 {
        return Ok(());
    }
    of_data(Errno::from_io_error(&std::io::Error::last_os_error()))
}

fn of_data(error: Option<Errno>) -> Result<(), Errno> {
    match error {
        Some(error @ (Errno::IO | Errno::NOSPC | Errno::DQUOT | Errno::ROFS)) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn only_what_speaks_of_lost_data_is_an_error() {
        assert_eq!(of_data(Some(Errno::NOSPC)), Err(Errno::NOSPC));
        assert_eq!((of_data(Some(Errno::INVAL)), of_data(Some(Errno::NOSYS)), of_data(None)), (Ok(()), Ok(()), Ok(())));
        let (reader, _writer) = std::io::pipe().unwrap();
        assert_eq!(begin_writeback(reader.as_fd(), 0, 0), Ok(()), "a pipe has no place on a disk");
        let file = tempfile::tempfile().unwrap();
        assert_eq!(begin_writeback(file.as_fd(), 0, 0), Ok(()));
    }
}
