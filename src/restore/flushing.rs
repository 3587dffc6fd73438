//! What was restored goes to the disk while the rest is still being written: at the end, when all of it must be there, little
//! is left to wait for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::source::DestinationError;

/// Often enough that little is left at the end, seldom enough that a journal is not written for every file.
const STEP: u64 = 64 << 20;

/// How much of one destination was written and flushed.
#[derive(Default)]
pub(super) struct Flushing {
    written: AtomicU64,
    /// Bytes for which a flush was asked.
    asked: AtomicU64,
    failure: Mutex<Option<DestinationError>>,
}

/// Asks for flushes; held by each worker. When the last one is gone, [`Flushing::run`] ends.
#[derive(Clone)]
pub(super) struct Asker(SyncSender<()>);

/// One that waits is enough: it comes after all that was written before.
pub(super) fn asker() -> (Asker, Receiver<()>) {
    let (asker, asked) = sync_channel(1);
    (Asker(asker), asked)
}

impl Flushing {
    /// Bytes that the kernel took.
    pub fn wrote(&self, bytes: u64) {
        self.written.fetch_add(bytes, Relaxed);
    }

    pub fn ask_if_due(&self, asker: &Asker) {
        let (written, asked) = (self.written.load(Relaxed), self.asked.load(Relaxed));
        if written >= asked.saturating_add(STEP)
            && self.asked.compare_exchange(asked, written, Relaxed, Relaxed).is_ok()
        {
            let _ = asker.0.try_send(());
        }
    }

    /// Flushes when it is asked, not any more when the restore stops: whoever pressed Ctrl-C does not wait for a slow disk.
    pub fn run(
        &self,
        asked: &Receiver<()>,
        is_stopped: impl Fn() -> bool,
        flush: impl Fn() -> Result<(), DestinationError>,
    ) {
        for () in asked {
            if is_stopped() {
                return;
            }
            self.note(flush());
        }
    }

    /// The first failure is kept: the kernel tells it once, so the flushes after it do not know.
    pub fn note(&self, flushed: Result<(), DestinationError>) {
        if let Err(error) = flushed {
            self.failure.lock().expect("nothing panics while it is held").get_or_insert(error);
        }
    }

    pub fn into_failure(self) -> Option<DestinationError> {
        self.failure.into_inner().expect("nothing panics while it is held")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_flush_is_due_after_each_step_and_only_one_waits() {
        let ((asker, asked), flushing) = (asker(), Flushing::default());
        let due = |more| {
            flushing.wrote(more);
            flushing.ask_if_due(&asker);
            asked.try_recv().is_ok()
        };
        assert!(!due(STEP - 1));
        assert!(due(6));
        assert!(!due(STEP - 1));
        assert!(due(1));
        for _ in 0..3 {
            flushing.wrote(STEP);
            flushing.ask_if_due(&asker);
        }
        assert!(asked.try_recv().is_ok() && asked.try_recv().is_err());
    }

    #[test]
    fn the_first_failure_is_kept_and_a_stopped_restore_flushes_no_more() {
        let ((asker, asked), flushing, calls) = (asker(), Flushing::default(), Cell::new(0));
        let flush = || {
            calls.set(calls.get() + 1);
            let path = PathBuf::from(format!("/{}", calls.get()));
            Err(DestinationError::Root { path, source: std::io::ErrorKind::Other.into() })
        };
        asker.0.try_send(()).unwrap();
        let done = || calls.get() == 1;
        std::thread::scope(|scope| {
            // one flush, one more that is asked for while the restore stops
            scope.spawn(move || asker.0.send(()).unwrap());
            flushing.run(&asked, done, flush);
        });
        flushing.note(flush());
        assert_eq!(calls.get(), 2);
        let told = flushing.into_failure().unwrap();
        assert!(matches!(told, DestinationError::Root { ref path, .. } if path.to_str() == Some("/1")), "{told:?}");
    }
}
