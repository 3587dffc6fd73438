//! What the journal knows of that a target bills, summed up.

use std::collections::BTreeMap;

use crate::journal::{Journal, JournalError, PackKind, RequestCount, RunRequests, StoredPack};
use crate::model::{MergeRule, StorageClass, Timestamp};
use crate::status::{ArenaUsage, KindOfUse, RecentUsage, RequestUsage, RunUsage, StoredUsage, Usage};

const DAY_MS: i64 = 24 * 3600 * 1000;
/// So many days are looked back.
const WINDOW_DAYS: i64 = 30;
/// What follows from fewer days would be chance.
const LEAST_DAYS: i64 = 2;
/// In an index object, about: a frame, a small file.
const FRAME_BYTES: u64 = 45;
const MEMBER_BYTES: u64 = 20;
/// A manifest, about.
const MANIFEST_BYTES: u64 = 4096;

/// Reads nothing but the journal. `rule`: when small packs are merged.
pub fn usage(journal: &Journal, rule: Option<&MergeRule>, now: Timestamp) -> Result<Usage, JournalError> {
    let mut groups = Groups::default();
    journal.each_stored_pack(&mut |pack| groups.add(pack))?;
    let mut stored = groups.finish();
    stored.extend(estimated(journal)?);
    let today = now.secs.saturating_mul(1000).div_euclid(DAY_MS);
    Ok(Usage {
        stored,
        requests: counted(journal.requests_since((today - WINDOW_DAYS) * DAY_MS)?),
        recent: recent(journal, today)?,
        last_run: last_run(journal)?,
        arena: arena(journal, rule)?,
    })
}

/// What waits to be merged, by class.
pub fn arena(journal: &Journal, rule: Option<&MergeRule>) -> Result<Vec<ArenaUsage>, JournalError> {
    // without a rule nothing waits any longer
    let Some(rule) = rule else { return Ok(Vec::new()) };
    let mut classes: BTreeMap<StorageClass, (u64, u64, i64)> = BTreeMap::new();
    for pack in journal.arena_waiting()? {
        let (packs, bytes, oldest_ms) = classes.entry(pack.class).or_insert((0, 0, pack.since_ms));
        (*packs, *bytes, *oldest_ms) = (*packs + 1, *bytes + pack.size, pack.since_ms.min(*oldest_ms));
    }
    let class = |(class, (packs, bytes, oldest_ms))| {
        let from = Timestamp::from_millis(rule.latest_ms(oldest_ms));
        let merge_from = (bytes >= rule.least_bytes()).then_some(from);
        ArenaUsage { class, packs, bytes, merge_at_bytes: rule.at_bytes, merge_from }
    };
    Ok(classes.into_iter().map(class).collect())
}

/// The last run that asked the target for anything.
pub fn last_run(journal: &Journal) -> Result<Option<RunUsage>, JournalError> {
    let Some(run) = journal.last_run_requests()? else { return Ok(None) };
    let RunRequests { started_ms, requests, .. } = run;
    let mut groups = Groups::default();
    // also what it has merged after its snapshot; a later run that stores anything would be the last one
    journal.packs_stored_since(started_ms)?.into_iter().for_each(|pack| groups.add(pack));
    let nanos = u32::try_from(started_ms.rem_euclid(1000) * 1_000_000).expect("below a thousand million");
    let started = Timestamp::new(started_ms.div_euclid(1000), nanos);
    Ok(Some(RunUsage { started, requests: counted(requests), added: groups.finish() }))
}

/// Index objects and manifests have no rows with their sizes.
fn estimated(journal: &Journal) -> Result<Vec<StoredUsage>, JournalError> {
    let (indexes, frames, members) = journal.index_counts()?;
    let manifests = journal.head()?.map_or(0, |(seq, _)| seq.0);
    let sizes = [
        (indexes, frames.saturating_mul(FRAME_BYTES).saturating_add(members.saturating_mul(MEMBER_BYTES))),
        (manifests, manifests.saturating_mul(MANIFEST_BYTES)),
    ];
    let some = sizes.into_iter().filter(|(objects, _)| *objects > 0);
    let class = StorageClass::Standard;
    Ok(some.map(|(objects, bytes)| StoredUsage { class, kind: KindOfUse::Estimated, objects, bytes }).collect())
}

/// From the day after the first pack on: a first backup says nothing of the next month.
fn recent(journal: &Journal, today: i64) -> Result<Option<RecentUsage>, JournalError> {
    let Some(first_ms) = journal.first_stored_ms()? else { return Ok(None) };
    let since = (first_ms.div_euclid(DAY_MS) + 1).max(today - WINDOW_DAYS);
    let days = today - since;
    if days < LEAST_DAYS {
        return Ok(None);
    }
    let mut groups = Groups::default();
    journal.packs_stored_since(since * DAY_MS)?.into_iter().for_each(|pack| groups.add(pack));
    let requests = counted(journal.requests_since(since * DAY_MS)?);
    let days = u32::try_from(days).expect("at most the window");
    Ok(Some(RecentUsage { days, added: groups.finish(), requests }))
}

