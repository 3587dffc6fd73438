//! Other names of changed files. A watcher tells of a change below the name that it was made through; a file with several
//! names then differs in other directories too, of which nobody said anything.
//!
//! Not here: a name that is made, written through and removed between two scans leaves no trace in any directory; the next
//! full comparison finds what it changed.

use std::collections::HashSet;

use super::targets::Target;
use crate::model::{Entry, EntryKind, RelPath};
use crate::source::Stat;
use crate::tree::{NodeSource, TreeError, TreeKey, TreeReader};

/// What a scan of some directories remembers; a scan of all meets every name by itself.
///
/// Memory: a path for each directory that is asked for.
pub(super) struct Links {
    is_whole: bool,
    /// Inodes with several names that changed or lost one, by filesystem (see [`crate::model::Entry::fs`]) and number.
    changed: HashSet<(Option<u64>, u64)>,
    /// Nothing is asked for twice, so a scan ends.
    asked: HashSet<RelPath>,
}

impl Links {
    pub(super) fn new(is_whole: bool) -> Self {
        Self { is_whole, changed: HashSet::new(), asked: HashSet::new() }
    }

    pub(super) fn changed(&mut self, fs: Option<u64>, stat: &Stat) {
        if !self.is_whole && stat.nlink > 1 && stat.kind != EntryKind::Dir {
            self.changed.insert((fs, stat.ino));
        }
    }

    /// A name that the tree before has is gone: the change may have been made through it.
    pub(super) fn gone(&mut self, entry: &Entry) {
        if !self.is_whole && entry.nlink.is_some() {
            self.changed.insert((entry.fs, entry.ino));
        }
    }

    /// The same for all names below a directory.
    pub(super) fn gone_below<N: NodeSource>(
        &mut self,
        before: &TreeReader<N>,
        dir: &RelPath,
    ) -> Result<(), TreeError<N::Error>> {
        if self.is_whole {
            return Ok(());
        }
        let dir = dir.as_bytes();
        before.visit_from(&TreeKey { dir: dir.to_vec(), name: vec![] }, &mut |key, entry| {
            let Some(rest) = key.dir.strip_prefix(dir) else { return false };
            // names such as `dir-2` sort among those below `dir`
            if rest.first().is_none_or(|byte| *byte == b'/') {
                self.gone(entry);
            }
            true
        })
    }

    /// Directories where the tree before has other names of what changed. Reads the whole tree, but only after a file with several names has changed.
    pub(super) fn targets<N: NodeSource>(
        &mut self,
        before: &TreeReader<N>,
    ) -> Result<Vec<Target>, TreeError<N::Error>> {
        let changed = std::mem::take(&mut self.changed);
        let mut dirs: Vec<Vec<u8>> = Vec::new();
        if !changed.is_empty() {
            before.visit_from(&TreeKey::default(), &mut |key, entry| {
                if changed.contains(&(entry.fs, entry.ino)) && dirs.last() != Some(&key.dir) {
                    dirs.push(key.dir.clone());
                }
                true
            })?;
        }
        let dirs = dirs.into_iter().filter_map(|dir| RelPath::parse(&dir).ok());
        let dirs = dirs.filter(|dir| self.asked.insert(dir.clone()));
        Ok(dirs.map(|dir| Target { dir, recursive: false }).collect())
    }
}
