//! The run under way.

use std::collections::BTreeMap;

use super::requests::Request;
use super::root::Taken;
use super::{Cut, Progress, RootPlan};
use crate::model::{Problem, RootId, Seq, Timestamp};
use crate::status::{BackupAnswer, RunReason, RunStatus};

#[derive(Debug)]
pub(super) struct Running {
    pub(super) reason: RunReason,
    pub(super) roots: Vec<RootPlan>,
    /// Roots that could not be read when it began, and why: they are not in it, though somebody may have asked for them.
    pub(super) away: Vec<(RootId, Vec<Problem>)>,
    pub(super) started: Timestamp,
    pub(super) cut: Option<Cut>,
    pub(super) taken: BTreeMap<RootId, Taken>,
    /// Answered when it ends.
    pub(super) serves: Vec<Request>,
    pub(super) progress: Progress,
    pub(super) cancelled: bool,
}

impl Running {
    pub(super) fn works_on(&self, root: &RootId) -> bool {
        self.roots.iter().any(|plan| plan.root == *root)
    }

    pub(super) fn status(&self) -> RunStatus {
        let Progress { phase, entries, bytes, bytes_per_second } = self.progress;
        RunStatus {
            reason: self.reason,
            roots: self.roots.iter().map(|plan| plan.root.clone()).collect(),
            started: self.started,
            phase,
            entries,
            bytes,
            bytes_per_second,
            eta_seconds: RunStatus::eta(bytes, bytes_per_second),
        }
    }
}

/// What one request hears of a run that ended well: its own problems, and those of the roots that were asked for.
pub(super) fn answer_done(
    request: &Request,
    snapshot: Option<Seq>,
    found: &[(RootId, Vec<Problem>)],
    of_run: &[Problem],
) -> BackupAnswer {
    let asked = found.iter().filter(|(root, _)| request.roots.contains(root));
    let problems = of_run.iter().chain(asked.flat_map(|(_, problems)| problems)).cloned().collect();
    BackupAnswer::Done { snapshot, problems }
}
