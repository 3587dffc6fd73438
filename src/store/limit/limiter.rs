//! [`Limiter`]: the handle that all stores of a program share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::bucket::{Bucket, Ticket};
use crate::clock::Clock;
use crate::model::{Rates, Timestamp};

/// So often who waits asks which limit holds now.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// The largest piece, in bytes: what is read at a time anyway.
const LARGEST_PIECE: u64 = 256 << 10;
/// The smallest piece, in bytes. Smaller ones would cost more in packets than they hold.
const SMALLEST_PIECE: u64 = 1 << 10;
/// Pieces in a second where the limits of their size allow. Servers give up a body of which nothing came for some 20
/// seconds, and a dozen bodies may share a limit.
const PIECES_A_SECOND: u64 = 32;

/// Keeps the pace. Clones share it.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    clock: Clock,
    rates: Box<dyn Fn(Timestamp) -> Rates + Send + Sync>,
    upload: Mutex<Bucket>,
    download: Mutex<Bucket>,
    sent: AtomicU64,
    stop: Arc<AtomicBool>,
}

/// Seen from this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store) enum Direction {
    Upload,
    Download,
}

impl Limiter {
    /// `rates`: what holds at a moment; asked often.
    pub fn new(clock: Clock, rates: impl Fn(Timestamp) -> Rates + Send + Sync + 'static) -> Self {
        Self::stopped_by(Arc::default(), clock, rates)
    }

    /// While `stop` is set, stores with this limiter send nothing new ([`crate::store::StoreError::Stopped`]), and nobody
    /// waits here any more: a body that waits for its turn ends where it is.
    pub fn stopped_by(
        stop: Arc<AtomicBool>,
        clock: Clock,
        rates: impl Fn(Timestamp) -> Rates + Send + Sync + 'static,
    ) -> Self {
        let (upload, download, sent) = Default::default();
        Self(Arc::new(Inner { clock, rates: Box::new(rates), upload, download, sent, stop }))
    }

    /// Holds nothing up.
    pub fn unlimited() -> Self {
        Self::new(Clock::system(), |_| Rates::default())
    }

    /// What holds now.
    pub fn rates(&self) -> Rates {
        (self.0.rates)(self.0.clock.wall())
    }

    /// The wish to stop, to be set and taken back; see [`Limiter::stopped_by`].
    pub fn stop(&self) -> &Arc<AtomicBool> {
        &self.0.stop
    }

    /// Bytes of bodies that went to targets with this limiter so far, those that were sent again counted again.
    pub fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    pub(in crate::store) fn is_stopped(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }

    /// How many bytes are to go at once now.
    pub(in crate::store) fn piece(&self, direction: Direction) -> usize {
        let piece = self.rate(direction).map_or(LARGEST_PIECE, |rate| rate / PIECES_A_SECOND);
        usize::try_from(piece.clamp(SMALLEST_PIECE, LARGEST_PIECE)).expect("it is clamped to what fits")
    }

    /// Returns when so many bytes may have gone, piece by piece; the last one goes now. At once when the program stops.
    pub(in crate::store) fn pass(&self, direction: Direction, bytes: u64) {
        let mut left = bytes;
        while left > 0 {
            let piece = left.min(self.piece(direction) as u64);
            let ticket = self.book(direction, piece);
            while let Some(wait) = self.wait(direction, ticket) {
                self.0.clock.sleep(wait);
            }
            self.count(direction, piece);
            left -= piece;
        }
    }

    /// The same for one piece, without holding up the thread. Whoever polls it is woken every half second at least, and
    /// then asks [`Limiter::is_stopped`] before anything is sent.
    pub(in crate::store) async fn passing(self, direction: Direction, piece: u64) {
        let ticket = self.book(direction, piece);
        while let Some(wait) = self.wait(direction, ticket) {
            self.0.clock.pause(wait).await;
        }
        self.count(direction, piece);
    }

