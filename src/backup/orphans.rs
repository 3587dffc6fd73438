//! Entries that were staged in a directory after the directory itself was found to be gone.
//!
//! A file is read some time after its name was listed. When its directory is moved away in between, and the parent is listed
//! again in the same run, the removal of the directory is staged first and the file after it. In the tree such an entry would
//! hang in the air for ever: no later listing of the parent meets the directory's name.

use std::collections::HashSet;

use super::error::RunError;
use super::nodes::staged;
use crate::journal::Journal;
use crate::model::{EntryKind, RelPath};

/// Answers for the staged entries of one root, in their order.
pub(super) struct Orphans<'a> {
    journal: &'a Journal,
    root: &'a str,
    /// Directories whose old content is gone; none is below another.
    removed: HashSet<RelPath>,
    /// Of the directory that was asked for last: its entries come together.
    last: (RelPath, bool),
}

impl<'a> Orphans<'a> {
    pub(super) fn new(journal: &'a Journal, root: &'a str, removed: &[RelPath]) -> Self {
        Self { journal, root, removed: removed.iter().cloned().collect(), last: (RelPath::root(), false) }
    }

    /// Will the tree have no directory `dir`, although something is staged in it?
    pub(super) fn are_in(&mut self, dir: &RelPath) -> Result<bool, RunError> {
        if self.removed.is_empty() {
            return Ok(false);
        }
        if self.last.0 != *dir {
            self.last = (dir.clone(), self.is_missing(dir)?);
        }
        Ok(self.last.1)
    }

    /// From the removed directory down each must be there again; above it nothing was removed.
    fn is_missing(&self, dir: &RelPath) -> Result<bool, RunError> {
        let (mut at, mut is_inside) = (RelPath::root(), false);
        for name in dir.components() {
            let path = at.join(name);
            let is_removed = self.removed.contains(&path);
            is_inside |= is_removed;
            if is_inside {
                match self.journal.staged_entry(self.root, &at, name)? {
                    // emptied, and as it was before otherwise
                    None if is_removed => {}
                    Some(Some(entry)) if staged(self.root, &entry)?.kind == EntryKind::Dir => {}
                    _ => return Ok(true),
                }
            }
            at = path;
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::journal::StagedEntry;
    use crate::model::Entry;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    /// `None`: its removal.
    fn stage(journal: &Journal, at: &str, kind: Option<EntryKind>) {
        let path = path(at);
        let entry = kind.map(|kind| minicbor::to_vec(Entry { kind, ..Entry::test_file(0) }).unwrap());
        let (dir, name) = path.split();
        journal.stage("home", &[StagedEntry { dir, name: name.to_vec(), entry }]).unwrap();
    }

    fn with_journal(test: impl Fn(&Journal)) {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        journal.upsert_root("home", Path::new("/somewhere"), 1).unwrap();
        test(&journal);
    }

    fn are_in(journal: &Journal, dir: &str) -> bool {
        let removed = journal.staged_removals("home").unwrap();
        Orphans::new(journal, "home", &removed).are_in(&path(dir)).unwrap()
    }

    #[test]
    fn a_file_that_was_read_after_its_directory_was_found_gone_is_an_orphan() {
        with_journal(|journal| {
            journal.stage_remove_subtree("home", &path("a/b")).unwrap();
            stage(journal, "a/b", None);
            stage(journal, "a/b/file", Some(EntryKind::File));
            stage(journal, "a/b/c/file", Some(EntryKind::File));
            stage(journal, "a/bc/file", Some(EntryKind::File));
            assert!(are_in(journal, "a/b"));
            assert!(are_in(journal, "a/b/c"));
            assert!(!are_in(journal, "a"));
            assert!(!are_in(journal, "a/bc"));
            assert!(!are_in(journal, ""));
        });
    }

    #[test]
    fn a_directory_that_came_back_has_what_is_staged_in_it_but_not_below_what_is_not() {
        with_journal(|journal| {
            journal.stage_remove_subtree("home", &path("a")).unwrap();
            stage(journal, "a", Some(EntryKind::Dir));
            stage(journal, "a/b", Some(EntryKind::Dir));
            assert!(!are_in(journal, "a"));
            assert!(!are_in(journal, "a/b"));
            assert!(are_in(journal, "a/c"), "no entry makes it a directory");
        });
    }

    #[test]
    fn what_is_a_file_now_holds_nothing() {
        with_journal(|journal| {
            journal.stage_remove_subtree("home", &path("a")).unwrap();
            stage(journal, "a", Some(EntryKind::File));
            assert!(are_in(journal, "a"));
        });
    }

    #[test]
    fn a_directory_that_was_only_emptied_stays() {
        with_journal(|journal| {
            journal.stage_remove_subtree("home", &path("a")).unwrap();
            assert!(!are_in(journal, "a"));
        });
    }
}
