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
        // a disk that is thinly provided, or over a network, may say only when it is flushed that there was no room
        Some(Errno::NOSPC | Errno::DQUOT | Errno::ROFS) => true,
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

/// Is it on the disk, so that the bytes which are sent now are those that are read again later, and those of its hash? What the
/// kernel could not write it forgets, and gives old content of the disk instead. It says so once: to flush the file again proves
/// nothing, so that a file of which this was ever untrue must not be used again.
pub(super) fn is_settled(path: &Path) -> Result<bool, UploadError> {
    answered(path, File::open(path).and_then(|file| file.sync_data()).map(|()| true))
}

pub(super) fn has_hash(path: &Path, expected: &ObjectHash) -> Result<bool, UploadError> {
    answered(path, hash_of(path).map(|found| found == *expected))
}

fn answered(path: &Path, answer: io::Result<bool>) -> Result<bool, UploadError> {
    match answer {
        Err(error) if is_verdict(&error) => {
            tracing::warn!(path = %path.display(), %error, "a spool file is not on its disk; its content is read again");
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
    use std::process::Command;

    use super::*;
    use crate::source::testing::Mounted;

    #[test]
    fn a_file_that_reached_the_disk_is_settled_and_one_that_is_missing_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("spooled");
        fs::write(&file, [1; 5000]).unwrap();
        assert!(is_settled(&file).unwrap() && !is_settled(&dir.path().join("missing")).unwrap());
    }

    /// A disk in a file that finds no room: whatever is written is taken, and fails when it is to go to the disk.
    #[test]
    fn what_did_not_reach_the_disk_is_not_settled() {
        let dir = tempfile::tempdir().unwrap();
        let Some(_room) = Mounted::tmpfs_of(dir.path(), c"size=3m") else { return };
        let (image, at) = (dir.path().join("image"), dir.path().join("disk"));
        File::create(&image).unwrap().set_len(64 << 20).unwrap();
        fs::create_dir(&at).unwrap();
        let run = |program: &str, args: &[&str]| {
            Command::new(program).args(args).args([&image, &at]).output().is_ok_and(|done| done.status.success())
        };
        let mkfs = Command::new("mkfs.ext4").args(["-q", "-F", "-O", "^has_journal"]).arg(&image).output();
        if !mkfs.is_ok_and(|done| done.status.success()) || !run("mount", &["-o", "loop"]) {
            eprintln!("skipped: it needs mkfs.ext4 and a loop device");
            return;
        }
        let _disk = Mounted::found(&at);
        let file = at.join("spooled");
        fs::write(&file, vec![1; 8 << 20]).unwrap();
        assert!(is_whole(&file, 8 << 20).unwrap() && !is_settled(&file).unwrap());
    }

    #[test]
    fn a_verdict_is_about_the_bytes_and_not_about_this_process() {
        let of = |errno: Errno| is_verdict(&io::Error::from(errno));
        for errno in [Errno::NOENT, Errno::IO, Errno::NODATA, Errno::BADMSG, Errno::UCLEAN, Errno::NOSPC, Errno::ROFS] {
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
