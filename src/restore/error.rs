//! What ends a restore. What costs only some files is a problem in the report instead.

use std::io;
use std::path::PathBuf;

use crate::repo::{PathQueryError, RepoError};
use crate::source::DestinationError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("the repository cannot be read")]
    Repository(#[from] RepoError),
    #[error("the target cannot be asked")]
    Target(#[from] StoreError),
    #[error("the target {place} went away")]
    TargetGone { place: String },
    #[error(
        "the target gives nothing of the repository any more; the restore has stopped, and goes on there when it is started again"
    )]
    TargetFails(#[source] StoreError),
    #[error("the destination cannot be written")]
    Destination(#[source] DestinationError),
    #[error("{} lies in the repository {}", path.display(), repository.display())]
    InRepository { path: PathBuf, repository: PathBuf },
    #[error("not everything that was restored got to the disk")]
    NotOnDisk(#[source] DestinationError),
    #[error("cannot tell what to restore")]
    Path(#[from] PathQueryError),
    #[error("the snapshot holds no {0}")]
    NotInSnapshot(String),
    #[error("the snapshot holds no files yet")]
    Empty,
    #[error("could not keep the list of what is left to do in a temporary file")]
    Scratch(#[source] io::Error),
    #[error("the restore was interrupted; started again, it goes on where it stopped")]
    Interrupted,
}

impl RestoreError {
    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            RestoreError::Repository(error) => error.remedy(),
            RestoreError::Target(error) | RestoreError::TargetFails(error) => error.remedy(),
            RestoreError::TargetGone { .. } => {
                "Connect or mount the disk that holds the repository; the restore then goes on where it stopped."
            }
            RestoreError::Destination(error) if error.is_full() => {
                "Free space there or choose another --to; the restore then goes on where it stopped."
            }
            RestoreError::Destination(DestinationError::InUse { .. }) => {
                "Wait until it has ended, then start this one again, or choose another --to."
            }
            RestoreError::InRepository { .. } => "Choose a directory outside of it with --to.",
            RestoreError::Destination(_) => "Choose a directory that you may write to with --to.",
            RestoreError::NotOnDisk(_) => {
                "Look at the disk, then restore again with --overwrite always: files there that look complete may not be."
            }
            RestoreError::Path(_) | RestoreError::NotInSnapshot(_) => {
                "`rozenctl ls SNAP` and `rozenctl find PATTERN` show what is there; `rozenctl snapshots` lists others."
            }
            RestoreError::Empty => "Choose another snapshot: `rozenctl snapshots`.",
            RestoreError::Scratch(_) => "Free space in the directory for temporary files (TMPDIR).",
            RestoreError::Interrupted => "Run the same command again.",
        }
    }
}
