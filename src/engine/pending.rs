//! The hints of one root that wait, as far as the engine must know them: how many, how old, up to which number.

use std::collections::VecDeque;
use std::time::Duration;

use super::HintSeq;

/// So many batches are told apart; older ones flow together, towards more work and never less.
const MAX_BATCHES: usize = 64;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Batch {
    newest: HintSeq,
    count: u64,
    stored: Duration,
}

/// In the order in which they were stored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Pending {
    batches: VecDeque<Batch>,
    last: Duration,
}

impl Pending {
    pub(super) fn add(&mut self, count: u64, newest: HintSeq, now: Duration) {
        self.batches.push_back(Batch { newest, count, stored: now });
        self.last = now;
        self.squeeze();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) fn count(&self) -> u64 {
        self.batches.iter().map(|batch| batch.count).sum()
    }

    /// When a run is due: after quiet, at the latest when the oldest is `max_delay` old.
    pub(super) fn due(&self, settle: Duration, max_delay: Duration) -> Option<Duration> {
        let oldest = self.batches.front()?.stored;
        Some((self.last + settle).min(oldest + max_delay))
    }

    /// Those that a cut took over. A batch with one hint after the cut stays as a whole.
    pub(super) fn take_upto(&mut self, cut: HintSeq) -> Pending {
        let (taken, left) = self.batches.drain(..).partition(|batch| batch.newest <= cut);
        self.batches = left;
        Pending { batches: taken, last: self.last }
    }

    /// A run did not store them: they wait again, as old as they are.
    pub(super) fn give_back(&mut self, mut taken: Pending) {
        taken.batches.append(&mut self.batches);
        self.batches = taken.batches;
        self.last = self.last.max(taken.last);
        self.squeeze();
    }

    fn squeeze(&mut self) {
        while self.batches.len() > MAX_BATCHES {
            let oldest = self.batches.pop_front().expect("more than MAX_BATCHES");
            let next = self.batches.front_mut().expect("at least MAX_BATCHES");
            next.newest = next.newest.max(oldest.newest);
            next.count += oldest.count;
            next.stored = next.stored.min(oldest.stored);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_cut_takes_what_was_stored_before_it_and_no_more() {
        let mut pending = Pending::default();
        (1..=3).for_each(|n| pending.add(n, HintSeq(10 * n), SECOND * n as u32));
        let taken = pending.take_upto(HintSeq(25));
        assert_eq!((taken.count(), pending.count()), (3, 3));
        assert_eq!(pending.due(SECOND, 100 * SECOND), Some(4 * SECOND));
        pending.give_back(taken);
        assert_eq!((pending.count(), pending.due(9 * SECOND, 5 * SECOND)), (6, Some(6 * SECOND)));
    }

    #[test]
    fn many_batches_flow_together_without_losing_count_or_age() {
        let mut pending = Pending::default();
        (1..=1000u32).for_each(|n| pending.add(1, HintSeq(n.into()), SECOND * n));
        assert_eq!((pending.count(), pending.batches.len()), (1000, MAX_BATCHES));
        assert_eq!(pending.due(9999 * SECOND, 10 * SECOND), Some(11 * SECOND));
        assert_eq!(pending.take_upto(HintSeq(500)).count(), 0, "a merged batch stays when one hint is after the cut");
        assert_eq!(pending.take_upto(HintSeq(1000)).count(), 1000);
    }
}
