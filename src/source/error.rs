//! What can go wrong while the source is read, and what it means for the file and for the run.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::model::{EntryKind, Problem, ProblemCode, RelPath};

/// Something of the source could not be read. Paths are relative to the root.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("could not open the root {path:?}")]
    Root {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path:?} was gone when rozen wanted to {action} it")]
    Vanished { action: &'static str, path: RelPath },
    #[error("no permission to {action} {path:?}")]
    Permission {
        action: &'static str,
        path: RelPath,
        #[source]
        source: io::Error,
    },
    #[error("{path:?} became a {found:?} while it was being backed up; it was a {expected:?}")]
    KindChanged { path: RelPath, expected: EntryKind, found: EntryKind },
    #[error("{path:?} was replaced by another file while it was being backed up")]
    Replaced { path: RelPath },
    #[error("{path:?} is of a type that rozen does not know (st_mode {mode:#o})")]
    UnknownKind { path: RelPath, mode: u32 },
    #[error("the machine ran out of resources when rozen wanted to {action} {path:?}")]
    Exhausted {
        action: &'static str,
        path: RelPath,
        #[source]
        source: io::Error,
    },
    #[error("{path:?} is listed by its folder, and the filesystem does not find it")]
    Listed { path: RelPath },
    #[error("could not {action} {path:?}")]
    Io {
        action: &'static str,
        path: RelPath,
        #[source]
        source: io::Error,
    },
}

/// What the caller has to do about a [`SourceError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// It is no longer there: as if it had been deleted before.
    Vanished,
    /// Something else has its name now: stat again and start over, a bounded number of times; then it is unreadable.
    Changed,
    /// It is there and cannot be read: keep what earlier snapshots know, store it as unreadable.
    Unreadable,
    /// No fault of this file (descriptors, memory, the root itself is missing): it says nothing about any file, and a
    /// run that went on would take files for deleted.
    StopRun,
}

impl SourceError {
    pub(super) fn new(action: &'static str, path: RelPath, errno: Errno) -> Self {
        let source = io::Error::from(errno);
        match errno {
            Errno::NOENT => SourceError::Vanished { action, path },
            Errno::ACCESS | Errno::PERM => SourceError::Permission { action, path, source },
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => SourceError::Exhausted { action, path, source },
            // a component is no directory (any more), or a link where none was
            Errno::NOTDIR | Errno::LOOP => SourceError::Replaced { path },
            _ => SourceError::Io { action, path, source },
        }
    }

    /// For `map_err`: the path is copied only if something went wrong.
    pub(super) fn at<'a>(action: &'static str, path: &'a RelPath) -> impl FnOnce(Errno) -> SourceError + 'a {
        move |errno| SourceError::new(action, path.clone(), errno)
    }

    /// Of a name that its directory lists, before and after.
    pub fn of_listed(self) -> Self {
        match self {
            SourceError::Vanished { path, .. } => SourceError::Listed { path },
            other => other,
        }
    }

    pub fn disposition(&self) -> Disposition {
        match self {
            // "the root is gone" is never "everything was deleted"
            SourceError::Vanished { path, .. } if path.is_root() => Disposition::StopRun,
            SourceError::Vanished { .. } => Disposition::Vanished,
            SourceError::KindChanged { .. } | SourceError::Replaced { .. } => Disposition::Changed,
            SourceError::Permission { .. }
            | SourceError::UnknownKind { .. }
            | SourceError::Listed { .. }
            | SourceError::Io { .. } => Disposition::Unreadable,
            SourceError::Root { .. } | SourceError::Exhausted { .. } => Disposition::StopRun,
        }
    }

    /// `None` for the root itself.
    pub fn path(&self) -> Option<&RelPath> {
        match self {
            SourceError::Root { .. } => None,
            SourceError::Vanished { path, .. }
            | SourceError::Permission { path, .. }
            | SourceError::KindChanged { path, .. }
            | SourceError::Replaced { path }
            | SourceError::UnknownKind { path, .. }
            | SourceError::Exhausted { path, .. }
            | SourceError::Listed { path }
            | SourceError::Io { path, .. } => Some(path),
        }
    }

    /// As a person sees it, with what to do.
    pub fn to_problem(&self) -> Problem {
        let cause = std::error::Error::source(self).map(|source| format!(": {source}")).unwrap_or_default();
        let code = match self {
            SourceError::Root { .. } => ProblemCode::RootUnavailable,
            _ => ProblemCode::Unreadable,
        };
        let path = self.path().map(RelPath::as_bytes).unwrap_or_default();
        Problem::new(code, path, format!("{self}{cause}"), self.remedy())
    }

    fn remedy(&self) -> &'static str {
        match self {
            SourceError::Root { .. } => "mount it or correct the path of the root in the configuration",
            SourceError::Vanished { .. } | SourceError::KindChanged { .. } | SourceError::Replaced { .. } => {
                "nothing to do: the next run looks again"
            }
            SourceError::Permission { .. } => {
                "run rozend as root or give it permission to read the file, or exclude it"
            }
            SourceError::UnknownKind { .. } => "exclude it, and report the filesystem as unsupported",
            SourceError::Exhausted { .. } => "raise the limits of open files or memory for rozend",
            SourceError::Listed { .. } => {
                "rename it on the system that made it, if this one cannot express its name; else check the disk (fsck)"
            }
            SourceError::Io { .. } => {
                "check the disk (kernel log, SMART); restore the file if it is damaged, or exclude it"
            }
        }
    }
}

/// A piece of metadata that could not be read or set while the rest went on.
pub(super) fn metadata_problem(path: &RelPath, message: String, remedy: &'static str) -> Problem {
    Problem::new(ProblemCode::Metadata, path.as_bytes(), message, remedy)
}
