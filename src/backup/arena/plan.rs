//! Which small packs become one. Pure.

use crate::format::MAX_SLOTS;
use crate::journal::ArenaPack;
use crate::model::{MergeRule, StorageClass};

/// An index object lists the merged pack: it must stay small.
const MAX_ROWS: u64 = 250_000;

/// These become one pack of their class.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Merge {
    pub class: StorageClass,
    pub packs: Vec<ArenaPack>,
}

impl Merge {
    pub(super) fn bytes(&self) -> u64 {
        self.packs.iter().map(|pack| pack.size).sum()
    }
}

/// The first merge that is due, if any. `waiting`: the oldest first. `most_bytes`: a merged pack is not larger.
pub(super) fn due(waiting: &[ArenaPack], rule: &MergeRule, most_bytes: u64, now_ms: i64) -> Option<Merge> {
    StorageClass::ALL.into_iter().find_map(|class| {
        let of_class: Vec<ArenaPack> = waiting.iter().filter(|pack| pack.class == class).copied().collect();
        let merge = Merge { class, packs: of_class[..fitting(&of_class, most_bytes)].to_vec() };
        let oldest = merge.packs.first()?;
        let is_full = merge.packs.len() < of_class.len() || merge.packs.len() == MAX_SLOTS;
        (is_full || rule.is_due(merge.bytes(), oldest.since_ms, now_ms)).then_some(merge)
    })
}

/// How many of them, from the oldest on, one pack holds. Each has a key slot of its own run.
fn fitting(packs: &[ArenaPack], most_bytes: u64) -> usize {
    let (mut bytes, mut rows) = (0, 0);
    let fits = |pack: &&ArenaPack| {
        bytes += pack.size;
        rows += pack.rows;
        bytes <= most_bytes && rows <= MAX_ROWS
    };
    let count = packs.iter().take(MAX_SLOTS).take_while(fits).count();
    // one that is too large by itself blocks no other
    count.max(1).min(packs.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObjectHash;
    use std::time::Duration;

    const RULE: MergeRule = MergeRule { at_bytes: 1000, after: Duration::from_secs(60) };

    fn pack(number: usize, class: StorageClass, size: u64) -> ArenaPack {
        let hash = ObjectHash([number as u8; 32]);
        ArenaPack { hash, class, size, rows: 2, since_ms: number as i64 * 1000 }
    }

    fn packs(count: usize, size: u64) -> Vec<ArenaPack> {
        (0..count).map(|number| pack(number, StorageClass::Glacier, size)).collect()
    }

    fn merged(waiting: &[ArenaPack], now_ms: i64) -> Option<usize> {
        due(waiting, &RULE, 4000, now_ms).map(|merge| merge.packs.len())
    }

    #[test]
    fn packs_wait_until_they_hold_enough_or_are_old() {
        assert_eq!(merged(&[], 1_000_000), None);
        assert_eq!(merged(&packs(9, 100), 9000), None);
        assert_eq!(merged(&packs(10, 100), 10_000), Some(10));
        assert_eq!(merged(&packs(9, 100), 60_000), Some(9), "the oldest has waited for a minute");
        assert_eq!(merged(&packs(1, 2), 600_000), None, "not worth an object, however old");
    }

    #[test]
    fn each_class_is_merged_for_itself() {
        let deep = |number| pack(number, StorageClass::DeepArchive, 600);
        let waiting = [pack(0, StorageClass::Glacier, 600), deep(1), pack(2, StorageClass::Glacier, 300), deep(3)];
        let merge = due(&waiting, &RULE, 4000, 4000).unwrap();
        assert_eq!((merge.class, merge.packs), (StorageClass::DeepArchive, vec![deep(1), deep(3)]));
    }

    #[test]
    fn a_merged_pack_stays_within_its_size_and_its_slots() {
        assert_eq!(merged(&packs(50, 100), 50_000), Some(40), "4000 bytes");
        assert_eq!(merged(&packs(300, 1), 0), Some(MAX_SLOTS));
        assert_eq!(merged(&packs(MAX_SLOTS, 1), 0), Some(MAX_SLOTS), "the next pack would not fit");
        assert_eq!(merged(&packs(2, 5000), 0), Some(1), "one that is too large by itself");
        let many = [ArenaPack { rows: MAX_ROWS, ..packs(1, 1)[0] }, packs(2, 1)[1]];
        assert_eq!(merged(&many, 0), Some(1));
    }
}
