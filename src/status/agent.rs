//! The types of the status; their field names are the JSON.

use serde::{Deserialize, Serialize};

use super::{ArenaUsage, PathText, rfc3339};
use crate::model::{Problem, RootId, Seq, Timestamp};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Of the agent.
    pub version: String,
    /// When this was true.
    #[serde(with = "rfc3339")]
    pub time: Timestamp,
    pub agent: Agent,
    /// URL of the target, as configured.
    pub repository: String,
    pub target: Target,
    #[serde(default)]
    pub limits: Limits,
    pub roots: Vec<RootStatus>,
    /// What the last run cost, for people; absent where nobody sends a bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run_cost: Option<String>,
    #[serde(default)]
    pub arena: Vec<ArenaUsage>,
    /// What was merged last, for people; absent while nothing was since the agent started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_merge: Option<String>,
    pub run: Option<RunStatus>,
    /// What needs a person, most urgent first; bounded.
    pub problems: Vec<Problem>,
    /// How many more there are than `problems` lists.
    pub more_problems: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Agent {
    Starting,
    Watching,
    Paused {
        /// `null`: until somebody resumes.
        #[serde(with = "rfc3339::option")]
        until: Option<Timestamp>,
    },
    Stopping,
}

/// How fast bytes may go now, in bytes a second; `null`: as fast as they can.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Limits {
    pub upload: Option<u64>,
    pub download: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Target {
    /// Not used since the agent started.
    Unknown,
    Up,
    Down {
        #[serde(with = "rfc3339")]
        since: Timestamp,
        #[serde(with = "rfc3339::option")]
        next_try: Option<Timestamp>,
        message: String,
        /// It has said for certain that the repository is not there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        gone: bool,
    },
}

impl Target {
    pub fn is_gone(&self) -> bool {
        matches!(self, Target::Down { gone: true, .. })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RootStatus {
    pub id: RootId,
    #[serde(flatten)]
    pub path: PathText,
    pub state: RootState,
    /// All that changed before this time is durable in the target; `null` until a first backup is complete.
    #[serde(with = "rfc3339::option")]
    pub recovery_point: Option<Timestamp>,
    /// No change is known that is not stored, and nothing makes the watcher doubtful.
    pub up_to_date: bool,
    pub coverage: Coverage,
    /// Directories that may have changed and wait for a run.
    pub pending_hints: u64,
    pub last_snapshot: Option<SnapshotStatus>,
    /// When it was last compared in full.
    #[serde(with = "rfc3339::option")]
    pub last_audit: Option<Timestamp>,
    /// Files, directories and everything else in the last snapshot.
    pub entries: u64,
    pub bytes: u64,
    /// Directories in which only full comparisons found changes, since the agent started.
    pub missed_by_watcher: u64,
    /// The same of the last full comparison; `null` before the first.
    pub missed_by_last_audit: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum RootState {
    Idle,
    /// Changes wait for quiet, at the latest until then.
    Settling {
        #[serde(with = "rfc3339")]
        until: Timestamp,
    },
    /// A run is due and waits for another one or for the target.
    Queued,
    Running,
    Paused,
    Unavailable {
        message: String,
    },
}

/// How much of a root is watched.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Directories.
    pub watched: u64,
    pub total: u64,
    /// Why changes may be missed until the next full comparison; empty when nothing is doubtful.
    pub doubts: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SnapshotStatus {
    pub seq: Seq,
    #[serde(with = "rfc3339")]
    pub time: Timestamp,
    /// Of a first backup that goes on: not all files are in it.
    pub partial: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunStatus {
    pub reason: RunReason,
    pub roots: Vec<RootId>,
    #[serde(with = "rfc3339")]
    pub started: Timestamp,
    pub phase: Phase,
    pub entries: Count,
    pub bytes: Count,
    pub bytes_per_second: Option<u64>,
    /// Only where the total of bytes and a rate are known.
    pub eta_seconds: Option<u64>,
}

/// Why a run started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunReason {
    /// Somebody asked for it.
    Requested,
    /// A root that was never stored completely.
    First,
    /// Hints.
    Changes,
    /// A full comparison is due.
    Audit,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Freezing,
    Scanning,
    Storing,
    Committing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Count {
    pub done: u64,
    /// `null` while nobody knows.
    pub total: Option<u64>,
}

impl RunStatus {
    /// Seconds left, or nothing where that would be a guess.
    pub fn eta(bytes: Count, bytes_per_second: Option<u64>) -> Option<u64> {
        let left = bytes.total?.checked_sub(bytes.done)?;
        let rate = bytes_per_second.filter(|rate| *rate > 0)?;
        Some(left.div_ceil(rate))
    }
}
