//! Hints that wait to be handed on: one for each directory, in bounded memory.

use std::collections::{BTreeMap, BTreeSet};

use super::hint::{Hint, Names, Reason, RootKey};
use crate::model::RelPath;

/// The batch that is being gathered.
#[derive(Default, Debug)]
pub(super) struct Pending {
    dirs: BTreeMap<(RootKey, RelPath), Waiting>,
    name_bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    recursive: bool,
    names: Names,
    reason: Reason,
}

impl Pending {
    /// With so many directories a batch goes out at once.
    const MAX_DIRS: usize = 1_000;
    /// With so many bytes of names too: 1,000 directories of 256 long names would be 64 MiB.
    const MAX_NAME_BYTES: usize = 1 << 20;

    /// A child of `dir` may have changed.
    pub(super) fn name(&mut self, root: RootKey, dir: RelPath, name: &[u8], reason: Reason) {
        let waiting = self.entry(root, dir, reason);
        let grown = waiting.names.add(name);
        self.name_bytes += grown;
    }

    /// The directory itself may have changed, not its children.
    pub(super) fn itself(&mut self, root: RootKey, dir: RelPath, reason: Reason) {
        self.entry(root, dir, reason);
    }

    /// Everything in and below `dir` may have changed.
    pub(super) fn recursive(&mut self, root: RootKey, dir: RelPath, reason: Reason) {
        let waiting = self.entry(root, dir, reason);
        waiting.recursive = true;
        waiting.names = Names::All;
    }

    fn entry(&mut self, root: RootKey, dir: RelPath, reason: Reason) -> &mut Waiting {
        let fresh = || Waiting { recursive: false, names: Names::Only(BTreeSet::new()), reason };
        let waiting = self.dirs.entry((root, dir)).or_insert_with(fresh);
        waiting.reason = waiting.reason.max(reason);
        waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.dirs.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.dirs.len() >= Self::MAX_DIRS || self.name_bytes >= Self::MAX_NAME_BYTES
    }

    /// The batch, without what a recursive hint above already covers. Ancestors come before descendants.
    pub(super) fn take(&mut self) -> Vec<Hint> {
        let Self { dirs, .. } = std::mem::take(self);
        let recursive: BTreeSet<(RootKey, RelPath)> =
            dirs.iter().filter(|(_, waiting)| waiting.recursive).map(|(place, _)| place.clone()).collect();
        let keep = |place: &(RootKey, RelPath)| !has_ancestor(&recursive, place);
        dirs.into_iter().filter(|(place, _)| keep(place)).map(|((root, dir), w)| w.into_hint(root, dir)).collect()
    }
}

impl Waiting {
    fn into_hint(self, root: RootKey, dir: RelPath) -> Hint {
        Hint { root, dir, recursive: self.recursive, names: self.names, reason: self.reason }
    }
}

fn has_ancestor(recursive: &BTreeSet<(RootKey, RelPath)>, (root, dir): &(RootKey, RelPath)) -> bool {
    if recursive.is_empty() {
        return false;
    }
    let above = std::iter::successors(dir.parent(), RelPath::parent);
    above.into_iter().any(|parent| recursive.contains(&(*root, parent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: RootKey = RootKey(1);

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_recursive_hint_absorbs_what_is_below_and_nothing_beside() {
        let mut pending = Pending::default();
        pending.name(ROOT, path("a/b/c"), b"file", Reason::Event);
        pending.recursive(ROOT, path("a"), Reason::MovedIn);
        pending.name(ROOT, path("a-b"), b"file", Reason::Event);
        pending.name(RootKey(2), path("a/b"), b"file", Reason::Event);
        let dirs: Vec<_> = pending.take().into_iter().map(|h| (h.root.0, h.dir, h.recursive)).collect();
        assert_eq!(dirs, [(1, path("a"), true), (1, path("a-b"), false), (2, path("a/b"), false)]);
        assert!(pending.is_empty());
    }

    #[test]
    fn more_names_than_the_limit_become_any_name() {
        let mut pending = Pending::default();
        for n in 0..=Names::MAX {
            pending.name(ROOT, path("d"), n.to_string().as_bytes(), Reason::Event);
        }
        assert_eq!(pending.take()[0].names, Names::All);
    }

    #[test]
    fn the_more_alarming_reason_stays() {
        let mut pending = Pending::default();
        pending.recursive(ROOT, path(""), Reason::Overflow);
        pending.itself(ROOT, path(""), Reason::Event);
        let hints = pending.take();
        assert_eq!((hints[0].reason, hints[0].recursive), (Reason::Overflow, true));
    }

    #[test]
    fn long_names_fill_a_batch_before_its_directories_do() {
        let mut pending = Pending::default();
        let mut dirs = 0;
        while !pending.is_full() {
            for n in 0..200 {
                pending.name(ROOT, path(&format!("d{dirs}")), format!("{n:0>250}").as_bytes(), Reason::Event);
            }
            dirs += 1;
        }
        assert!(dirs < 50);
    }
}
