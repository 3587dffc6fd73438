//! Is a file as the tree before has it? Pure.

use crate::model::{Entry, EntryFlags, EntryKind};
use crate::source::Stat;

/// Flags of entries that are looked at again in any case.
const DOUBTFUL: u32 = EntryFlags::FUZZY | EntryFlags::UNREADABLE | EntryFlags::RACY;

/// Nothing that any change touches differs: every change of content or metadata sets a new ctime. Size, mtime, inode and
/// the rest are compared too, for filesystems that keep ctime loosely.
pub(super) fn is_unchanged(entry: &Entry, stat: &Stat) -> bool {
    let same_size = entry.kind != EntryKind::File || entry.size == stat.size;
    let is_device = matches!(entry.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    entry.kind == stat.kind
        && entry.ctime == stat.ctime
        && entry.mtime == stat.mtime
        && entry.ino == stat.ino
        && entry.mode == stat.mode
        && (entry.uid, entry.gid) == (stat.uid, stat.gid)
        && same_size
        && (!is_device || entry.device == Some(stat.rdev))
        && !is_doubtful(entry)
}

/// Is it looked at again in any case?
pub(super) fn is_doubtful(entry: &Entry) -> bool {
    entry.flags.has(DOUBTFUL)
}
