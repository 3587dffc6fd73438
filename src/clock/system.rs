//! The clocks of the kernel.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::handle::{Monotonic, Pause, Source};
use crate::model::Timestamp;

/// Counts time asleep, so that a delay that passed while the lid was closed is over.
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::Monotonic;

pub(super) struct SystemClock;

impl Source for SystemClock {
    fn wall(&self) -> Timestamp {
        let now = clock_gettime(ClockId::Realtime);
        Timestamp::new(now.tv_sec, nanos(now.tv_nsec))
    }

    fn monotonic(&self) -> Monotonic {
        let now = clock_gettime(STEADY);
        let secs = u64::try_from(now.tv_sec).expect("a clock that starts at zero and grows is never negative");
        Monotonic(Duration::new(secs, nanos(now.tv_nsec)))
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn pause(&self, duration: Duration) -> Pause {
        // made when it is awaited: only then there is a runtime
        Box::pin(async move { tokio::time::sleep(duration).await })
    }
}

fn nanos(nsec: impl TryInto<u32>) -> u32 {
    nsec.try_into().unwrap_or_else(|_| unreachable!("the kernel keeps nanoseconds below one billion"))
}
