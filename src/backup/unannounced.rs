//! What a full comparison finds changed where no hint had been: how much the watcher misses.

use std::collections::HashSet;

use crate::journal::Hint;
use crate::model::{EntryKind, RelPath, Timestamp};
use crate::scan::{Found, is_doubtful};

/// More directories than this are not told apart: the number says enough.
const MAX_COUNTED: usize = 100_000;
/// What changed so shortly before the cut may have been announced after it.
const SLACK_SECS: i64 = 2;

/// Counts directories: a hint is about a directory. Deletions need no look of their own, as they change the times of
/// their directory.
///
/// Not counted is what another reason than a change makes the scan read again (racy, fuzzy and unreadable files), and files
/// with several names, which a hint of another name may have announced.
pub(super) struct Unannounced {
    shallow: HashSet<RelPath>,
    recursive: HashSet<RelPath>,
    cut_at: Timestamp,
    found: HashSet<RelPath>,
}

impl Unannounced {
    /// `hints` up to the cut, which was taken at `cut_at`.
    pub fn new(hints: Vec<Hint>, cut_at: Timestamp) -> Self {
        let (recursive, shallow): (Vec<_>, Vec<_>) = hints.into_iter().partition(|hint| hint.recursive);
        let dirs = |hints: Vec<Hint>| hints.into_iter().map(|hint| hint.dir).collect();
        Self { shallow: dirs(shallow), recursive: dirs(recursive), cut_at, found: HashSet::new() }
    }

    pub fn see(&mut self, found: &Found) {
        let Some((dir, changed)) = changed_dir(found) else { return };
        let is_settled = changed.secs < self.cut_at.secs - SLACK_SECS;
        if is_settled && self.found.len() < MAX_COUNTED && !self.is_announced(&dir) {
            self.found.insert(dir);
        }
    }

    /// Directories with changes that no hint had named.
    pub fn count(&self) -> u64 {
        self.found.len() as u64
    }

    fn is_announced(&self, dir: &RelPath) -> bool {
        let mut with_parents = std::iter::successors(Some(dir.clone()), RelPath::parent);
        self.shallow.contains(dir) || with_parents.any(|dir| self.recursive.contains(&dir))
    }
}

/// The directory that a hint should have named, and when the change was made.
fn changed_dir(found: &Found) -> Option<(RelPath, Timestamp)> {
    match found {
        Found::Put { doubted: true, .. } => None,
        Found::Put { key, entry, .. } if entry.kind == EntryKind::Dir => Some((key.path()?, entry.ctime)),
        Found::Put { key, entry, .. } if entry.nlink.is_none() => Some((RelPath::parse(&key.dir).ok()?, entry.ctime)),
        Found::Read(job) => {
            let is_doubtful = job.previous.as_deref().is_some_and(is_doubtful);
            (!is_doubtful && job.stat.nlink == 1).then(|| (job.dir.path().clone(), job.stat.ctime))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Entry;
    use crate::tree::TreeKey;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    fn hint(dir: &str, recursive: bool) -> Hint {
        Hint { dir: path(dir), recursive, names: vec![], reason: String::new(), first_ms: 0 }
    }

    fn put(at: &str, kind: EntryKind, secs: i64) -> Found {
        let entry = Entry { kind, ctime: Timestamp::new(secs, 0), ..Entry::test_file(0) };
        Found::Put { key: TreeKey::of(&path(at)), entry, doubted: false }
    }

    #[test]
    fn a_directory_counts_once_unless_a_hint_named_it_or_what_is_above_it() {
        let hints = vec![hint("a", false), hint("b", true)];
        let mut missed = Unannounced::new(hints, Timestamp::new(1000, 0));
        for announced in ["a/x", "b/x", "b/c/x"] {
            missed.see(&put(announced, EntryKind::Symlink, 10));
        }
        missed.see(&put("a", EntryKind::Dir, 10));
        assert_eq!(missed.count(), 0);
        for unannounced in ["a/sub/x", "a/sub/y", "ab/x"] {
            missed.see(&put(unannounced, EntryKind::Symlink, 10));
        }
        missed.see(&put("a/sub", EntryKind::Dir, 10));
        assert_eq!(missed.count(), 2);
    }

    #[test]
    fn what_changed_around_the_cut_or_has_several_names_or_was_in_doubt_may_not_have_been_missed() {
        let mut missed = Unannounced::new(vec![], Timestamp::new(1000, 0));
        missed.see(&put("a/x", EntryKind::Symlink, 999));
        missed.see(&put("a/x", EntryKind::Symlink, 2000));
        let linked = Entry { nlink: Some(2), ctime: Timestamp::new(5, 0), ..Entry::test_file(0) };
        missed.see(&Found::Put { key: TreeKey::of(&path("a/x")), entry: linked, doubted: false });
        let doubted = Entry { kind: EntryKind::Dir, ctime: Timestamp::new(5, 0), ..Entry::test_file(0) };
        missed.see(&Found::Put { key: TreeKey::of(&path("a")), entry: doubted, doubted: true });
        missed.see(&Found::DeleteBelow(path("a")));
        assert_eq!(missed.count(), 0);
    }
}
