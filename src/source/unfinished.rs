//! How a restore knows what it made and did not end from what people made.
//!
//! A file is created with the mark as its mode, in the call that creates it, and its own mode is the last thing that it gets. So at
//! every moment of a crash a file under its real name has the mark and is ours, or is complete. A mark of attributes would
//! come a call later than the file; a rename of each file from another name would cost a fifth of the time of small ones
//! (measured: 6 to 8 µs of 30 for each, O_TMPFILE and a link nearly as much, and more where several threads do it).
//!
//! No file of a person has the mark by accident: not by `chmod +t`, which leaves the permissions; a file of which its owner may
//! do nothing, or write to it alone, and which nobody else may touch, is no file that anybody works with, and then it would need
//! the sticky bit too.
//!
//! An ACL changes the mode to what it says itself and leaves the sticky bit. It comes after the times, so what has both and the time
//! of the snapshot is ours as well, and complete but for its mode.
//!
//! Where a mark cannot tell (the file is to have such a mode in the end; a filesystem without modes) and where a rename costs
//! nothing beside the rest, the room `restore` makes files under another name.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::fs::Mode;

use crate::model::{Entry, EntryKind};

use super::Stat;
use super::acl::AccessAcl;

/// Without meaning on a Linux file, and without effect on a directory that is closed to all but its owner.
const STICKY: u32 = 0o1000;
/// A default ACL or a umask may take it away. The owner must have it to set attributes.
const OWNER_WRITES: u32 = 0o200;

/// What a file has until it is complete: nobody can read it.
pub(super) const FILE: Mode = Mode::from_raw_mode(STICKY | OWNER_WRITES);
/// What a directory has until its metadata is applied.
pub(super) const DIR: Mode = Mode::from_raw_mode(STICKY | 0o700);

fn is_file_mark(mode: u32) -> bool {
    mode & 0o7777 & !OWNER_WRITES == STICKY
}

/// Has the directory the mark?
pub(super) fn is_dir_mark(mode: u32) -> bool {
    mode & (STICKY | 0o077) == STICKY
}

/// Would it look unfinished when it is complete?
pub fn looks_unfinished(entry: &Entry) -> bool {
    entry.kind == EntryKind::File && is_file_mark(entry.mode)
}

/// Has it everything but its mode, which its ACL changed?
pub(super) fn is_acl_mark(found: &Stat, entry: &Entry) -> bool {
    let is_marked = |acl: AccessAcl| found.mode == STICKY | acl.mode() && found.mode != entry.mode;
    let has_size = entry.kind != EntryKind::File || found.size == entry.size;
    found.kind == entry.kind && has_size && found.has_time(entry.mtime) && AccessAcl::of(entry).is_some_and(is_marked)
}

impl Stat {
    /// Is it a file that a restore created and did not end? `entry`: what it is to become.
    pub fn is_unfinished(&self, entry: &Entry) -> bool {
        let is_marked = || is_file_mark(self.mode) && !looks_unfinished(entry);
        self.kind == EntryKind::File && self.nlink == 1 && (is_marked() || is_acl_mark(self, entry))
    }
}

/// Does the filesystem keep the mark? Known from the first file on.
#[derive(Debug, Default)]
pub(super) struct Keeping(AtomicBool);

impl Keeping {
    /// `false` until it is known.
    pub fn is_known(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Of a file that was created with the mark.
    pub fn learn(&self, created: impl FnOnce() -> Option<u32>) {
        if !self.is_known() && created().is_some_and(is_file_mark) {
            self.0.store(true, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_do_to_modes_gives_no_mark() {
        for mode in [0o1644, 0o1600, 0o1755, 0o1400, 0o1444, 0o1777, 0o200, 0, 0o1220, 0o5200, 0o3200] {
            assert!(!is_file_mark(mode), "{mode:o}");
        }
        assert!(is_file_mark(FILE.as_raw_mode()) && is_file_mark(STICKY) && is_dir_mark(DIR.as_raw_mode()));
    }

    #[test]
    fn a_filesystem_that_lost_a_mark_is_never_trusted_with_one() {
        let keeping = Keeping::default();
        keeping.learn(|| Some(0o100_644));
        keeping.learn(|| None);
        assert!(!keeping.is_known());
        keeping.learn(|| Some(0o1200));
        assert!(keeping.is_known());
    }
}
