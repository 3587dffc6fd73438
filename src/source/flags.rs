//! Inode flags as chattr knows them: which of them belong into a snapshot, and when a restore may set them.
//!
//! The numbers are those of `<linux/fs.h>`, part of the ABI and of the stored format.

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
