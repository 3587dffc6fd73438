//! What a run did.

use super::arena::MergedPacks;
use crate::model::{Problem, Timestamp};
use crate::repo::CommittedSnapshot;
use crate::store::Requests;

#[derive(Debug, Default)]
pub struct RunReport {
    /// `None`: nothing had changed, no snapshot was needed.
    pub snapshot: Option<CommittedSnapshot>,
    /// Partial snapshots that were committed on the way.
    pub partial_snapshots: u64,
    pub problems: Vec<Problem>,
    /// Roots that were read, each with its own part of the problems.
    pub roots: Vec<RootReport>,
    /// Roots that could not be read at all; their hints stay.
    pub unavailable: Vec<String>,
    /// When the cut was taken: all that changed before is in the snapshot, as far as hints or full scans covered it.
    pub cut_at: Timestamp,
    pub entries: u64,
    pub bytes: u64,
    /// Small packs that became packs of their archive class.
    pub merged: Vec<MergedPacks>,
    /// What was asked of the target, as it bills it.
    pub requests: Requests,
}

/// What a run did with one root.
#[derive(Debug, Default)]
pub struct RootReport {
    pub id: String,
    /// In its tree now.
    pub entries: u64,
    pub bytes: u64,
    pub problems: Vec<Problem>,
    /// Directories where a full comparison found changes that no hint had announced; 0 where there was nothing to compare with.
    pub missed_by_watcher: u64,
    /// Directories that could not be read as one state: the journal has a hint of each that is younger than the cut.
    pub look_again: u64,
}
