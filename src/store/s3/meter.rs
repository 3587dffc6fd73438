//! Counts requests and bytes where they leave the program.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::StorageClass;
use crate::store::{Requests, Verb};

#[derive(Default, Debug)]
pub(super) struct Meter(Mutex<Requests>);

impl Meter {
    /// A request that is about to leave, with a body of `sent` bytes. Targets bill those that fail, too.
    pub(super) fn request(&self, verb: Verb, class: StorageClass, sent: u64) {
        let mut requests = self.requests();
        *requests.counts.entry((verb, class)).or_default() += 1;
        requests.sent += sent;
    }

    pub(super) fn received(&self, bytes: u64) {
        self.requests().received += bytes;
    }

    /// A request that was counted as standard turned out to be about an object of `class`.
    pub(super) fn was_of_class(&self, verb: Verb, class: StorageClass) {
        let mut requests = self.requests();
        if let Some(standard) = requests.counts.get_mut(&(verb, StorageClass::Standard)).filter(|count| **count > 0) {
            *standard -= 1;
            *requests.counts.entry((verb, class)).or_default() += 1;
        }
        requests.counts.retain(|_, count| *count > 0);
    }

    pub(super) fn snapshot(&self) -> Requests {
        self.requests().clone()
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_is_billed_to_the_class_that_its_answer_names() {
        let meter = Meter::default();
        meter.request(Verb::Get, StorageClass::Standard, 0);
        meter.request(Verb::Put, StorageClass::DeepArchive, 7);
        meter.was_of_class(Verb::Get, StorageClass::GlacierIr);
        meter.received(5);
        let seen = meter.snapshot();
        let counts = [((Verb::Put, StorageClass::DeepArchive), 1), ((Verb::Get, StorageClass::GlacierIr), 1)];
        assert_eq!(seen, Requests { counts: counts.into(), sent: 7, received: 5 });
    }
}