fn counted(requests: Vec<RequestCount>) -> Vec<RequestUsage> {
    requests.into_iter().map(|RequestCount { verb, class, count }| RequestUsage { verb, class, count }).collect()
}

/// Packs by class, kind and order of size: a class may bill small objects as larger ones.
#[derive(Default)]
struct Groups(BTreeMap<(StorageClass, KindOfUse, u32), (u64, u64)>);

impl Groups {
    fn add(&mut self, pack: StoredPack) {
        let kind = match pack.kind {
            PackKind::Data => KindOfUse::Content,
            PackKind::Tree => KindOfUse::Metadata,
        };
        let (objects, bytes) = self.0.entry((pack.class, kind, pack.size.checked_ilog2().unwrap_or(0))).or_default();
        (*objects, *bytes) = (*objects + 1, bytes.saturating_add(pack.size));
    }

    fn finish(self) -> Vec<StoredUsage> {
        let group = |((class, kind, _), (objects, bytes))| StoredUsage { class, kind, objects, bytes };
        self.0.into_iter().map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::PackRow;
    use crate::model::ObjectHash;

    fn at_day(day: i64) -> Timestamp {
        Timestamp::new(day * DAY_MS / 1000 + 60, 0)
    }

    fn store(journal: &Journal, number: u8, kind: PackKind, size: u64, day: i64) {
        let hash = ObjectHash([number; 32]);
        journal
            .pack_spooled(
                &PackRow { hash, kind, size, class: StorageClass::Standard, spool_path: Some("/x".into()) },
                &[],
                &[],
            )
            .unwrap();
        journal.pack_durable(&hash).unwrap();
        journal.packs_stored_at(day * DAY_MS).unwrap();
    }

    #[test]
    fn packs_of_about_one_size_are_told_together() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        for (number, size) in [(1, 1000), (2, 1023), (3, 1024)] {
            store(&journal, number, PackKind::Data, size, 5);
        }
        store(&journal, 4, PackKind::Tree, 700, 5);
        let found = usage(&journal, None, at_day(5)).unwrap();
        let groups: Vec<_> = found.stored.iter().map(|group| (group.kind, group.objects, group.bytes)).collect();
        assert_eq!(
            groups,
            [(KindOfUse::Content, 2, 2023), (KindOfUse::Content, 1, 1024), (KindOfUse::Metadata, 1, 700)]
        );
        assert_eq!((found.recent, found.last_run), (None, None));
    }

    #[test]
    fn how_it_goes_on_is_told_from_the_days_after_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        store(&journal, 1, PackKind::Data, 1_000_000, 100);
        store(&journal, 2, PackKind::Data, 300, 102);
        assert_eq!(usage(&journal, None, at_day(102)).unwrap().recent, None, "one day is no history");
        let recent = usage(&journal, None, at_day(104)).unwrap().recent.unwrap();
        assert_eq!((recent.days, recent.added.len(), recent.added[0].bytes), (3, 1, 300));
        let recent = usage(&journal, None, at_day(131)).unwrap().recent.unwrap();
        assert_eq!((recent.days, recent.added.len()), (30, 1));
        assert_eq!(usage(&journal, None, at_day(133)).unwrap().recent.unwrap().added, [], "a month ago and more");
    }

    #[test]
    fn what_waits_to_be_merged_is_told_by_class_with_the_day_when_it_will_be() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        let rule = MergeRule { at_bytes: 1000, after: std::time::Duration::from_secs(3600) };
        let (deep, glacier) = (StorageClass::DeepArchive, StorageClass::Glacier);
        for (number, class, size, day) in [(1, deep, 300, 7), (2, deep, 200, 5), (3, glacier, 2, 6)] {
            store(&journal, number, PackKind::Data, size, day);
            journal.arena_add(&ObjectHash([number; 32]), class, day * DAY_MS).unwrap();
        }
        let found = usage(&journal, Some(&rule), at_day(8)).unwrap().arena;
        let told =
            |class, packs, bytes, merge_from| ArenaUsage { class, packs, bytes, merge_at_bytes: 1000, merge_from };
        let from = Timestamp::from_millis(5 * DAY_MS + 3_600_000);
        assert_eq!(found, [told(glacier, 1, 2, None), told(deep, 2, 500, Some(from))]);
        assert_eq!(usage(&journal, None, at_day(8)).unwrap().arena, []);
    }
}
