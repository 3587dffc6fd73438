//! The handle that rooms hold: cheap to clone, real or manual behind it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::manual::ManualClock;
use super::system::SystemClock;
use crate::model::Timestamp;

/// Time since an arbitrary start; comparable only within one [`Clock`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Monotonic(pub Duration);

impl Monotonic {
    /// Zero when `earlier` is in fact later.
    pub fn since(self, earlier: Monotonic) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Monotonic {
    type Output = Monotonic;

    fn add(self, delay: Duration) -> Monotonic {
        Monotonic(self.0.saturating_add(delay))
    }
}

pub(super) trait Source: Send + Sync {
    fn wall(&self) -> Timestamp;
    fn monotonic(&self) -> Monotonic;
    fn sleep(&self, duration: Duration);
    fn pause(&self, duration: Duration) -> Pause;
}

/// `Sync` as well: bodies of requests are made of it.
pub(super) type Pause = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Tells the time and waits.
#[derive(Clone)]
pub struct Clock(Arc<dyn Source>);

impl Clock {
    pub fn system() -> Self {
        Self(Arc::new(SystemClock))
    }

    /// A clock that stands still until its other half moves it.
    pub fn manual(start: Timestamp) -> (Self, ManualClock) {
        let manual = ManualClock::starting_at(start);
        (Self(Arc::new(manual.clone())), manual)
    }

    pub fn wall(&self) -> Timestamp {
        self.0.wall()
    }

    /// Wall time in milliseconds since 1970, as the journal keeps it.
    pub fn wall_ms(&self) -> i64 {
        let now = self.wall();
        now.secs.saturating_mul(1000).saturating_add(i64::from(now.nanos / 1_000_000))
    }

    pub fn monotonic(&self) -> Monotonic {
        self.0.monotonic()
    }

    /// Blocks the thread; on a manual clock it moves the time instead and returns at once.
    pub fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }

    /// As [`Clock::sleep`] for a task: to be awaited on a runtime with timers, which leave the time asleep out.
    pub async fn pause(&self, duration: Duration) {
        self.0.pause(duration).await;
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({:?})", self.wall())
    }
}
