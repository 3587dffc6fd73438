//! Entries of the tree before that no directory leads to. None are made; an earlier version left some behind a folder that was renamed
//! away and back while it was looked at. A comparison goes from directory to directory and never meets them, so they are looked
//! for on their own.

use std::collections::HashSet;

use crate::model::{EntryKind, RelPath};
use crate::tree::{NodeSource, TreeError, TreeKey, TreeReader};

/// What a scan of everything has met of the tree before.
pub(super) struct Orphans {
    is_whole: bool,
    met: u64,
    /// Directories that were compared though the tree before has none there, and has something below.
    adopted: HashSet<RelPath>,
}

impl Orphans {
    pub(super) fn new(is_whole: bool) -> Self {
        Self { is_whole, met: 0, adopted: HashSet::new() }
    }

    /// `before`: how many entries the tree before has in the directory; it has the directory itself if that `is_known`. The comparison
    /// deals with all of them.
    pub(super) fn compare(&mut self, dir: &RelPath, is_known: bool, before: u64) {
        self.met += before;
        if self.is_whole && !is_known && before > 0 {
            self.adopted.insert(dir.clone());
        }
    }

    /// At the end of the scan: directories below which there are entries, and which are none themselves. Reads the whole tree, but only
    /// where not all of it was met. Asked again it finds nothing.
    pub(super) fn found<N: NodeSource>(&mut self, before: &TreeReader<N>) -> Result<Vec<RelPath>, TreeError<N::Error>> {
        // one more: the root's own entry
        if !std::mem::take(&mut self.is_whole) || self.met + 1 >= before.entries()? {
            return Ok(Vec::new());
        }
        let (mut orphaned, mut failed) = (Vec::new(), None);
        let mut last = Vec::new();
        before.visit_from(&TreeKey::default(), &mut |key, _| {
            if key.dir == last {
                return true;
            }
            last.clone_from(&key.dir);
            match self.is_orphan(&key.dir, before) {
                Ok(dir) => orphaned.extend(dir),
                Err(error) => failed = Some(error),
            }
            failed.is_none()
        })?;
        failed.map_or(Ok(orphaned), Err)
    }

    fn is_orphan<N: NodeSource>(
        &self,
        dir: &[u8],
        before: &TreeReader<N>,
    ) -> Result<Option<RelPath>, TreeError<N::Error>> {
        let dir = RelPath::parse(dir).ok().filter(|dir| !dir.is_root() && !self.adopted.contains(dir));
        let Some(dir) = dir else { return Ok(None) };
        let own = before.get(&TreeKey::of(&dir))?;
        Ok(Some(dir).filter(|_| own.is_none_or(|entry| entry.kind != EntryKind::Dir)))
    }
}
