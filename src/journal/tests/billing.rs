//! What is billed is written down once, by day and by run.

use super::*;
use crate::model::StorageClass;

const DAY_MS: i64 = 24 * 3600 * 1000;

fn row(number: u8, kind: PackKind) -> PackRow {
    PackRow {
        hash: object(number),
        kind,
        size: u64::from(number) * 1000,
        class: StorageClass::Standard,
        spool_path: Some("/spool/x".into()),
    }
}

fn request(verb: &str, class: StorageClass, count: u64) -> RequestCount {
    RequestCount { verb: verb.into(), class, count }
}

fn stored(journal: &Journal) -> Vec<(u64, Option<i64>)> {
    let mut found = Vec::new();
    journal.each_stored_pack(&mut |pack| found.push((pack.size, pack.stored_ms))).unwrap();
    found.sort();
    found
}

#[test]
fn a_pack_counts_as_stored_from_the_first_time_that_it_is_written_down() {
    let journal = &Bench::new().journal;
    for (number, kind) in [(1, PackKind::Data), (2, PackKind::Tree), (3, PackKind::Data)] {
        journal.pack_spooled(&row(number, kind), &[], &[]).unwrap();
    }
    journal.pack_durable(&object(1)).unwrap();
    journal.packs_stored_at(100).unwrap();
    journal.pack_durable(&object(2)).unwrap();
    journal.packs_stored_at(200).unwrap();
    assert_eq!(stored(journal), [(1000, Some(100)), (2000, Some(200))], "what is only spooled is not in the target");
    let late = journal.packs_stored_since(150).unwrap();
    let expected = StoredPack { kind: PackKind::Tree, class: StorageClass::Standard, size: 2000, stored_ms: Some(200) };
    assert_eq!(late, [expected]);
    assert_eq!(journal.first_stored_ms().unwrap(), Some(100));
}

#[test]
fn of_what_an_index_object_told_nobody_knows_since_when_it_is_there() {
    let journal = &Bench::new().journal;
    let pack = PackRow { spool_path: None, ..row(7, PackKind::Data) };
    journal.import_index(&object(70), &[PackContents { pack, frames: vec![], members: vec![] }]).unwrap();
    journal.packs_stored_at(100).unwrap();
    assert_eq!(stored(journal), [(7000, None)]);
    assert_eq!(journal.index_counts().unwrap(), (1, 0, 0));
}

#[test]
fn requests_add_up_by_day_and_by_run() {
    let bench = Bench::new();
    let journal = &bench.journal;
    let first = journal.begin_run(&["home"], 5).unwrap().id;
    let puts = |count| request("put", StorageClass::Standard, count);
    journal.add_requests(first, &[puts(2), request("put", StorageClass::Glacier, 1)], DAY_MS).unwrap();
    journal.add_requests(first, &[puts(3)], DAY_MS + 1).unwrap();
    journal.fail_run(first, "no", 9).unwrap();
    let last = journal.last_run_requests().unwrap().unwrap();
    assert_eq!((last.started_ms, last.ended_ms), (5, Some(9)));
    assert_eq!(last.requests, [request("put", StorageClass::Glacier, 1), puts(5)]);
    let second = journal.begin_run(&["home"], 10).unwrap().id;
    assert_eq!(journal.last_run_requests().unwrap().unwrap(), last, "a run that asked for nothing costs nothing");
    journal.add_requests(second, &[puts(1)], 3 * DAY_MS).unwrap();
    assert_eq!(journal.requests_since(3 * DAY_MS + 5).unwrap(), [puts(1)]);
    assert_eq!(journal.requests_since(0).unwrap(), [request("put", StorageClass::Glacier, 1), puts(6)]);
    journal.add_requests(second, &[puts(1)], 1000 * DAY_MS).unwrap();
    assert_eq!(journal.requests_since(0).unwrap(), [puts(1)], "days long ago are forgotten");
}
