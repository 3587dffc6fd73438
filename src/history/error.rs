//! Why a question has no answer.

use std::io;

use crate::history::SpecError;
use crate::model::{MachineId, Seq};
use crate::repo::{ContentError, PathQueryError, RepoError};
use crate::tree::TreeError;

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("the repository cannot be read")]
    Repository(#[from] RepoError),
    #[error("snapshot {seq} cannot be read")]
    Snapshot {
        seq: Seq,
        #[source]
        source: RepoError,
    },
    #[error("cannot tell which snapshot is meant")]
    Spec(#[from] SpecError),
    #[error("the repository holds no machine yet")]
    NoMachine,
    #[error("no machine begins with {0}")]
    NoSuchMachine(String),
    #[error("the repository has several machines: {0}; name one with --machine")]
    WhichMachine(String),
    #[error("machine {0} has no snapshot yet")]
    NoSnapshots(MachineId),
    #[error("there is no snapshot {wanted} of machine {machine}")]
    NoSnapshot { wanted: String, machine: MachineId },
    #[error("cannot tell which path is meant")]
    Path(#[from] PathQueryError),
    #[error("the snapshot holds no {0}")]
    NotInSnapshot(String),
    #[error("{0} is no regular file")]
    NotAFile(String),
    #[error("the tree of the snapshot is damaged here")]
    Tree(#[from] TreeError<RepoError>),
    #[error("{path} cannot be given")]
    Content {
        path: String,
        #[source]
        source: ContentError,
    },
    #[error("could not write the content")]
    Output(#[source] io::Error),
}

const ELSEWHERE: &str =
    "Look for it in another snapshot: `rozenctl history PATH`; `rozenctl check` shows what is damaged.";

impl HistoryError {
    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            HistoryError::Repository(error) => error.remedy(),
            HistoryError::Snapshot { source: error @ RepoError::Object { source, .. }, .. } if source.is_newer() => {
                error.remedy()
            }
            HistoryError::Snapshot { .. } => {
                "Choose another snapshot: `rozenctl snapshots` lists them; `rozenctl check` says what is damaged."
            }
            HistoryError::Spec(_) | HistoryError::NoSnapshot { .. } => {
                "Use `latest`, a sequence number, or a time such as 2026-11-20T12:00 or \"2 days ago\"; `rozenctl snapshots` lists them."
            }
            HistoryError::NoSuchMachine(_) | HistoryError::WhichMachine(_) => {
                "`rozenctl snapshots` lists the machines."
            }
            HistoryError::NoMachine | HistoryError::NoSnapshots(_) => "Make a backup first: `rozenctl backup --once`.",
            HistoryError::Path(_) | HistoryError::NotInSnapshot(_) | HistoryError::NotAFile(_) => {
                "Paths are as they were on the machine. `rozenctl ls SNAP` and `rozenctl find PATTERN` show what is there."
            }
            HistoryError::Content { source, .. } => source.remedy_at_target().unwrap_or(ELSEWHERE),
            HistoryError::Tree(_) => ELSEWHERE,
            HistoryError::Output(_) => "Look at where the output goes.",
        }
    }
}
