//! Can a spool file be used? What it cannot give any more is read again from its source; what only could not be asked now is
//! no verdict, and the file stays.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use rustix::io::Errno;

use super::UploadError;
use crate::crypto::ObjectHasher;
use crate::model::ObjectHash;

const READ_BUFFER_BYTES: usize = 256 * 1024;

/// The disk says that the bytes are gone, cut off or damaged. Whatever passes by itself, or is a matter of this process (too many
/// open files, no memory, no right), says nothing about them.
pub(super) fn is_verdict(error: &io::Error) -> bool {
    match Errno::from_io_error(error) {
        // of the medium, of the filesystem's own checksums, of its structure
        Some(errno) => matches!(
            errno,
            Errno::NOENT | Errno::IO | Errno::NODATA | Errno::REMOTEIO | Errno::BADMSG | Errno::UCLEAN | Errno::ISDIR
        ),
        None => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof),
    }
}

/// Has it the length that it had?
pub(super) fn is_whole(path: &Path, size: u64) -> Result<bool, UploadError> {
    answered(path, fs::metadata(path).map(|found| found.len() == size))
}

pub(super) fn has_hash(path: &Path, expected: &ObjectHash) -> Result<bool, UploadError> {
    answered(path, hash_of(path).map(|found| found == *expected))
}

fn answered(path: &Path, answer: io::Result<bool>) -> Result<bool, UploadError> {
    match answer {
        Err(error) if is_verdict(&error) => {
            tracing::warn!(path = %path.display(), %error, "a spool file cannot be read; its content is read again");
            Ok(false)
        }
        answer => answer.map_err(|source| UploadError::Spool { path: path.to_path_buf(), source }),
    }
}

fn hash_of(path: &Path) -> io::Result<ObjectHash> {
    let mut file = File::open(path)?;
    let mut hasher = ObjectHasher::new();
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_about_the_bytes_and_not_about_this_process() {
        let of = |errno: Errno| is_verdict(&io::Error::from(errno));
        for errno in [Errno::NOENT, Errno::IO, Errno::NODATA, Errno::BADMSG, Errno::UCLEAN] {
            assert!(of(errno), "{errno:?}");
        }
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::INTR,
            Errno::NOMEM,
            Errno::AGAIN,
            Errno::ACCESS,
            Errno::PERM,
            Errno::NOTCONN,
        ] {
            assert!(!of(errno), "{errno:?}");
        }
        assert!(is_verdict(&io::ErrorKind::UnexpectedEof.into()));
        assert!(!is_verdict(&io::Error::other("something")));
    }

    #[test]
    fn a_file_that_the_kernel_cannot_read_is_of_no_use() {
        // nothing is mapped at its beginning
        let unreadable = Path::new("/proc/self/mem");
        if fs::metadata(unreadable).is_err() {
            eprintln!("skipped: there is no /proc/self/mem");
            return;
        }
        assert_eq!(hash_of(unreadable).unwrap_err().raw_os_error(), Some(Errno::IO.raw_os_error()));
        assert!(!has_hash(unreadable, &ObjectHash([0; ObjectHash::LEN])).unwrap());
        assert!(is_whole(unreadable, 0).unwrap() && !is_whole(unreadable, 1).unwrap());
        assert!(!is_whole(Path::new("/proc/self/none"), 1).unwrap());
    }
}
