//! Writing down what the target will bill for.

use std::sync::{Mutex, PoisonError};

use super::agent::Backup;
use crate::journal::{JournalError, RequestCount, RunId};
use crate::store::Requests;

/// What the store had counted when somebody looked last. What opening the repository took belongs to the first run.
#[derive(Debug, Default)]
pub(super) struct Counted(Mutex<Requests>);

impl Counted {
    fn advance(&self, now: Requests) -> Requests {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = now.since(&last);
        *last = now;
        new
    }
}

/// Requests since the last call belong to this run. Not being able to write them down makes no run fail.
pub(super) fn count_requests(backup: &Backup, run: RunId) -> Requests {
    let new = backup.counted.advance(backup.store.requests());
    if let Err(error) = write_down(backup, run, &new) {
        tracing::warn!(%error, "what the run asked of the target is missing in `rozenctl cost`");
    }
    new
}

fn write_down(backup: &Backup, run: RunId, new: &Requests) -> Result<(), JournalError> {
    if new.counts.is_empty() {
        return Ok(());
    }
    let rows = new.counts.iter().map(|((verb, class), count)| RequestCount {
        verb: verb.code().to_owned(),
        class: *class,
        count: *count,
    });
    backup.journal.add_requests(run, &rows.collect::<Vec<_>>(), backup.clock.wall_ms())
}
