//! What was booked and is not paid for yet: the pure part, time as an argument.

use std::time::Duration;

use crate::clock::Monotonic;

const NANOS: u128 = 1_000_000_000;

/// One direction. Pieces go in the order in which they were booked: no thread starves, however many there are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// Bytes of all pieces so far.
    booked: u64,
    /// How many of them are paid for.
    paid: u64,
    /// Up to here time has paid.
    paid_until: Monotonic,
}

/// The place of a piece in the row: it goes when all before it are paid for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket(u64);

impl Bucket {
    /// A piece that is given up after this costs its time all the same.
    pub(super) fn book(&mut self, bytes: u64, rate: Option<u64>, now: Monotonic) -> Ticket {
        self.pay(rate, now);
        let ticket = Ticket(self.booked);
        self.booked += bytes;
        ticket
    }

    /// How long it takes at this rate until the piece may go; `None`: it goes now.
    pub(super) fn wait(&mut self, ticket: Ticket, rate: Option<u64>, now: Monotonic) -> Option<Duration> {
        self.pay(rate, now);
        let unpaid = ticket.0.checked_sub(self.paid).filter(|bytes| *bytes > 0)?;
        rate.map(|rate| time_for(unpaid, rate))
    }

    /// Time that passed pays at the rate that holds now; time with nothing to pay is lost, so that no burst is saved up.
    fn pay(&mut self, rate: Option<u64>, now: Monotonic) {
        let debt = self.booked - self.paid;
        let passed = now.since(self.paid_until).as_nanos();
        let earned = rate.map(|rate| (rate, passed.saturating_mul(u128::from(rate)) / NANOS));
        match earned {
            Some((rate, bytes)) if bytes < u128::from(debt) => {
                let bytes = u64::try_from(bytes).expect("less than a debt of u64");
                self.paid += bytes;
                // what is left of a byte stays for the next time
                self.paid_until = self.paid_until + time_for(bytes, rate);
            }
            _ => (self.paid, self.paid_until) = (self.booked, now.max(self.paid_until)),
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

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn what_comes_next_waits_until_what_went_is_paid() {
        let mut bucket = Bucket::default();
        let first = bucket.book(1000, Some(100), at(5000));
        assert_eq!(bucket.wait(first, Some(100), at(5000)), None);
        let second = bucket.book(500, Some(100), at(5000));
        assert_eq!(bucket.wait(second, Some(100), at(5000)), seconds(10));
        assert_eq!(bucket.wait(second, Some(100), at(14_000)), seconds(1));
        assert_eq!(bucket.wait(second, Some(100), at(15_000)), None);
        let third = bucket.book(1, Some(100), at(15_001));
        assert_eq!(bucket.wait(third, Some(100), at(15_001)), seconds(5), "a rest of a byte is kept");
    }

    #[test]
    fn pieces_go_in_the_order_in_which_they_came() {
        let mut bucket = Bucket::default();
        let tickets = [10, 20, 30, 40].map(|bytes| bucket.book(bytes, Some(10), at(0)));
        let waits = tickets.map(|ticket| bucket.wait(ticket, Some(10), at(0)));
        assert_eq!(waits, [None, seconds(1), seconds(3), seconds(6)]);
    }

    #[test]
    fn another_rate_counts_for_the_debt_that_is_left() {
        let mut bucket = Bucket::default();
        bucket.book(1000, Some(10), at(0));
        let next = bucket.book(1, Some(10), at(0));
        assert_eq!(bucket.wait(next, Some(10), at(1000)), seconds(99));
        assert_eq!(bucket.wait(next, Some(990), at(1000)), seconds(1));
        assert_eq!(bucket.wait(next, None, at(1000)), None, "no limit, no wait");
        let later = bucket.book(7, Some(1), at(1000));
        assert_eq!(bucket.wait(later, Some(1), at(1000)), None, "and no debt");
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
                let ticket = bucket.book(bytes, Some(rate), Monotonic(now));
                while let Some(wait) = bucket.wait(ticket, Some(rate), Monotonic(now)) {
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
