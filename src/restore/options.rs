//! What a person decides about a restore.

use std::path::PathBuf;

use crate::source::OwnerPolicy;

/// Where files go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RestoreTo {
    /// Below this directory; made where it is missing. The layout is in the room's documentation.
    Dir(PathBuf),
    /// To the roots' own paths.
    InPlace,
}

/// What happens to a file that is there already. Directories are never replaced, and what is not in the snapshot is
/// never removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overwrite {
    /// It stays as it is.
    #[default]
    Never,
    /// It is replaced when its size, modification time or type is another; else it gets what differs of its metadata.
    Changed,
    /// It is replaced.
    Always,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestoreOptions {
    pub to: RestoreTo,
    /// As people write them (see [`crate::repo::places_of`]); empty for everything.
    pub paths: Vec<Vec<u8>>,
    pub overwrite: Overwrite,
    pub owner: OwnerPolicy,
    /// Files whose content is archived and not thawed are counted and left alone, instead of being problems.
    pub leave_archived: bool,
    /// Threads that write. More than cores help where a call waits for a disk or a network.
    pub workers: usize,
}

impl RestoreOptions {
    pub fn new(to: RestoreTo) -> Self {
        Self {
            to,
            paths: vec![],
            overwrite: Overwrite::default(),
            owner: OwnerPolicy::default(),
            leave_archived: false,
            workers: default_workers(),
        }
    }
}

/// One more than cores: creating files waits for the filesystem now and then.
fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(3, |cores| (cores.get() + 1).clamp(3, 9))
}
