//! What was sent and is not paid for yet: the pure part, time as an argument.

use std::time::Duration;

use crate::clock::Monotonic;

const NANOS: u128 = 1_000_000_000;

/// One direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    debt: u64,
    /// Up to here time has paid.
    paid_until: Monotonic,
}

impl Bucket {
    /// Books `bytes` and lets them go, or says how long the debt of those before them still lasts.
    pub(super) fn take(&mut self, bytes: u64, rate: Option<u64>, now: Monotonic) -> Result<(), Duration> {
        let Some(rate) = rate else {
            *self = Self { debt: 0, paid_until: now };
            return Ok(());
        };
        self.pay(rate, now);
        if self.debt > 0 {
            return Err(time_for(self.debt, rate));
        }
        self.debt = bytes;
        Ok(())
    }

    /// Time that passed pays at the rate that holds now; time with nothing to pay is lost, so that no burst is saved up.
    fn pay(&mut self, rate: u64, now: Monotonic) {
        let passed = now.since(self.paid_until).as_nanos();
        let bytes = passed.saturating_mul(u128::from(rate)) / NANOS;
        if bytes >= u128::from(self.debt) {
            *self = Self { debt: 0, paid_until: now };
        } else {
            let bytes = u64::try_from(bytes).expect("less than a debt of u64");
            self.debt -= bytes;
            // what is left of a byte stays for the next time
            self.paid_until = self.paid_until + time_for(bytes, rate);
        }
    }
}

/// Rounded up: a nanosecond longer never lets more through.
fn time_for(bytes: u64, rate: u64) -> Duration {
    let nanos = (u128::from(bytes) * NANOS).div_ceil(u128::from(rate.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic(Duration::from_millis(millis))
    }

    #[test]
    fn what_comes_next_waits_until_what_went_is_paid() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(1000, Some(100), at(5000)), Ok(()));
        assert_eq!(bucket.take(1, Some(100), at(5000)), Err(Duration::from_secs(10)));
        assert_eq!(bucket.take(1, Some(100), at(14_000)), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(500, Some(100), at(15_000)), Ok(()));
        assert_eq!(
            bucket.take(500, Some(100), at(15_001)),
            Err(Duration::from_millis(5000)),
            "a rest of a byte is kept"
        );
    }

    #[test]
    fn another_rate_counts_for_the_debt_that_is_left() {
        let mut bucket = Bucket::default();
        bucket.take(1000, Some(10), at(0)).unwrap();
        assert_eq!(bucket.take(1, Some(10), at(1000)), Err(Duration::from_secs(99)));
        assert_eq!(bucket.take(1, Some(990), at(1000)), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(1, None, at(1000)), Ok(()), "no limit, no wait");
        assert_eq!(bucket.take(7, Some(1), at(1000)), Ok(()), "and no debt");
    }

    proptest::proptest! {
        #[test]
        fn never_more_than_the_rate_and_one_piece(
            rate in 1u64..10_000_000,
            pieces in proptest::collection::vec((0u64..1_000_000, 0u64..3000), 1..200),
        ) {
            let mut bucket = Bucket::default();
            let mut now = Duration::ZERO;
            let mut went = 0u128;
            for (bytes, pause) in pieces {
                now += Duration::from_millis(pause);
                while let Err(wait) = bucket.take(bytes, Some(rate), Monotonic(now)) {
                    now += wait;
                }
                // those before this one are paid for
                let allowed = now.as_nanos() * u128::from(rate) / NANOS;
                proptest::prop_assert!(went <= allowed, "{went} bytes after {now:?} at {rate}/s");
                went += u128::from(bytes);
            }
        }
    }
}
