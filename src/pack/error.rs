//! What can go wrong with the spool.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("could not {action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl PackError {
    pub(super) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> PackError {
        let path = path.to_path_buf();
        move |source| PackError::Io { action, path, source }
    }

    /// Is the disk that holds the spool full?
    pub fn is_full(&self) -> bool {
        let PackError::Io { source, .. } = self;
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}
