//! Objects that go in one call, against a directory.

use super::*;
use crate::model::StorageClass;
use crate::store::{PutSource, StoreUrl};

fn bench() -> Bench {
    let bench = Bench::new(Store::memory());
    let store = Store::create(&StoreUrl::from_path(&bench.dir.path().join("repo")).unwrap()).unwrap();
    Bench { store, ..bench }
}

fn manifest(bytes: &[u8]) -> SpooledObject<()> {
    let name = ObjectName::parse("snapshots/1").unwrap();
    let (hash, size) = (hash(bytes), bytes.len() as u64);
    SpooledObject {
        what: (),
        role: Role::Numbered,
        name,
        class: StorageClass::Standard,
        body: Body::Bytes(bytes.to_vec()),
        size,
        hash,
    }
}

#[test]
fn a_pack_is_stored_recorded_and_gone_from_the_spool() {
    for origin in [Origin::ThisProcess, Origin::EarlierProcess] {
        let bench = bench();
        let pack = bench.pack(b"content", origin);
        let durable = bench.uploader().upload(pack.clone()).unwrap();
        assert_eq!(bench.store.get(durable.name(), 100).unwrap(), b"content");
        assert_eq!((bench.waiting(), bench.journal.packs_unindexed().unwrap().len()), (0, 1));
        assert!(!pack.body.path().unwrap().exists());
    }
}

#[test]
fn a_damaged_spool_file_of_an_earlier_process_never_reaches_the_target() {
    let bench = bench();
    let pack = bench.pack(b"content", Origin::EarlierProcess);
    fs::write(pack.body.path().unwrap(), b"kontent").unwrap();
    let error = bench.uploader().upload(pack.clone()).unwrap_err();
    assert!(matches!(error, UploadError::Lost { .. }), "{error}");
    assert_eq!(bench.store.head(&pack.name).unwrap(), None);
    assert_eq!(bench.waiting(), 1);
}

#[test]
fn a_spool_file_of_another_length_is_never_sent() {
    for origin in [Origin::ThisProcess, Origin::EarlierProcess] {
        for wrong in [&b"conten"[..], b"contents", b""] {
            let bench = bench();
            let pack = bench.pack(b"content", origin);
            fs::write(pack.body.path().unwrap(), wrong).unwrap();
            let error = bench.uploader().upload(pack.clone()).unwrap_err();
            assert!(matches!(error, UploadError::Lost { .. }), "{error}");
            assert_eq!(bench.store.head(&pack.name).unwrap(), None);
        }
    }
}

#[test]
fn a_spool_file_that_only_cannot_be_asked_now_stays_and_blocks_nothing_for_ever() {
    let bench = bench();
    let mut pack = bench.pack(b"content", Origin::EarlierProcess);
    // a name that no filesystem takes: an error that says nothing about bytes
    let path = bench.dir.path().join("x".repeat(300));
    pack.body = Body::File { path, origin: Origin::EarlierProcess };
    let error = bench.uploader().upload(pack).unwrap_err();
    assert!(matches!(error, UploadError::Spool { .. }), "{error}");
    assert_eq!(bench.waiting(), 1);
}

#[test]
fn an_upload_that_ended_without_its_record_is_recognised() {
    let bench = bench();
    let pack = bench.pack(b"content", Origin::EarlierProcess);
    bench.store.put_if_absent(&pack.name, PutSource::Bytes(b"content"), StorageClass::Standard).unwrap();
    fs::remove_file(pack.body.path().unwrap()).unwrap();
    let _ = bench.uploader().upload(pack).unwrap();
    assert_eq!(bench.waiting(), 0);
}

#[test]
fn after_an_error_of_the_target_the_same_object_can_be_uploaded_again() {
    for moment in [Moment::Before, Moment::After] {
        let mut bench = bench();
        let (failing, faults) = bench.store.clone().failing();
        bench.store = failing;
        let pack = bench.pack(b"content", Origin::ThisProcess);
        faults.fail_nth(Verb::Put, 1, moment, Errno::NOSPC);
        let error = bench.uploader().upload(pack.clone()).unwrap_err();
        assert!(matches!(&error, UploadError::Target { source, .. } if source.disposition() == Disposition::Full));
        assert_eq!(bench.waiting(), 1);
        let _ = bench.uploader().upload(pack).unwrap();
        assert_eq!(bench.waiting(), 0);
    }
}

#[test]
fn a_number_that_is_taken_by_the_same_bytes_is_ours_and_by_others_is_not() {
    let bench = bench();
    let _ = bench.uploader().upload(manifest(b"mine")).unwrap();
    let _ = bench.uploader().upload(manifest(b"mine")).unwrap();
    for other in [&b"ours"[..], b"longer than mine"] {
        let error = bench.uploader().upload(manifest(other)).unwrap_err();
        assert!(matches!(error, UploadError::Taken { .. }), "{error}");
    }
    assert_eq!(bench.store.get(&manifest(b"").name, 100).unwrap(), b"mine");
}

#[test]
fn an_object_of_another_size_than_its_hash_stands_for_is_reported_as_damage() {
    let bench = bench();
    let pack = bench.pack(b"content", Origin::ThisProcess);
    bench.store.put_if_absent(&pack.name, PutSource::Bytes(b"cont"), StorageClass::Standard).unwrap();
    let error = bench.uploader().upload(pack).unwrap_err();
    assert!(matches!(error, UploadError::Damaged { .. }), "{error}");
    assert_eq!(bench.waiting(), 1);
}

#[test]
fn a_spool_file_that_vanished_is_looked_for_in_the_target() {
    for (in_target, expected) in [(&b"content"[..], "stored"), (b"other", "damaged"), (b"", "lost")] {
        let bench = bench();
        let pack = bench.pack(b"content", Origin::ThisProcess);
        fs::remove_file(pack.body.path().unwrap()).unwrap();
        if !in_target.is_empty() {
            bench.store.put_if_absent(&pack.name, PutSource::Bytes(in_target), StorageClass::Standard).unwrap();
        }
        let found = match bench.uploader().upload(pack) {
            Ok(_) => "stored",
            Err(UploadError::Damaged { .. }) => "damaged",
            Err(UploadError::Lost { .. }) => "lost",
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn a_number_that_is_free_again_when_it_is_compared_is_written() {
    let (store, faults) = Store::memory().failing();
    let bench = Bench::new(store.clone());
    store.put_if_absent(&manifest(b"").name, PutSource::Bytes(b"else"), StorageClass::Standard).unwrap();
    faults.around(Verb::Get, Moment::Before, move || store.delete(&manifest(b"").name).unwrap());
    let _ = bench.uploader().upload(manifest(b"mine")).unwrap();
    faults.clear();
    assert_eq!(bench.store.get(&manifest(b"").name, 100).unwrap(), b"mine");
}
