//! Values that unit tests of several rooms need.

use crate::model::{Entry, EntryFlags, EntryKind, Timestamp};

/// A plain file of a size, without content.
pub fn file_entry(size: u64) -> Entry {
    Entry {
        kind: EntryKind::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        user: None,
        group: None,
        size,
        mtime: Timestamp::default(),
        ctime: Timestamp::default(),
        btime: None,
        ino: size,
        nlink: None,
        fs: None,
        target: None,
        device: None,
        xattrs: None,
        inode_flags: None,
        content: None,
        extents: None,
        flags: EntryFlags::default(),
    }
}