    fn count(&self, direction: Direction, bytes: u64) {
        if direction == Direction::Upload {
            self.0.sent.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Waits so long, or until the program stops.
    pub(in crate::store) fn sleep(&self, clock: &Clock, delay: Duration) {
        let mut left = delay;
        while !left.is_zero() && !self.is_stopped() {
            let piece = left.min(ASK_EVERY);
            clock.sleep(piece);
            left -= piece;
        }
    }

    fn book(&self, direction: Direction, bytes: u64) -> Ticket {
        let (rate, now) = (self.rate(direction), self.0.clock.monotonic());
        self.bucket(direction).book(bytes, rate, now)
    }

    fn wait(&self, direction: Direction, ticket: Ticket) -> Option<Duration> {
        let (rate, now) = (self.rate(direction), self.0.clock.monotonic());
        self.bucket(direction).wait(ticket, rate, now).map(|wait| wait.min(ASK_EVERY))
    }

    fn rate(&self, direction: Direction) -> Option<u64> {
        if self.is_stopped() {
            return None;
        }
        let rates = self.rates();
        match direction {
            Direction::Upload => rates.upload,
            Direction::Download => rates.download,
        }
    }

    fn bucket(&self, direction: Direction) -> MutexGuard<'_, Bucket> {
        let bucket = match direction {
            Direction::Upload => &self.0.upload,
            Direction::Download => &self.0.download,
        };
        bucket.lock().unwrap_or_else(PoisonError::into_inner)
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
    use Direction::{Download, Upload};

    fn seconds(clock: &Clock) -> u64 {
        clock.monotonic().0.as_secs()
    }

    fn limiter(clock: &Clock, upload: u64) -> Limiter {
        Limiter::new(clock.clone(), move |_| Rates { upload: Some(upload), download: None })
    }

    #[test]
    fn a_limit_that_changes_counts_at_once_for_what_waits_already() {
        let (clock, _) = Clock::manual(Timestamp::new(0, 0));
        // a slow day, and from second 10 on a free evening
        let limiter = Limiter::new(clock.clone(), |now| Rates { upload: (now.secs < 10).then_some(1), download: None });
        limiter.pass(Upload, 1);
        assert_eq!(seconds(&clock), 0, "the first piece goes at once");
        limiter.pass(Upload, 1_000_000);
        assert_eq!(seconds(&clock), 10, "and not after a million seconds");
        limiter.pass(Download, 1 << 40);
        assert_eq!(seconds(&clock), 10, "the other direction has no limit");
    }

    #[test]
    fn who_waits_is_let_go_when_the_program_stops() {
        let (clock, manual) = Clock::manual(Timestamp::new(0, 0));
        let limiter = limiter(&clock, 1);
        limiter.pass(Upload, 1);
        limiter.stop().store(true, Ordering::Relaxed);
        limiter.pass(Upload, 1 << 30);
        limiter.sleep(&clock, Duration::from_secs(15));
        assert!(manual.slept().is_empty());
    }

    #[test]
    fn whoever_waits_for_long_asks_often_whether_the_program_stops() {
        let (clock, manual) = Clock::manual(Timestamp::new(0, 0));
        limiter(&clock, 1).sleep(&clock, Duration::from_millis(14_200));
        assert_eq!(clock.monotonic().0, Duration::from_millis(14_200));
        assert!(manual.slept().iter().all(|slept| *slept <= ASK_EVERY));
    }

    #[test]
    fn many_bytes_go_in_pieces_and_who_waits_looks_at_the_limit_again() {
        let (clock, manual) = Clock::manual(Timestamp::new(0, 0));
        limiter(&clock, 1 << 20).pass(Upload, 10 << 20);
        assert_eq!(seconds(&clock), 9, "all but the last piece are paid for");
        let longest = manual.slept().into_iter().max().unwrap();
        assert!(longest <= Duration::from_secs(1) / u32::try_from(PIECES_A_SECOND).unwrap(), "{longest:?}");
        limiter(&clock, 1).pass(Upload, 2 << 10);
        assert!(manual.slept().iter().all(|slept| *slept <= ASK_EVERY));
    }

    #[test]
    fn pieces_are_small_where_the_limit_is() {
        let (clock, _) = Clock::manual(Timestamp::new(0, 0));
        let piece = |rate| limiter(&clock, rate).piece(Upload);
        assert_eq!([1, 100_000, 1 << 20, 1 << 40].map(piece), [1 << 10, 3125, 32 << 10, 256 << 10]);
        assert_eq!(limiter(&clock, 1).piece(Download), 256 << 10);
    }
}
