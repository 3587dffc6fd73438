//! What was restored goes to the disk while the rest is still being written: at the end, when all of it must be there, little
//! is left to wait for.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::RestoreError;
use super::context::Context;

/// Often enough that little is left at the end, seldom enough that a journal is not written for every file.
const STEP: u64 = 64 << 20;

/// Held by each worker. When the last is gone, the thread that flushes ends.
#[derive(Clone)]
pub(super) struct Flusher(SyncSender<()>);

/// Bytes of the restore for which a flush was asked.
#[derive(Default)]
pub(super) struct Flushed(AtomicU64);

pub(super) fn flusher() -> (Flusher, Receiver<()>) {
    // one that waits is enough: it comes after all that was written before
    let (due, flushes) = sync_channel(1);
    (Flusher(due), flushes)
}

impl Flusher {
    /// `done`: bytes of the restore so far.
    pub fn advance(&self, flushed: &Flushed, done: u64) {
        let last = flushed.0.load(Relaxed);
        if done >= last.saturating_add(STEP) && flushed.0.compare_exchange(last, done, Relaxed, Relaxed).is_ok() {
            let _ = self.0.try_send(());
        }
    }
}

/// A failed flush ends the restore: the kernel tells it once, so the last flush would not know.
pub(super) fn flush(context: &Context<'_>, flushes: &Receiver<()>) {
    for () in flushes {
        if let Err(error) = context.destination.sync() {
            context.stop(RestoreError::Destination(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_is_due_after_each_step_and_only_one_waits() {
        let ((flusher, flushes), flushed) = (flusher(), Flushed::default());
        let due = |done| {
            flusher.advance(&flushed, done);
            flushes.try_recv().is_ok()
        };
        assert!(!due(STEP - 1));
        assert!(due(STEP + 5));
        assert!(!due(2 * STEP + 4));
        assert!(due(2 * STEP + 5));
        flusher.advance(&flushed, 4 * STEP);
        flusher.advance(&flushed, 6 * STEP);
        assert!(flushes.try_recv().is_ok() && flushes.try_recv().is_err());
    }

    #[test]
    fn without_workers_the_flushes_end() {
        let (flusher, flushes) = flusher();
        let other = flusher.clone();
        drop((flusher, other));
        assert_eq!(flushes.iter().count(), 0);
    }
}
