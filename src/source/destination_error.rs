//! What can go wrong while a tree is put back: always about the destination, never about the repository.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::model::RelPath;

/// Paths are relative to the destination.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    #[error("could not make or open {path:?}")]
    Root {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another restore writes to {path:?} or into it now")]
    InUse { path: PathBuf },
    #[error("{path:?} is there already")]
    Exists { path: RelPath },
    #[error("{path:?} is not there")]
    Missing { path: RelPath },
    #[error("the directory {path:?} is not empty")]
    NotEmpty { path: RelPath },
    #[error("a link or something else that is no directory stands in the way of {path:?}")]
    InTheWay { path: RelPath },
    /// The filesystem cannot hold the link; the file itself it can.
    #[error("{path:?} cannot be another name of {first:?}")]
    NoLink {
        path: RelPath,
        first: RelPath,
        #[source]
        source: io::Error,
    },
    #[error("{path:?} is not what was created there: something else changes the destination")]
    Replaced { path: RelPath },
    #[error("{name:?} is not a name that a directory can hold")]
    BadName { name: String },
    #[error("the snapshot's entry of {path:?} cannot be created: {reason}")]
    BadEntry { path: RelPath, reason: &'static str },
    #[error("no permission to {action} {path:?}")]
    Permission {
        action: &'static str,
        path: RelPath,
        #[source]
        source: io::Error,
    },
    #[error("no space to {action} {path:?}")]
    Full {
        action: &'static str,
        path: RelPath,
        #[source]
        source: io::Error,
    },
    #[error("could not {action} {path:?}")]
    Io {
        action: &'static str,
        path: RelPath,
        #[source]
        source: io::Error,
    },
}

impl DestinationError {
    pub(super) fn new(action: &'static str, path: RelPath, errno: Errno) -> Self {
        let source = io::Error::from(errno);
        match errno {
            Errno::EXIST => DestinationError::Exists { path },
            Errno::NOENT => DestinationError::Missing { path },
            Errno::NOTEMPTY => DestinationError::NotEmpty { path },
            Errno::LOOP | Errno::NOTDIR | Errno::XDEV => DestinationError::InTheWay { path },
            Errno::ACCESS | Errno::PERM => DestinationError::Permission { action, path, source },
            Errno::NOSPC | Errno::DQUOT => DestinationError::Full { action, path, source },
            _ => DestinationError::Io { action, path, source },
        }
    }

    /// Of a hard link from one directory to a file that is not protected: it may be on another filesystem, have all the names that it can
    /// have, or be on a filesystem without links.
    pub(super) fn of_link(path: RelPath, first: &RelPath, errno: Errno) -> Self {
        match errno {
            Errno::XDEV | Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS => {
                DestinationError::NoLink { path, first: first.clone(), source: errno.into() }
            }
            _ => DestinationError::new("create the hard link", path, errno),
        }
    }

    /// For `map_err`: the path is copied only if something went wrong.
    pub(super) fn at<'a>(action: &'static str, path: &'a RelPath) -> impl FnOnce(Errno) -> DestinationError + 'a {
        move |errno| DestinationError::new(action, path.clone(), errno)
    }

    /// Root is refused: by immutable or append-only.
    pub fn is_by_flags(&self) -> bool {
        matches!(self, DestinationError::Permission { source, .. } if source.raw_os_error() == Some(libc::EPERM))
            && rustix::process::geteuid().is_root()
    }

    /// To whoever restores.
    pub fn is_denied(&self) -> bool {
        match self {
            DestinationError::Permission { .. } => true,
            DestinationError::Root { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }

    /// The filesystem is mounted read-only.
    pub fn is_read_only(&self) -> bool {
        match self {
            DestinationError::Root { source, .. } | DestinationError::Io { source, .. } => {
                source.kind() == io::ErrorKind::ReadOnlyFilesystem
            }
            _ => false,
        }
    }

    /// Nothing more can be written: going on would fail for each file alike.
    pub fn is_full(&self) -> bool {
        matches!(self, DestinationError::Full { .. })
    }
}
