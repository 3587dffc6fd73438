//! The mount table: a mount hides what was there and an unmount shows it, and neither is told by the directories.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use super::hint::Reason;
use crate::model::Mount;

/// `/proc/self/mountinfo`, which a poll for priority data tells changes of.
pub(super) struct Mounts {
    file: File,
    /// Mount id → mount point.
    known: BTreeMap<u64, PathBuf>,
}

impl Mounts {
    pub(super) fn open() -> io::Result<Self> {
        let mut mounts = Self { file: File::open("/proc/self/mountinfo")?, known: BTreeMap::new() };
        mounts.changes()?;
        Ok(mounts)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Mount points that came or went since the last call.
    pub(super) fn changes(&mut self) -> io::Result<Vec<(PathBuf, Reason)>> {
        let mut text = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut text)?;
        let now = Mount::parse_table(&text).into_iter().map(|mount| (mount.id, mount.mount_point)).collect();
        let before = std::mem::replace(&mut self.known, now);
        let missing = |here: &BTreeMap<u64, PathBuf>, there: &BTreeMap<u64, PathBuf>, reason| {
            let gone = here.iter().filter(|(id, path)| there.get(id) != Some(path));
            gone.map(|(_, path)| (path.clone(), reason)).collect::<Vec<_>>()
        };
        let mut changes = missing(&before, &self.known, Reason::Unmounted);
        changes.extend(missing(&self.known, &before, Reason::Mounted));
        Ok(changes)
    }
}

/// Where a changed mount point lies in relation to a root.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Relation<'a> {
    /// The root is the mount point or lies below it.
    AtOrAbove,
    /// Below the root, at this path.
    Within(&'a Path),
    Elsewhere,
}

pub(super) fn relation<'a>(mount_point: &'a Path, root: &Path) -> Relation<'a> {
    if root.starts_with(mount_point) {
        return Relation::AtOrAbove;
    }
    mount_point.strip_prefix(root).map_or(Relation::Elsewhere, Relation::Within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_look_at_whole_components() {
        let root = Path::new("/a/b");
        assert_eq!(relation(Path::new("/a"), root), Relation::AtOrAbove);
        assert_eq!(relation(Path::new("/a/b"), root), Relation::AtOrAbove);
        assert_eq!(relation(Path::new("/a/b/c"), root), Relation::Within(Path::new("c")));
        assert_eq!(relation(Path::new("/a/bc"), root), Relation::Elsewhere);
    }
}
