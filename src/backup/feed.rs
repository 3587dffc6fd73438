//! The side of the pipeline where the scan is: what one slice found and did not read comes first in the next one, then the scan
//! goes on. So no more waits than the queue holds and one step finds, however often a slice ends.

use std::collections::VecDeque;

use super::deadline::Deadline;
use super::error::RunError;
use super::pipeline::{Flow, Halt, Sender, SliceContext, lock};
use super::progress::Progress;
use super::racy::mark_racy;
use super::reader::HalfRead;
use crate::model::Timestamp;
use crate::scan::{Found, ReadJob, Scan, ScanError};
use crate::tree::NodeSource;

/// What of a root is still to be done.
pub(super) struct Remaining<'a, N: NodeSource> {
    pub scan: Scan<'a, N>,
    is_scanned: bool,
    pub unread: Unread,
}

/// What was found and is in no tree yet.
#[derive(Default)]
pub(super) struct Unread {
    /// Goes on first.
    pub half: Option<HalfRead>,
    /// In the order of the walk.
    pub jobs: VecDeque<ReadJob>,
}

impl<'a, N: NodeSource> Remaining<'a, N> {
    pub fn new(scan: Scan<'a, N>) -> Self {
        Self { scan, is_scanned: false, unread: Unread::default() }
    }

    pub fn is_nothing(&self) -> bool {
        self.is_scanned && self.unread.is_empty()
    }
}

impl Unread {
    fn is_empty(&self) -> bool {
        self.half.is_none() && self.jobs.is_empty()
    }
}

/// Gives the reader the jobs of the slice before and what the scan finds until the slice is over: where no job waited, at least what
/// one step finds.
pub(super) fn feed<N: NodeSource>(
    context: &SliceContext<'_>,
    flow: &Flow<'_>,
    deadline: &Deadline,
    remaining: &mut Remaining<'_, N>,
    jobs: Sender<ReadJob>,
) where
    N::Error: std::fmt::Display,
{
    let clock = &context.backup.clock;
    let mut is_idle = remaining.unread.jobs.is_empty();
    for job in std::mem::take(&mut remaining.unread.jobs) {
        if jobs.send(job).is_err() {
            return;
        }
    }
    let mut sink = |found| {
        context.unannounced.iter().for_each(|unannounced| lock(unannounced).see(&found));
        let read_at = context.frozen_at.unwrap_or_else(|| clock.wall());
        take(context.progress, flow, &jobs, found, read_at).is_ok()
    };
    while !remaining.is_scanned && (std::mem::take(&mut is_idle) || !deadline.is_over()) {
        match remaining.scan.step(&mut sink) {
            Ok(more) => remaining.is_scanned = !more,
            Err(ScanError::Stopped) => return,
            Err(ScanError::Source(error)) => {
                flow.fail_source(error);
                return;
            }
            Err(ScanError::Tree(error)) => {
                flow.fail(RunError::LocalTree { root: context.root.to_owned(), what: error.to_string() });
                return;
            }
        }
    }
}

/// `read_at`: when it was read, or frozen.
fn take(
    progress: &Progress,
    flow: &Flow<'_>,
    jobs: &Sender<ReadJob>,
    found: Found,
    read_at: Timestamp,
) -> Result<(), Halt> {
    flow.check()?;
    match found {
        Found::Put { key, mut entry, .. } => {
            mark_racy(&mut entry, read_at);
            Progress::add(&progress.entries, 1);
            flow.put(key, entry)
        }
        Found::Read(job) => {
            Progress::add(&progress.entries, 1);
            jobs.send(job)
        }
        Found::Unchanged { bytes } => {
            Progress::add(&progress.entries, 1);
            Progress::add(&progress.bytes_unchanged, bytes);
            Ok(())
        }
        Found::Delete(key) => flow.delete(key),
        Found::DeleteBelow(dir) => flow.delete_below(dir),
        Found::Problem(problem) => {
            flow.problem(problem);
            Ok(())
        }
    }
}
