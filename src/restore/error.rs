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
    #[error("the destination {} is full", place.display())]
    Full {
        place: PathBuf,
        #[source]
        source: DestinationError,
    },
    #[error("{} lies in the repository {}", path.display(), repository.display())]
    InRepository { path: PathBuf, repository: PathBuf },
    /// Of this process or of the machine: everything else would fail alike.
    #[error("no more files can be open at once")]
    OpenFiles(#[source] io::Error),
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
    pub(super) fn from_destination(error: DestinationError) -> Self {
        let error = Self::Destination(error);
        Self::of_open_files(&error).unwrap_or(error)
    }

    /// Is it behind what went wrong that no more files can be opened?
    pub(super) fn of_open_files(error: &dyn std::error::Error) -> Option<Self> {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let mut codes = causes.filter_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error());
        let code = codes.find(|code| matches!(*code, libc::EMFILE | libc::ENFILE))?;
        Some(Self::OpenFiles(io::Error::from_raw_os_error(code)))
    }

    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            RestoreError::Repository(error) => error.remedy(),
            RestoreError::Target(error) | RestoreError::TargetFails(error) => error.remedy(),
            RestoreError::TargetGone { .. } => {
                "Connect or mount the disk that holds the repository; the restore then goes on where it stopped."
            }
            RestoreError::Full { .. } => {
                "Free space there or choose another --to; the restore then goes on where it stopped."
            }
            RestoreError::Destination(error) if error.is_denied() => {
                "Restore as root (sudo), or choose a directory that you may write to with --to."
            }
            RestoreError::Destination(error) if error.is_read_only() => {
                "Mount it so that it can be written to, or choose another directory with --to."
            }
            RestoreError::Destination(DestinationError::Root { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                "Mount the disk that belongs there, or make the folder above it; or choose another directory with --to."
            }
            RestoreError::Destination(DestinationError::InUse { .. }) => {
                "Wait until it has ended, then start this one again, or choose another --to."
            }
            RestoreError::InRepository { .. } => "Choose a directory outside of it with --to.",
            RestoreError::Destination(_) => "Choose a directory that you may write to with --to.",
            RestoreError::OpenFiles(_) => {
                "Raise the limit of open files (`ulimit -n 1024`, LimitNOFILE= of a service), or close other programs; the restore \
                 then goes on where it stopped."
            }
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
