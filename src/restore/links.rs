//! Hard links: names that were one file become one file again.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::model::{Entry, EntryKind, FileId, Timestamp};
use crate::source::LinkSource;

/// What names of one file have in common. Beside the inode it is what they look like: names that were read at different
/// times and differ, or a hostile tree that calls two files one, are restored as the files that they are.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct LinkKey {
    fs: Option<u64>,
    ino: u64,
    kind: EntryKind,
    size: u64,
    mtime: Timestamp,
    content: Option<FileId>,
    target: Option<Vec<u8>>,
}

impl LinkKey {
    /// `None` for what has one name.
    pub fn of(entry: &Entry) -> Option<Self> {
        let is_linked = entry.kind != EntryKind::Dir && entry.nlink.is_some_and(|n| n > 1);
        is_linked.then(|| Self {
            fs: entry.fs,
            ino: entry.ino,
            kind: entry.kind,
            size: entry.size,
            mtime: entry.mtime,
            content: entry.content.as_ref().map(|content| content.id()),
            target: entry.target.clone(),
        })
    }
}

/// The first names that are complete.
#[derive(Default)]
pub(super) struct LinkGroups(Mutex<HashMap<LinkKey, LinkSource>>);

impl LinkGroups {
    pub fn put(&self, key: LinkKey, source: LinkSource) {
        self.0.lock().expect("nothing panics while it is held").insert(key, source);
    }

    pub fn find(&self, key: &LinkKey) -> Option<LinkSource> {
        self.0.lock().expect("nothing panics while it is held").get(key).cloned()
    }
}
