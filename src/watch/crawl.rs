//! What is still to be armed: jobs (a subtree and why) and the stack of directories that they have left.
//!
//! The stack is last in, first out, so that a new directory is armed before a long first crawl goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hint::{Reason, RootKey};
use super::tree::Parent;
use crate::model::RelPath;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct JobId(u64);

/// A subtree that is being armed.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub parent: Parent,
    pub name: Arc<[u8]>,
    pub root: RootKey,
    pub reason: Reason,
    /// Descend also into directories whose watch stands already: after events were lost.
    pub force: bool,
    left: usize,
}

/// One directory to visit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    /// Watch it, list it, go on below.
    Arm { job: JobId, parent: Parent, name: Arc<[u8]>, no_events: bool },
    /// No watch was left for `gap`: only count what is below it.
    Count { job: JobId, root: RootKey, dir: RelPath, gap: Arc<RelPath> },
}

impl Entry {
    pub(super) fn job(&self) -> JobId {
        match self {
            Entry::Arm { job, .. } | Entry::Count { job, .. } => *job,
        }
    }
}

#[derive(Default, Debug)]
pub(super) struct Crawl {
    jobs: BTreeMap<JobId, Job>,
    open: Vec<Entry>,
    next: u64,
}

impl Crawl {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn is_arming(&self, root: RootKey) -> bool {
        self.jobs.values().any(|job| job.root == root)
    }

    /// The subtrees whose watches do not all stand yet.
    pub(super) fn unfinished(&self) -> Vec<Job> {
        self.jobs.values().cloned().collect()
    }

    /// Forgets all jobs: only right when the same subtrees, or larger ones, are begun anew.
    pub(super) fn clear(&mut self) {
        self.jobs.clear();
        self.open.clear();
    }

    pub(super) fn begin(&mut self, parent: Parent, name: Arc<[u8]>, root: RootKey, reason: Reason, force: bool) {
        let job = JobId(self.next);
        self.next += 1;
        self.jobs.insert(job, Job { parent, name: name.clone(), root, reason, force, left: 0 });
        self.push(Entry::Arm { job, parent, name, no_events: false });
    }

    pub(super) fn push(&mut self, entry: Entry) {
        if let Some(job) = self.jobs.get_mut(&entry.job()) {
            job.left += 1;
            self.open.push(entry);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.open.pop()
    }

    pub(super) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// One popped entry is done (after its children were pushed). Gives the job when it was the last.
    pub(super) fn done(&mut self, id: JobId) -> Option<Job> {
        let job = self.jobs.get_mut(&id)?;
        job.left -= 1;
        if job.left > 0 {
            return None;
        }
        self.jobs.remove(&id)
    }
}
