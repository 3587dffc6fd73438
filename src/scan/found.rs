//! What a scan says.

use super::HeldDir;
use super::rules::IgnoreFile;
use crate::model::{Entry, EntryFlags, Problem, RelPath};
use crate::source::{Names, SourceError, Stat, entry_of};
use crate::tree::{TreeError, TreeKey};

/// One finding; they come in the order of the walk.
#[derive(Debug)]
pub enum Found {
    /// The entry is complete: put it into the tree. `doubted`: what the tree before has of it was to be looked at again in any
    /// case, so this need not be a change.
    Put {
        key: TreeKey,
        entry: Entry,
        doubted: bool,
    },
    /// Its content must be read first.
    Read(ReadJob),
    /// As in the tree before; `bytes`: its size.
    Unchanged {
        bytes: u64,
    },
    Delete(TreeKey),
    /// All that the tree has below this directory is gone.
    DeleteBelow(RelPath),
    Problem(Problem),
}

/// A file whose content may have changed.
#[derive(Debug)]
pub struct ReadJob {
    pub dir: HeldDir,
    pub name: Vec<u8>,
    pub stat: Stat,
    /// See [`Entry::fs`].
    pub fs: Option<u64>,
    /// What the tree before has of it: kept when it cannot be read.
    pub previous: Option<Box<Entry>>,
    /// The rules of its directory were made of this.
    pub ignore: Option<IgnoreFile>,
}

impl ReadJob {
    pub fn key(&self) -> TreeKey {
        TreeKey::new(self.dir.path(), &self.name)
    }

    pub fn path(&self) -> RelPath {
        self.dir.path().join(&self.name)
    }

    /// Completes what was read of the file itself. An ignore file that is another one than the rules were made of is marked: the next
    /// scan compares all that is below.
    pub fn found(&self, entry: Entry) -> Entry {
        let is_same = self.ignore.is_none_or(|file| file.is(&entry));
        let flags = if is_same { entry.flags } else { entry.flags.with(EntryFlags::RACY) };
        Entry { fs: self.fs, flags, ..entry }
    }

    /// It is not there any more: `None`, or what has to stay nevertheless, because the next scan would not know that rules were made of it.
    pub fn vanished(&self, names: &mut Names) -> Option<Entry> {
        let read = self.ignore?.read().copied()?;
        let known = self.previous.as_deref().cloned();
        let entry = known.unwrap_or_else(|| Entry { fs: self.fs, ..entry_of(&read, names) });
        Some(Entry { flags: entry.flags.with(EntryFlags::UNREADABLE), ..entry })
    }
}

/// The scan cannot go on. Nothing that it did not reach counts as deleted.
#[derive(Debug, thiserror::Error)]
pub enum ScanError<E> {
    #[error("could not read the tree of the snapshot before")]
    Tree(#[source] TreeError<E>),
    #[error("the root cannot be read")]
    Source(#[source] SourceError),
    /// The receiver of the findings is gone: the run was cancelled or failed.
    #[error("the scan was stopped")]
    Stopped,
}
