//! What is known of an upload is what a process that died has left.

use super::*;
use crate::model::StorageClass;

const PART: u64 = 100;

fn spooled(bench: &Bench, number: u8) -> ObjectHash {
    let path = format!("/spool/{number}").into();
    let row = PackRow {
        hash: object(number),
        kind: PackKind::Data,
        size: 250,
        class: StorageClass::Standard,
        spool_path: Some(path),
    };
    bench.journal.pack_spooled(&row, &[], &[]).unwrap();
    row.hash
}

fn part(number: u32) -> PartRow {
    PartRow { number, size: PART, etag: format!("etag{number}"), crc64: Some(u64::MAX - u64::from(number)) }
}

fn state(bench: &Bench, pack: &ObjectHash) -> Option<UploadState> {
    bench.journal.upload_of(pack).unwrap().map(|row| row.state)
}

#[test]
fn each_step_of_an_upload_is_found_by_the_next_process() {
    let mut bench = Bench::new();
    let pack = spooled(&bench, 1);
    let upload = "id".to_owned();
    assert_eq!(state(&bench, &pack), None);
    bench.journal.upload_announced(&pack, "packs/1", PART).unwrap();
    bench = bench.reopened();
    assert_eq!(state(&bench, &pack), Some(UploadState::Creating));
    bench.journal.upload_created(&pack, &upload).unwrap();
    bench.journal.part_sent(&pack, &part(3)).unwrap();
    bench.journal.part_sent(&pack, &part(1)).unwrap();
    bench = bench.reopened();
    let row = bench.journal.upload_of(&pack).unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.part_bytes), ("packs/1", PART));
    assert_eq!((row.state, row.parts), (UploadState::Uploading { upload: upload.clone() }, vec![part(1), part(3)]));
    bench.journal.upload_completing(&pack).unwrap();
    bench = bench.reopened();
    assert_eq!(state(&bench, &pack), Some(UploadState::Completing { upload }));
    bench.journal.parts_lost(&pack, &[1, 2]).unwrap();
    let row = bench.journal.upload_of(&pack).unwrap().unwrap();
    assert!(matches!(row.state, UploadState::Uploading { .. }) && row.parts == [part(3)], "{row:?}");
}

#[test]
fn a_durable_pack_has_no_upload_any_more() {
    let bench = Bench::new();
    let pack = spooled(&bench, 1);
    bench.journal.upload_announced(&pack, "packs/1", PART).unwrap();
    bench.journal.upload_created(&pack, "id").unwrap();
    assert_eq!(bench.journal.uploads_open().unwrap().len(), 1);
    bench.journal.pack_durable(&pack).unwrap();
    assert_eq!((state(&bench, &pack), bench.journal.uploads_open().unwrap().len()), (None, 0));
    assert_eq!(bench.journal.uploads_orphaned().unwrap(), []);
}

#[test]
fn an_upload_of_a_forgotten_pack_is_an_orphan_until_it_is_ended() {
    let bench = Bench::new();
    for (number, id) in [(1, Some("id")), (2, None)] {
        let pack = spooled(&bench, number);
        bench.journal.upload_announced(&pack, &format!("packs/{number}"), PART).unwrap();
        if let Some(id) = id {
            bench.journal.upload_created(&pack, id).unwrap();
            bench.journal.part_sent(&pack, &part(1)).unwrap();
        }
        bench.journal.forget_pack(&pack).unwrap();
    }
    let orphans = bench.journal.uploads_orphaned().unwrap();
    let found: Vec<_> = orphans.iter().map(|orphan| (orphan.name.as_str(), orphan.upload.as_deref())).collect();
    assert_eq!(found, [("packs/1", Some("id")), ("packs/2", None)]);
    assert!(bench.journal.uploads_open().unwrap().is_empty(), "an orphan does not go on");
    orphans.iter().for_each(|orphan| bench.journal.orphan_ended(orphan.key).unwrap());
    assert_eq!(bench.journal.uploads_orphaned().unwrap(), []);
}

#[test]
fn a_new_upload_of_a_pack_knows_no_parts_of_the_one_before() {
    let bench = Bench::new();
    let pack = spooled(&bench, 1);
    for id in ["first", "second"] {
        bench.journal.upload_announced(&pack, "packs/1", PART).unwrap();
        assert_eq!(bench.journal.upload_of(&pack).unwrap().unwrap().parts, []);
        bench.journal.upload_created(&pack, id).unwrap();
        bench.journal.part_sent(&pack, &part(1)).unwrap();
    }
    bench.journal.upload_ended(&pack).unwrap();
    assert_eq!(state(&bench, &pack), None);
    assert_eq!(bench.journal.packs_spooled().unwrap().len(), 1, "the pack still waits");
}

#[test]
fn steps_of_an_upload_that_is_not_there_are_errors() {
    let bench = Bench::new();
    let unknown = bench.journal.upload_announced(&object(9), "packs/9", PART).unwrap_err();
    assert!(matches!(unknown, JournalError::UnknownPack { .. }), "{unknown}");
    let pack = spooled(&bench, 1);
    for result in [
        bench.journal.upload_created(&pack, "id"),
        bench.journal.part_sent(&pack, &part(1)),
        bench.journal.upload_completing(&pack),
        bench.journal.parts_lost(&pack, &[1]),
    ] {
        assert!(matches!(result, Err(JournalError::UnknownUpload { .. })), "{result:?}");
    }
}
