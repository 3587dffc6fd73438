//! The clock of tests: it moves when told to, and remembers every sleep.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::handle::{Monotonic, Pause, Source};
use crate::model::Timestamp;

#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    wall: Timestamp,
    monotonic: Monotonic,
    slept: Vec<Duration>,
}

impl ManualClock {
    pub(super) fn starting_at(wall: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Hands { wall, monotonic: Monotonic::default(), slept: Vec::new() })))
    }

    /// Both clocks move on.
    pub fn advance(&self, duration: Duration) {
        self.hands().advance(duration);
    }

    /// The wall clock jumps, forwards or back; monotonic time does not notice.
    pub fn set_wall(&self, wall: Timestamp) {
        self.hands().wall = wall;
    }

    /// All sleeps so far, in order.
    pub fn slept(&self) -> Vec<Duration> {
        self.hands().slept.clone()
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hands {
    fn advance(&mut self, duration: Duration) {
        self.monotonic = self.monotonic + duration;
        let nanos = self.wall.nanos + duration.subsec_nanos();
        let secs = self.wall.secs.saturating_add_unsigned(duration.as_secs() + u64::from(nanos / 1_000_000_000));
        self.wall = Timestamp::new(secs, nanos % 1_000_000_000);
    }
}

impl Source for ManualClock {
    fn wall(&self) -> Timestamp {
        self.hands().wall
    }

    fn monotonic(&self) -> Monotonic {
        self.hands().monotonic
    }

    fn sleep(&self, duration: Duration) {
        let mut hands = self.hands();
        hands.advance(duration);
        hands.slept.push(duration);
    }

    fn pause(&self, duration: Duration) -> Pause {
        let clock = self.clone();
        Box::pin(async move { clock.sleep(duration) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Clock;
    use super::*;

    #[test]
    fn a_sleep_moves_both_clocks_and_is_remembered() {
        let (clock, manual) = Clock::manual(Timestamp::new(10, 999_999_999));
        clock.sleep(Duration::from_nanos(1));
        manual.advance(Duration::from_millis(1500));
        assert_eq!(clock.wall(), Timestamp::new(12, 500_000_000));
        assert_eq!(clock.wall_ms(), 12_500);
        assert_eq!(clock.monotonic(), Monotonic(Duration::from_nanos(1_500_000_001)));
        assert_eq!(manual.slept(), [Duration::from_nanos(1)]);
    }

    #[test]
    fn a_jump_of_the_wall_clock_leaves_monotonic_time_alone() {
        let (clock, manual) = Clock::manual(Timestamp::new(1_000, 0));
        manual.set_wall(Timestamp::new(-5, 0));
        assert_eq!((clock.wall().secs, clock.monotonic()), (-5, Monotonic::default()));
    }
}
