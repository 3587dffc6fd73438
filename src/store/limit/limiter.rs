//! [`Limiter`]: the handle that all stores of a program share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::bucket::Bucket;
use crate::clock::Clock;
use crate::model::{Rates, Timestamp};

/// So often who waits asks which limit holds now.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Keeps the pace. Clones share it.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    clock: Clock,
    rates: Box<dyn Fn(Timestamp) -> Rates + Send + Sync>,
    upload: Mutex<Bucket>,
    download: Mutex<Bucket>,
    lifted: AtomicBool,
}

impl Limiter {
    /// `rates`: what holds at a moment; asked often.
    pub fn new(clock: Clock, rates: impl Fn(Timestamp) -> Rates + Send + Sync + 'static) -> Self {
        let (upload, download) = Default::default();
        Self(Arc::new(Inner { clock, rates: Box::new(rates), upload, download, lifted: AtomicBool::new(false) }))
    }

    /// What holds now.
    pub fn rates(&self) -> Rates {
        (self.0.rates)(self.0.clock.wall())
    }

    /// While it is lifted nothing waits: what is under way when the program stops must not hold it up.
    pub fn lift(&self, lifted: bool) {
        self.0.lifted.store(lifted, Ordering::Release);
    }

    /// Before `bytes` are sent.
    pub(super) fn before_upload(&self, bytes: u64) {
        self.pass(&self.0.upload, bytes, |rates| rates.upload);
    }

    /// Before `bytes` are read.
    pub(super) fn before_download(&self, bytes: u64) {
        self.pass(&self.0.download, bytes, |rates| rates.download);
    }

    fn pass(&self, bucket: &Mutex<Bucket>, bytes: u64, of: impl Fn(Rates) -> Option<u64>) {
        loop {
            let rate = if self.0.lifted.load(Ordering::Acquire) { None } else { of(self.rates()) };
            let now = self.0.clock.monotonic();
            let taken = bucket.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, rate, now);
            match taken {
                Ok(()) => return,
                Err(wait) => self.0.clock.sleep(wait.min(ASK_EVERY)),
            }
        }
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Limiter({:?})", self.rates())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(clock: &Clock) -> u64 {
        clock.monotonic().0.as_secs()
    }

    #[test]
    fn a_limit_that_changes_counts_at_once_for_what_waits_already() {
        let (clock, _) = Clock::manual(Timestamp::new(0, 0));
        // a slow day, and from second 10 on a free evening
        let limiter = Limiter::new(clock.clone(), |now| Rates { upload: (now.secs < 10).then_some(1), download: None });
        limiter.before_upload(1_000_000);
        assert_eq!(seconds(&clock), 0, "the first piece goes at once");
        limiter.before_upload(1);
        assert_eq!(seconds(&clock), 10, "and not after a million seconds");
        limiter.before_download(1 << 40);
        limiter.before_download(1 << 40);
        assert_eq!(seconds(&clock), 10, "the other direction has no limit");
    }

    #[test]
    fn a_limiter_that_is_lifted_holds_nothing_up() {
        let (clock, manual) = Clock::manual(Timestamp::new(0, 0));
        let limiter = Limiter::new(clock, |_| Rates { upload: Some(1), download: Some(1) });
        limiter.before_upload(1 << 40);
        limiter.lift(true);
        limiter.before_upload(1 << 40);
        assert!(manual.slept().is_empty());
    }
}
