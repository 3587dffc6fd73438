//! What can go wrong with the state directory.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::model::{ChunkId, MachineId, ObjectHash, RepoId};

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("another process ({}) uses the state directory {state_dir}", pid.map_or("unknown".to_owned(), |pid| format!("pid {pid}")))]
    InUse { state_dir: PathBuf, pid: Option<u32> },
    #[error("cannot prepare {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "the journal {path} was written by a newer version of Rozen (its version is {found}, this program knows {known})"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{path} is no journal of Rozen")]
    Foreign { path: PathBuf },
    #[error("the journal {path} is damaged, found while trying to {doing}")]
    Damaged { path: PathBuf, doing: &'static str, source: rusqlite::Error },
    #[error("the state directory belongs to the repository {found}, not to {expected}")]
    OtherRepository { expected: RepoId, found: RepoId },
    #[error("the state directory belongs to machine {found}, not to {expected}")]
    OtherMachine { expected: MachineId, found: MachineId },
    #[error("the journal knows no root {root:?}")]
    UnknownRoot { root: String },
    #[error("the journal knows no pack {hash}")]
    UnknownPack { hash: ObjectHash },
    #[error("the journal knows no upload of pack {pack}")]
    UnknownUpload { pack: ObjectHash },
    #[error("a member names the bundle {bundle}, which is no frame of its pack")]
    UnknownBundle { bundle: ChunkId },
    #[error("run {unfinished} has not ended: it must be finished or failed first")]
    RunUnfinished { unfinished: i64 },
    #[error("run {run} cannot {wanted}: it is {found}")]
    WrongRunState { run: i64, wanted: &'static str, found: String },
    #[error("cannot {doing}")]
    Sql { doing: &'static str, source: rusqlite::Error },
}

impl JournalError {
    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            JournalError::InUse { .. } => "Use the running agent (`rozenctl status`), or stop it first.",
            JournalError::Io { .. } => "Check that the state directory exists, is writable and has free space.",
            JournalError::Newer { .. } => "Install the version of Rozen that wrote it, or a newer one.",
            JournalError::Foreign { .. } => "Give another state directory with --state, or move the file away.",
            JournalError::Damaged { .. } => {
                "Check the disk, move the journal away and start again: it is rebuilt from the target, nothing is lost."
            }
            JournalError::OtherMachine { .. } => {
                "Give each machine its own state directory with --state; or remove this one, when that machine is given up."
            }
            JournalError::OtherRepository { .. } => "Give each repository its own state directory with --state.",
            JournalError::Sql { .. } if self.is_full() => "Free space on the disk of the state directory.",
            JournalError::Sql { .. } => "Check the disk of the state directory; then start the agent again.",
            JournalError::UnknownRoot { .. }
            | JournalError::UnknownPack { .. }
            | JournalError::UnknownUpload { .. }
            | JournalError::UnknownBundle { .. }
            | JournalError::RunUnfinished { .. }
            | JournalError::WrongRunState { .. } => "This is a bug in Rozen: please report it.",
        }
    }

    /// No space left for the journal itself.
    pub fn is_full(&self) -> bool {
        matches!(self, JournalError::Sql { source, .. } if source.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }

    /// Says what was being done, and tells damage from other errors.
    pub(super) fn during(self, doing: &'static str, path: &std::path::Path) -> Self {
        match self {
            JournalError::Sql { source, .. } if is_damage(&source) => {
                JournalError::Damaged { path: path.to_path_buf(), doing, source }
            }
            // one process has one connection: somebody has taken our lock file away
            JournalError::Sql { source, .. } if source.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                let state_dir = path.parent().unwrap_or(path).to_path_buf();
                JournalError::InUse { state_dir, pid: None }
            }
            JournalError::Sql { source, .. } => JournalError::Sql { doing, source },
            other => other,
        }
    }
}

/// What `during` replaces.
impl From<rusqlite::Error> for JournalError {
    fn from(source: rusqlite::Error) -> Self {
        JournalError::Sql { doing: "use the journal", source }
    }
}

/// Also a row that does not have the shape that only this program writes.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
    ) || matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_another_process_holds_is_in_use_also_when_somebody_took_the_lock_file_away() {
        let busy = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None);
        let error = JournalError::from(busy).during("open it", std::path::Path::new("/state/journal.db"));
        assert!(
            matches!(&error, JournalError::InUse { state_dir, pid: None } if state_dir.ends_with("state")),
            "{error}"
        );
    }
}
