//! Asking the kernel to write to the disk now: of what is written here so that whoever waits for the disk at the end waits less, of
//! what is read so that later stores show.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// Asks for what was written of a range (`len` 0: up to the end) to go to the disk. Promises nothing: durability comes from an
/// fsync. Does not wait for writing to end, but may for room in the queue of a busy device.
///
/// An error is told where data was lost: a filesystem that could give it no place may have told so to this call alone.
/// Where the call is not known nothing happens.
pub fn begin_writeback(file: BorrowedFd<'_>, offset: u64, len: u64) -> Result<(), Errno> {
    of_data(sync_range(file, offset, len, libc::SYNC_FILE_RANGE_WRITE).err())
}

/// Every store through a mapping of the file shows in its times from now on. Only the first store into a page since it began to go to
/// the disk is seen by the kernel; later ones, for half a minute or more, change content and no time. What is on its way to the
/// disk already may have been stored into since, so that is waited for.
///
/// Where nothing goes to a disk (tmpfs), and where the call is not known, all is as before.
pub(super) fn expose_stores(file: BorrowedFd<'_>) {
    // an error is one of writing, which is not asked about here
    let _ = sync_range(file, 0, 0, libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE);
}

fn sync_range(file: BorrowedFd<'_>, offset: u64, len: u64, how: libc::c_uint) -> Result<(), Errno> {
    let (offset, len) = (offset.cast_signed(), len.cast_signed());
    // SAFETY: takes no pointers; the descriptor is open as long as `file` is borrowed.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, how) } {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
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
