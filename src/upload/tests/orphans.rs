//! Uploads that nobody goes on with: ours are ended, others' never touched.

use super::parts::Parts;
use super::*;
use crate::store::Upload;

fn begin(parts: &Parts, name: &str) -> Upload {
    let name = ObjectName::parse(name).unwrap();
    Upload { id: parts.target.store().create_upload(&name, StorageClass::Standard).unwrap(), name }
}

/// As a start does.
pub(super) fn end_all(bench: &Bench) -> Orphans {
    let uploader = bench.uploader();
    uploader.end_forgotten().unwrap().and(uploader.end_unknown(PREFIX).unwrap())
}

fn open(parts: &Parts) -> Vec<Upload> {
    parts.target.store().list_uploads("").unwrap()
}

#[test]
fn unknown_uploads_of_ours_are_ended_and_others_are_not_touched() {
    let parts = Parts::new();
    let others = ["machines/other/packs/a", "machines/ours2/packs/a", "else"].map(|name| begin(&parts, name));
    begin(&parts, "machines/ours/packs/a");
    begin(&parts, "machines/ours/trees/b");
    assert_eq!(end_all(&parts.bench), Orphans { ended: 2, failed: 0 });
    assert_eq!(open(&parts), others);
    assert_eq!(parts.counted.calls(Verb::ListUploads), 1);
}

#[test]
fn an_upload_that_will_go_on_is_no_orphan() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_nth(Verb::PutPart, 3, Moment::Before, Errno::CONNRESET);
    parts.bench.uploader().upload(pack.clone()).unwrap_err();
    assert_eq!(end_all(&parts.bench), Orphans::default());
    let _ = parts.bench.uploader().upload(pack.clone()).unwrap();
    assert_eq!(parts.counted.counts(Verb::PutPart).bytes, pack.size);
}

#[test]
fn an_upload_of_a_forgotten_pack_is_ended_with_and_without_its_id() {
    for lost_answer in [Verb::CreateUpload, Verb::PutPart] {
        let parts = Parts::new();
        let pack = parts.pack(Origin::ThisProcess);
        parts.faults.fail_nth(lost_answer, 1, Moment::After, Errno::CONNRESET);
        parts.bench.uploader().upload(pack.clone()).unwrap_err();
        parts.bench.journal.forget_pack(&pack.hash).unwrap();
        assert_eq!(open(&parts).len(), 1);
        assert_eq!(end_all(&parts.bench).ended, 1);
        assert_eq!((open(&parts), parts.bench.journal.uploads_orphaned().unwrap()), (vec![], vec![]));
    }
}

#[test]
fn what_cannot_be_ended_now_is_tried_again_at_the_next_start() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_nth(Verb::PutPart, 1, Moment::After, Errno::CONNRESET);
    parts.bench.uploader().upload(pack.clone()).unwrap_err();
    parts.bench.journal.forget_pack(&pack.hash).unwrap();
    parts.faults.fail_all(Verb::AbortUpload, Errno::ACCESS);
    parts.faults.fail_all(Verb::ListUploads, Errno::ACCESS);
    let orphans = end_all(&parts.bench);
    assert_eq!((orphans.ended, orphans.failed, open(&parts).len()), (0, 2, 1));
    parts.faults.clear();
    assert_eq!(end_all(&parts.bench).ended, 1);
    assert_eq!(open(&parts), []);
}

#[test]
fn a_target_of_whole_objects_is_not_asked_for_uploads() {
    let (store, counted) = Store::memory().recording();
    let bench = Bench::new(store);
    assert_eq!(end_all(&bench), Orphans::default());
    assert_eq!(counted.calls(Verb::ListUploads), 0);
}
