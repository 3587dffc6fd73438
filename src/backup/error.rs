//! Why a run ended without a snapshot. Source and target never mix.

use crate::freeze::FreezeError;
use crate::journal::JournalError;
use crate::model::Problem;
use crate::pack::PackError;
use crate::repo::RepoError;
use crate::seal::SealError;
use crate::source::SourceError;
use crate::store::StoreError;
use crate::upload::UploadError;

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The root itself, or the machine has no descriptors or memory left.
    #[error("root {root} cannot be backed up")]
    Source {
        root: String,
        #[source]
        source: SourceError,
    },
    #[error("root {root} may not be the folder that was backed up")]
    Doubtful { root: String, problem: Box<Problem> },
    #[error("root {root} cannot be frozen or opened")]
    Freeze {
        root: String,
        #[source]
        source: FreezeError,
    },
    /// Something was stored from it, and a partial snapshot holds that.
    #[error("the freeze of root {root} was kept as long as it may be; the next run goes on with a new one")]
    FreezeTooOld { root: String },
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Repository(#[from] RepoError),
    #[error("the spool cannot be used")]
    Spool(#[from] PackError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("a chunk could not be sealed")]
    Seal(#[from] SealError),
    #[error("the local copy of the tree of root {root} is damaged: {what}")]
    LocalTree { root: String, what: String },
    #[error("stopped on request")]
    Stopped,
}

impl RunError {
    /// What the target refused because of the wish to stop is no error of the target.
    pub(super) fn or_stopped(self) -> Self {
        if self.is_stopped() { RunError::Stopped } else { self }
    }

    /// Somebody asked it to stop.
    pub fn is_stopped(&self) -> bool {
        matches!(self, RunError::Stopped) || matches!(self.of_target(), Some(StoreError::Stopped))
    }

    fn of_target(&self) -> Option<&StoreError> {
        match self {
            RunError::Upload(UploadError::Target { source, .. })
            | RunError::Repository(RepoError::Store(source) | RepoError::Upload(UploadError::Target { source, .. })) => {
                Some(source)
            }
            _ => None,
        }
    }

    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            RunError::Source { .. } | RunError::Freeze { .. } | RunError::Doubtful { .. } => {
                "Mount or create the root, or change its path in the configuration."
            }
            RunError::FreezeTooOld { .. } => "Start the backup again: it goes on from what is stored.",
            RunError::Upload(error) => error.remedy(),
            RunError::Repository(error) => error.remedy(),
            RunError::Spool(error) if error.is_full() => "Free space on the disk of the state directory.",
            RunError::Spool(_) => "Check the disk of the state directory and its permissions.",
            RunError::Journal(error) => error.remedy(),
            RunError::Seal(_) => "Run a memory test: content changed in memory while it was being backed up.",
            RunError::LocalTree { .. } => "The next backup compares the root in full.",
            RunError::Stopped => "Start the backup again: it goes on from what is stored.",
        }
    }
}
