//! After a failure: wait longer each time, and not all machines at the same moment.

use std::time::Duration;

use crate::model::{Problem, Timestamp};

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The run failed, perhaps several times: one setback, one problem, however many tries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Setback {
    pub(super) kind: SetbackKind,
    /// The target has said for certain that the repository is not there. Only one that is there again takes that back.
    pub(super) is_gone: bool,
    pub(super) since: Timestamp,
    pub(super) attempts: u32,
    /// Of the monotonic clock; no run by itself before.
    pub(super) retry_at: Duration,
    pub(super) problem: Problem,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SetbackKind {
    Target,
    Run,
}

/// Half to all of a delay that doubles up to a quarter of an hour.
pub(super) fn delay(attempt: u32, jitter: &mut Jitter) -> Duration {
    let full = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(20)).min(LONGEST);
    full / 2 + full.mul_f64(jitter.fraction() / 2.0)
}

/// splitmix64: spreads retries, protects nothing.
#[derive(Clone, Debug)]
pub(super) struct Jitter(pub(super) u64);

impl Jitter {
    /// 0 ≤ x < 1
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_within_their_jitter_up_to_a_bound() {
        let mut jitter = Jitter(7);
        for attempt in 1..100 {
            let full = (FIRST * 2u32.pow((attempt - 1).min(8))).min(LONGEST);
            let delay = delay(attempt, &mut jitter);
            assert!(full / 2 <= delay && delay <= full, "attempt {attempt}: {delay:?}");
        }
    }
}
