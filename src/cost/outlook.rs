//! What a run would ask for and store if all went well: packs to be sent, as usage that can be priced.

use crate::model::{StorageClass, Timestamp};
use crate::status::{KindOfUse, RequestUsage, RunUsage, StoredUsage};
use crate::store::{PartRules, Verb};

/// Packs of about the same size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutlookPacks {
    pub class: StorageClass,
    pub kind: KindOfUse,
    pub packs: u64,
    /// Of all of them.
    pub bytes: u64,
}

/// What a run asks for beside the packs: an index object, the configuration and the manifest are put, the repository is
/// looked at, and its snapshots and uploads that nobody knows are looked for.
const OTHERS: [(Verb, u64); 5] =
    [(Verb::Put, 3), (Verb::Get, 6), (Verb::Head, 4), (Verb::List, 2), (Verb::ListUploads, 2)];

/// Nothing where there is nothing to be sent. Without tries after errors.
pub fn outlook(now: Timestamp, packs: &[OutlookPacks], rules: Option<PartRules>) -> RunUsage {
    let mut requests: Vec<RequestUsage> = packs.iter().flat_map(|group| group.requests(rules)).collect();
    if !packs.is_empty() {
        requests.extend(OTHERS.map(|(verb, count)| request(verb, StorageClass::Standard, count)));
    }
    let stored = |group: &OutlookPacks| StoredUsage {
        class: group.class,
        kind: group.kind,
        objects: group.packs,
        bytes: group.bytes,
    };
    RunUsage { started: now, requests, added: packs.iter().map(stored).collect() }
}

impl OutlookPacks {
    fn requests(&self, rules: Option<PartRules>) -> Vec<RequestUsage> {
        let each = self.bytes.div_ceil(self.packs.max(1));
        let Some(rules) = rules.filter(|rules| each > rules.threshold) else {
            return vec![request(Verb::Put, self.class, self.packs)];
        };
        let parts = self.packs.saturating_mul(each.div_ceil(rules.size_for(each)));
        vec![
            request(Verb::CreateUpload, self.class, self.packs),
            request(Verb::PutPart, self.class, parts),
            request(Verb::CompleteUpload, self.class, self.packs),
        ]
    }
}

fn request(verb: Verb, class: StorageClass, count: u64) -> RequestUsage {
    RequestUsage { verb: verb.code().to_owned(), class, count }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::RunBill;
    use crate::cost::examples_tests::table;

    const RULES: PartRules = PartRules { threshold: 32 << 20, part_size: 16 << 20, max_parts: 10_000, in_flight: 4 };

    fn packs(packs: u64, each: u64) -> OutlookPacks {
        let (class, kind) = (StorageClass::Standard, KindOfUse::Content);
        OutlookPacks { class, kind, packs, bytes: packs * each }
    }

    #[test]
    fn large_packs_go_by_parts_and_small_ones_whole() {
        let usage = outlook(Timestamp::new(0, 0), &[packs(2, 64 << 20), packs(1, 1 << 20)], Some(RULES));
        let counts: Vec<_> = usage.requests.iter().map(|request| (request.verb.as_str(), request.count)).collect();
        let code = |verb: Verb| verb.code();
        let counts = &counts[..counts.len() - OTHERS.len()];
        let expected = [(Verb::CreateUpload, 2), (Verb::PutPart, 8), (Verb::CompleteUpload, 2), (Verb::Put, 1)];
        assert_eq!(counts, expected.map(|(verb, count)| (code(verb), count)));
        let bill = RunBill::new(&table(), &usage).unwrap();
        assert_eq!((bill.requests, bill.added_bytes), (13 + 17, 129 << 20));
    }

    #[test]
    fn nothing_to_send_costs_nothing() {
        assert_eq!(outlook(Timestamp::new(0, 0), &[], Some(RULES)).requests, []);
    }
}
