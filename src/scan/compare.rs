//! Is a file as the tree before has it? Pure.

use crate::model::{Entry, EntryFlags, EntryKind};
use crate::source::Stat;

/// Flags of entries that are looked at again in any case.
const DOUBTFUL: u32 = EntryFlags::FUZZY | EntryFlags::UNREADABLE | EntryFlags::RACY;

/// Is it as the tree before has it, and nothing in doubt?
pub(super) fn is_unchanged(entry: &Entry, stat: &Stat) -> bool {
    looks_the_same(entry, stat) && !is_doubtful(entry)
}

/// Nothing that any change touches differs: every change of content or metadata sets a new ctime. Size, mtime, inode and
/// the rest are compared too, for filesystems that keep ctime loosely.
pub(super) fn looks_the_same(entry: &Entry, stat: &Stat) -> bool {
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
}

/// Is it looked at again in any case?
pub fn is_doubtful(entry: &Entry) -> bool {
    entry.flags.has(DOUBTFUL) || lacks_content(entry)
}

/// A file that was empty when it was looked at and not when its entry was made: an earlier version stored such.
fn lacks_content(entry: &Entry) -> bool {
    entry.kind == EntryKind::File && entry.size > 0 && entry.content.is_none() && entry.extents.is_none()
}

/// The mount point of a filesystem whose content is not here. The times of its top are of that content: what is done there is no
/// change of the root, and nothing tells of it.
pub(super) fn is_same_mount_point(entry: &Entry, stat: &Stat) -> bool {
    entry.kind == EntryKind::Dir
        && stat.kind == EntryKind::Dir
        && entry.flags.has(EntryFlags::NOT_COVERED)
        && entry.mode == stat.mode
        && (entry.uid, entry.gid) == (stat.uid, stat.gid)
}
