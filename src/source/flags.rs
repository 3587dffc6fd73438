//! Inode flags as chattr knows them: which of them belong into a snapshot, and when a restore may set them.
//!
//! The numbers are those of `<linux/fs.h>`, part of the ABI and of the stored format.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::model::Entry;

use super::not_set::NotSet;
use super::{Stat, linux};

const SECURE_DELETE: u32 = 0x1;
const UNDELETE: u32 = 0x2;
const COMPRESS: u32 = 0x4;
const SYNC: u32 = 0x8;
const IMMUTABLE: u32 = 0x10;
const APPEND: u32 = 0x20;
const NODUMP: u32 = 0x40;
const NOATIME: u32 = 0x80;
const NO_COMPRESS: u32 = 0x400;
const JOURNAL_DATA: u32 = 0x4000;
const NO_TAIL: u32 = 0x8000;
const DIR_SYNC: u32 = 0x1_0000;
const TOP_DIR: u32 = 0x2_0000;
const NO_COW: u32 = 0x80_0000;
const DAX: u32 = 0x200_0000;
const PROJECT_INHERIT: u32 = 0x2000_0000;

/// They forbid any further change: set when everything else is done.
pub(super) const PROTECTING: u32 = IMMUTABLE | APPEND;

/// What a user may set. The others (extents, encrypted, indexed, inline …) say how the filesystem stores the inode.
pub(super) const RESTORABLE: u32 = PROTECTING
    | SECURE_DELETE
    | UNDELETE
    | COMPRESS
    | SYNC
    | NODUMP
    | NOATIME
    | NO_COMPRESS
    | JOURNAL_DATA
    | NO_TAIL
    | DIR_SYNC
    | TOP_DIR
    | NO_COW
    | DAX
    | PROJECT_INHERIT;

/// The part of FS_IOC_GETFLAGS that a snapshot keeps; `None` when nothing is set.
pub(super) fn to_store(raw: u32) -> Option<u32> {
    Some(raw & RESTORABLE).filter(|flags| *flags != 0)
}

/// The part of FS_IOC_GETFLAGS that what is created in a directory may get of it; `None` when nothing is set.
pub(super) fn to_bequeath(raw: u32) -> Option<u32> {
    to_store(raw & !TOP_DIR)
}

/// Are flags others than those of the entry, but for what is set when all else is done? `None`: they cannot be read.
pub(super) fn differ(fd: BorrowedFd<'_>, entry: &Entry) -> Option<bool> {
    let raw = linux::inode_flags(fd).ok()?.unwrap_or(0);
    Some(are_others(raw, entry.inode_flags.unwrap_or(0)))
}

fn are_others(raw: u32, wanted: u32) -> bool {
    let (missing, more) = (wanted & !raw & !PROTECTING, raw & !wanted & GIVEN);
    missing | more != 0
}

/// Nothing but a person or a program sets them; others a filesystem gives by itself (btrfs: no compression for what did not get
/// smaller, no copy-on-write by a mount option).
const GIVEN: u32 = PROTECTING | SECURE_DELETE | UNDELETE | SYNC | NODUMP | NOATIME | DIR_SYNC;

impl Stat {
    /// Do its flags forbid changes?
    pub fn is_protected(&self) -> bool {
        self.immutable || self.append_only
    }

    /// Is a flag missing that forbids changes? `true` in doubt.
    pub fn lacks_protection(&self, entry: &Entry) -> bool {
        let wanted = entry.inode_flags.unwrap_or(0) & PROTECTING;
        (wanted & IMMUTABLE != 0 && !self.immutable) || (wanted & APPEND != 0 && !self.append_only)
    }
}

/// Takes the flags away that forbid changes, and tells which they were.
pub(super) fn unprotect(fd: BorrowedFd<'_>) -> Result<u32, Errno> {
    let Some(before) = linux::inode_flags(fd)? else { return Ok(0) };
    if before & PROTECTING != 0 {
        linux::set_inode_flags(fd, before & !PROTECTING)?;
    }
    Ok(before & PROTECTING)
}

/// Lets ext4 spread the directories in this one over its block groups, as it does with those of its own root, until the flags of
/// the directory are set. Else it puts them all as near to it as it can, and looks there for a free inode from the first one on:
/// without a journal past each that was freed in the last minutes, and a restore often follows on a mistaken deletion of as many
/// files (48,000 of them: 1.7 s instead of 6.4). A hint: where it is not understood nothing is lost.
pub(super) fn spread_below(dir: BorrowedFd<'_>) {
    if let Ok(Some(before)) = linux::inode_flags(dir) {
        let _ = linux::set_inode_flags(dir, before | TOP_DIR);
    }
}

/// Makes the restorable flags (but the protecting ones) exactly `wanted`; those of the filesystem stay.
pub(super) fn set(fd: BorrowedFd<'_>, wanted: u32, not_set: &mut NotSet<'_>) {
    change(fd, RESTORABLE & !PROTECTING, wanted, not_set);
}

/// Adds flags, leaving all others.
pub(super) fn add(fd: BorrowedFd<'_>, wanted: u32, not_set: &mut NotSet<'_>) {
    change(fd, wanted, wanted, not_set);
}

/// Makes the flags in `mask` those of `wanted`. Reads them again: filesystems drop without an error what they ignore.
fn change(fd: BorrowedFd<'_>, mask: u32, wanted: u32, not_set: &mut NotSet<'_>) {
    let outcome = linux::inode_flags(fd).and_then(|before| {
        let Some(before) = before else { return Ok(0) };
        if before & mask == wanted {
            return Ok(wanted);
        }
        set_what_is_possible(fd, before, mask, wanted);
        Ok(linux::inode_flags(fd)?.unwrap_or(0) & mask)
    });
    match outcome {
        Ok(now) if now == wanted => {}
        Ok(now) => not_set.say(
            format!("its inode flags became {now:#x} instead of {wanted:#x}"),
            "restore as root (--overwrite changed corrects what is there already), to a filesystem of the same type",
        ),
        Err(errno) => not_set.add("inode flags", errno),
    }
}

/// One flag that a filesystem does not know makes the whole call fail: then each one is tried alone.
fn set_what_is_possible(fd: BorrowedFd<'_>, before: u32, mask: u32, wanted: u32) {
    if linux::set_inode_flags(fd, before & !mask | wanted).is_ok() {
        return;
    }
    let mut reached = before;
    for bit in (0..u32::BITS).map(|shift| 1 << shift).filter(|bit| (before ^ wanted) & mask & bit != 0) {
        if linux::set_inode_flags(fd, reached ^ bit).is_ok() {
            reached ^= bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_filesystem_sets_by_itself_and_what_comes_last_is_no_difference() {
        assert!(!are_others(NO_COMPRESS | NO_COW, 0) && !are_others(0, IMMUTABLE) && !are_others(NODUMP, NODUMP));
        assert!(are_others(NODUMP, 0) && are_others(IMMUTABLE, 0) && are_others(0, NO_COW));
    }
}
