//! Sends the parts that have no receipt, a bounded number at the same time. A receipt is in the journal before the next
//! part of the same thread begins: whatever stops the process costs at most what had arrived of the parts in flight.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::UploadError;
use super::layout::Layout;
use super::parts::row_of;
use super::spool::is_verdict;
use super::state::Event;
use crate::fault;
use crate::journal::Journal;
use crate::model::ObjectHash;
use crate::store::{PartSource, Store, StoreError, Upload};

/// The missing parts of one upload.
pub(super) struct Shipment<'a> {
    store: &'a Store,
    journal: &'a Journal,
    upload: &'a Upload,
    pack: &'a ObjectHash,
    path: &'a Path,
    layout: Layout,
    missing: Vec<u32>,
    /// Index of the next one to send.
    next: AtomicUsize,
    stopped: AtomicBool,
}

/// Why a thread sends no more parts.
enum Stop {
    Answered(Event),
    Failed(UploadError),
}

impl<'a> Shipment<'a> {
    pub(super) fn new(
        store: &'a Store,
        journal: &'a Journal,
        upload: &'a Upload,
        pack: &'a ObjectHash,
        path: &'a Path,
        layout: Layout,
        missing: Vec<u32>,
    ) -> Self {
        let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { store, journal, upload, pack, path, layout, missing, next, stopped }
    }

    /// On an error the parts in flight are still brought to their end and recorded.
    pub(super) fn send(&self, in_flight: usize) -> Result<Event, UploadError> {
        let lanes = in_flight.min(self.missing.len());
        let ends: Vec<Result<(), Stop>> = thread::scope(|scope| {
            let spawn = |_| thread::Builder::new().name("part".into()).spawn_scoped(scope, || self.lane());
            // without threads to be had, fewer parts are in flight
            let others: Vec<_> = (1..lanes).map_while(|number| spawn(number).ok()).collect();
            let own = self.lane();
            let others =
                others.into_iter().map(|lane| lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            others.chain([own]).collect()
        });
        outcome(ends)
    }

    fn lane(&self) -> Result<(), Stop> {
        while !self.stopped.load(Ordering::Relaxed) {
            let Some(number) = self.missing.get(self.next.fetch_add(1, Ordering::Relaxed)) else { break };
            self.part(*number).inspect_err(|_| self.stopped.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    }

    fn part(&self, number: u32) -> Result<(), Stop> {
        let (offset, len) = self.layout.range(number);
        let source = PartSource { path: self.path, offset, len };
        let receipt = self.store.put_part(self.upload, number, source).map_err(|error| self.stop(error))?;
        fault::point("upload.part");
        let recorded = self.journal.part_sent(self.pack, &row_of(receipt));
        recorded.map_err(|error| Stop::Failed(UploadError::of_journal(&self.upload.name, error)))
    }

    fn stop(&self, error: StoreError) -> Stop {
        match error {
            StoreError::UploadGone { .. } => Stop::Answered(Event::UploadGone),
            StoreError::Spool { source, .. } if is_verdict(&source) => Stop::Answered(Event::SpoolUnusable),
            error => Stop::Failed(UploadError::of_target(&self.upload.name, error)),
        }
    }
}

/// An answer that leads on counts more than an error that may go away.
fn outcome(ends: Vec<Result<(), Stop>>) -> Result<Event, UploadError> {
    let mut failed = None;
    for end in ends {
        match end {
            Ok(()) => {}
            Err(Stop::Answered(event)) => return Ok(event),
            Err(Stop::Failed(error)) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(Event::AllSent), Err)
}
