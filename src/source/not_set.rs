//! What of an inode's metadata could not be set.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::model::{Problem, RelPath};

use super::DestinationError;
use super::apply::Target;
use super::error::metadata_problem;

/// What is there already is not touched without being told to.
pub(super) const AS_ROOT: &str = "restore as root; --overwrite changed corrects what is there already";

/// The problems of one inode. A full disk is none: what was made is not complete, and all others would fail as well.
pub(super) struct NotSet<'a> {
    fd: BorrowedFd<'a>,
    path: &'a RelPath,
    problems: Vec<Problem>,
    full: Option<Errno>,
}

impl<'a> NotSet<'a> {
    pub fn of(target: &Target<'a>) -> Self {
        Self { fd: target.fd, path: target.path, problems: vec![], full: None }
    }

    pub fn add(&mut self, what: &str, errno: Errno) {
        self.add_with(what, errno, remedy(errno));
    }

    pub fn add_with(&mut self, what: &str, errno: Errno, remedy: &'static str) {
        if !self.is_disk_full(errno) {
            self.say(format!("its {what} could not be set: {}", std::io::Error::from(errno)), remedy);
        }
    }

    pub fn say(&mut self, message: String, remedy: &'static str) {
        self.problems.push(metadata_problem(self.path, message, remedy));
    }

    pub fn problems(&mut self) -> &mut Vec<Problem> {
        &mut self.problems
    }

    pub fn path(&self) -> &'a RelPath {
        self.path
    }

    /// The same error says that one file has no room for more, and that the disk has none: then nothing is removed to try again.
    pub fn is_disk_full(&mut self, errno: Errno) -> bool {
        let is_full = errno == Errno::DQUOT || (errno == Errno::NOSPC && has_no_blocks(self.fd));
        if is_full {
            self.full.get_or_insert(errno);
        }
        is_full
    }

    /// An error where the destination is full.
    pub fn finish(self) -> Result<Vec<Problem>, DestinationError> {
        match self.full {
            Some(errno) => Err(DestinationError::new("set the metadata of", self.path.clone(), errno)),
            None => Ok(self.problems),
        }
    }

    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// An attribute takes up to 64 KiB; with less than twice that the disk may be what has no room for it.
const FEW_BYTES: u64 = 128 * 1024;

/// In doubt it is the disk: whoever frees space and goes on loses nothing.
fn has_no_blocks(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatvfs(fd)
        // filesystems without bounds tell of no blocks at all
        .is_ok_and(|disk| disk.f_blocks > 0 && disk.f_bavail.saturating_mul(disk.f_frsize.max(1)) < FEW_BYTES)
}

fn remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::PERM if rustix::process::geteuid().is_root() => {
            "look for flags that forbid it (lsattr; chattr -i -a), then restore again"
        }
        Errno::PERM | Errno::ACCESS => AS_ROOT,
        Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL => "restore to a filesystem of the same type",
        _ => "check the destination's disk",
    }
}
