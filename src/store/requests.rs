//! Requests as a target bills them: counted where they leave the program, retries and pages included.

use std::collections::BTreeMap;

use super::Verb;
use crate::model::StorageClass;

/// A snapshot of what was asked of a target since it was opened. Targets that bill nothing count nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Requests {
    /// Requests by what was asked and the class of the object (lists and the like: standard).
    pub counts: BTreeMap<(Verb, StorageClass), u64>,
    /// Bytes of bodies sent.
    pub sent: u64,
    /// Bytes of bodies received.
    pub received: u64,
}

impl Requests {
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// What came since `before`, an earlier snapshot of the same store.
    pub fn since(&self, before: &Requests) -> Requests {
        let rest = |(key, count): (&(Verb, StorageClass), &u64)| {
            let count = count.saturating_sub(before.counts.get(key).copied().unwrap_or(0));
            (count > 0).then_some((*key, count))
        };
        Requests {
            counts: self.counts.iter().filter_map(rest).collect(),
            sent: self.sent.saturating_sub(before.sent),
            received: self.received.saturating_sub(before.received),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_only_what_was_added() {
        let key = (Verb::Put, StorageClass::Standard);
        let before = Requests { counts: [(key, 2)].into(), sent: 10, received: 1 };
        assert_eq!(before.since(&before), Requests::default());
        let after =
            Requests { counts: [(key, 5), ((Verb::List, StorageClass::Standard), 1)].into(), sent: 15, received: 1 };
        let delta = after.since(&before);
        assert_eq!((delta.total(), delta.sent, delta.received), (4, 5, 0));
    }
}
