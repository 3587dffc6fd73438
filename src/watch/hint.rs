//! What the watcher hands on: a directory, how deep, which names, and why.

use std::collections::BTreeSet;

use crate::model::RelPath;

/// A root under watch, as the caller numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RootKey(pub u32);

/// "This directory may have changed."
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hint {
    pub root: RootKey,
    pub dir: RelPath,
    /// Everything below too, not only the directory and its own entries.
    pub recursive: bool,
    pub names: Names,
    pub reason: Reason,
}

/// Which children events named. A help for ordering work, never the whole truth: the directory is compared anyway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Names {
    /// Any child; also when more than [`Names::MAX`] were named.
    All,
    /// These children and the directory itself; empty means the metadata of the directory alone.
    Only(BTreeSet<Vec<u8>>),
}

impl Names {
    pub const MAX: usize = 256;

    /// Adds a name; gives the number of bytes by which the set grew.
    pub(super) fn add(&mut self, name: &[u8]) -> usize {
        match self {
            Names::All => 0,
            Names::Only(set) if set.contains(name) => 0,
            Names::Only(set) if set.len() < Self::MAX => {
                set.insert(name.to_vec());
                name.len()
            }
            Names::Only(_) => {
                *self = Names::All;
                0
            }
        }
    }
}

/// Why a directory is hinted, from the ordinary to the alarming: when hints merge, the greater reason stays.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// An event named the directory or a child of it.
    Event,
    /// A directory was created; its content may be older than its watch.
    NewDirectory,
    /// A directory was moved to here with all that is in it.
    MovedIn,
    /// The watch began: what happened before is unknown.
    Start,
    /// A filesystem was mounted here.
    Mounted,
    /// The directory cannot be watched (limit, permission, filesystem without events).
    LimitReached,
    /// The kernel dropped a watch without telling why.
    LostWatch,
    /// An event came from a watch that is not in the books.
    UnknownWatch,
    /// The kernel dropped events.
    Overflow,
    /// The filesystem of the directory was unmounted: what is missing now was not deleted.
    Unmounted,
    /// The root was moved away, removed or replaced: what is missing now was not deleted.
    RootGone,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Event => "event",
            Reason::NewDirectory => "new_directory",
            Reason::MovedIn => "moved_in",
            Reason::Start => "start",
            Reason::Mounted => "mounted",
            Reason::LimitReached => "limit_reached",
            Reason::LostWatch => "lost_watch",
            Reason::UnknownWatch => "unknown_watch",
            Reason::Overflow => "overflow",
            Reason::Unmounted => "unmounted",
            Reason::RootGone => "root_gone",
        }
    }
}
