//! Packs that go by parts: what a target may answer, and what others may do to an upload meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::orphans::end_all;
use super::*;
use crate::journal::UploadState;
use crate::store::{Faults, MemoryTarget, PartSource, PutSource, Recorder, Upload};

/// The least part is 1 MiB, as part sizes are whole mebibytes.
pub(super) const PART: u64 = 1 << 20;
pub(super) const RULES: PartRules = PartRules { threshold: PART, part_size: PART, max_parts: 100, in_flight: 2 };

/// A target by parts that counts what reaches it and fails when told to.
pub(super) struct Parts {
    pub(super) bench: Bench,
    pub(super) target: MemoryTarget,
    pub(super) faults: Faults,
    pub(super) counted: Recorder,
    pub(super) content: Vec<u8>,
}

impl Parts {
    pub(super) fn new() -> Self {
        Self::with(RULES)
    }

    pub(super) fn with(rules: PartRules) -> Self {
        let (store, target) = Store::memory_by_parts(rules);
        let (store, counted) = store.recording();
        let (store, faults) = store.failing();
        Self { bench: Bench::new(store), target, faults, counted, content: content() }
    }

    pub(super) fn pack(&self, origin: Origin) -> SpooledObject<&'static str> {
        self.bench.pack(&self.content, origin)
    }

    fn upload(&self, pack: &SpooledObject<&'static str>) -> Result<(), UploadError> {
        self.bench.uploader().upload(pack.clone()).map(drop)
    }

    /// Stops after all parts were sent, before the target is asked for the object.
    fn upload_until_complete(&self) -> SpooledObject<&'static str> {
        let pack = self.pack(Origin::ThisProcess);
        self.faults.fail_nth(Verb::CompleteUpload, 1, Moment::Before, Errno::CONNRESET);
        self.upload(&pack).unwrap_err();
        pack
    }

    /// Runs once, around the next call of `verb`, with the upload that is open then.
    fn once(&self, verb: Verb, moment: Moment, act: impl Fn(&MemoryTarget, &Upload) + Send + Sync + 'static) {
        self.times(1, verb, moment, act);
    }

    fn times(
        &self,
        times: u32,
        verb: Verb,
        moment: Moment,
        act: impl Fn(&MemoryTarget, &Upload) + Send + Sync + 'static,
    ) {
        let (target, left) = (self.target.clone(), AtomicU32::new(times));
        self.faults.around(verb, moment, move || {
            let is_due = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            if let Some(upload) = target.store().list_uploads("").unwrap().first().filter(|_| is_due) {
                act(&target, upload);
            }
        });
    }

    fn sent(&self) -> u64 {
        self.counted.counts(Verb::PutPart).bytes
    }

    /// Those of objects that are there are left to the target: ending one could take the object's bytes with it.
    fn open_uploads(&self) -> Vec<Upload> {
        let store = self.target.store();
        let mut uploads = store.list_uploads("").unwrap();
        uploads.retain(|upload| store.head(&upload.name).unwrap().is_none());
        uploads
    }

    /// The object is there, nothing else is left anywhere.
    fn assert_done(&self, pack: &SpooledObject<&'static str>) {
        assert!(self.target.store().get(&pack.name, pack.size).unwrap() == self.content);
        assert_eq!(self.open_uploads(), []);
        assert_eq!(self.bench.waiting(), 0);
        assert_eq!(self.bench.journal.upload_of(&pack.hash).unwrap(), None);
        assert!(!pack.body.path().unwrap().exists());
    }
}

/// Four parts, the last one short.
pub(super) fn content() -> Vec<u8> {
    let pattern: Vec<u8> = (0..251).map(|at| (at * 31 % 251) as u8).collect();
    let mut content = pattern.repeat((4 * PART) as usize / pattern.len());
    content.truncate((3 * PART) as usize + 1000);
    content
}

fn abort(target: &MemoryTarget, upload: &Upload) {
    target.store().abort_upload(upload).unwrap();
}

/// Somebody writes another part over one of ours.
fn overwrite(target: &MemoryTarget, upload: &Upload, number: u32, bytes: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let source = PartSource { path: file.path(), offset: 0, len: bytes.len() as u64 };
    target.store().put_part(upload, number, source).unwrap();
}

#[test]
fn a_large_pack_goes_by_parts_and_leaves_no_upload_behind() {
    for origin in [Origin::ThisProcess, Origin::EarlierProcess] {
        let parts = Parts::new();
        let pack = parts.pack(origin);
        parts.upload(&pack).unwrap();
        parts.assert_done(&pack);
        assert_eq!((parts.sent(), parts.counted.calls(Verb::PutPart)), (pack.size, 4));
        let lists = [Verb::ListParts, Verb::ListUploads, Verb::Head, Verb::Put].map(|verb| parts.counted.calls(verb));
        assert_eq!(lists, [0; 4], "a fresh upload asks for nothing");
    }
}

#[test]
fn a_pack_up_to_the_threshold_goes_whole() {
    let mut parts = Parts::new();
    parts.content.truncate(PART as usize);
    let pack = parts.pack(Origin::ThisProcess);
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
    assert_eq!((parts.counted.calls(Verb::Put), parts.counted.calls(Verb::CreateUpload)), (1, 0));
}

#[test]
fn no_more_parts_are_in_flight_than_the_rules_say() {
    let parts = Parts::with(PartRules { in_flight: 2, ..RULES });
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (begun, ended, seen) = (now.clone(), now, most.clone());
    parts.faults.around(Verb::PutPart, Moment::Before, move || {
        seen.fetch_max(begun.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    });
    parts.faults.around(Verb::PutPart, Moment::After, move || {
        ended.fetch_sub(1, Ordering::SeqCst);
    });
    parts.upload(&parts.pack(Origin::ThisProcess)).unwrap();
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
}

#[test]
fn a_lost_answer_to_create_leaves_no_second_upload() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_nth(Verb::CreateUpload, 1, Moment::After, Errno::CONNRESET);
    parts.upload(&pack).unwrap_err();
    assert_eq!(parts.open_uploads().len(), 1, "the target has begun one");
    assert_eq!(parts.bench.journal.upload_of(&pack.hash).unwrap().unwrap().state, UploadState::Creating);
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
}

#[test]
fn an_upload_of_the_same_prefix_is_not_ours_to_end() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    let longer = ObjectName::parse(&format!("{}0", pack.name)).unwrap();
    parts.target.store().create_upload(&longer, StorageClass::Standard).unwrap();
    parts.faults.fail_nth(Verb::CreateUpload, 1, Moment::Before, Errno::CONNRESET);
    parts.upload(&pack).unwrap_err();
    parts.upload(&pack).unwrap();
    assert_eq!(parts.open_uploads().iter().map(|upload| &upload.name).collect::<Vec<_>>(), [&longer]);
}

#[test]
fn a_part_whose_answer_was_lost_is_found_in_the_list_and_not_sent_again() {
    for moment in [Moment::Before, Moment::After] {
        let parts = Parts::with(PartRules { in_flight: 1, ..RULES });
        let pack = parts.pack(Origin::ThisProcess);
        parts.faults.fail_nth(Verb::PutPart, 3, moment, Errno::CONNRESET);
        parts.upload(&pack).unwrap_err();
        parts.upload(&pack).unwrap();
        parts.assert_done(&pack);
        assert_eq!((parts.sent(), parts.counted.calls(Verb::PutPart)), (pack.size, 4));
    }
}

#[test]
fn a_part_without_a_receipt_that_is_not_of_our_bytes_is_sent_again() {
    for bytes in [&[7; PART as usize][..], b"short"] {
        let parts = Parts::with(PartRules { in_flight: 1, ..RULES });
        let pack = parts.pack(Origin::ThisProcess);
        parts.faults.fail_nth(Verb::PutPart, 3, Moment::After, Errno::CONNRESET);
        parts.upload(&pack).unwrap_err();
        overwrite(&parts.target, &parts.open_uploads()[0], 3, bytes);
        parts.upload(&pack).unwrap();
        parts.assert_done(&pack);
        assert_eq!(parts.sent(), pack.size + PART);
    }
}

#[test]
fn expired_credentials_leave_the_upload_where_it_is() {
    let parts = Parts::with(PartRules { in_flight: 1, ..RULES });
    let pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_nth(Verb::PutPart, 3, Moment::Before, Errno::ACCESS);
    let error = parts.upload(&pack).unwrap_err();
    assert!(matches!(&error, UploadError::Target { source, .. } if source.disposition() == Disposition::Denied));
    let row = parts.bench.journal.upload_of(&pack.hash).unwrap().unwrap();
    assert_eq!((row.parts.len(), parts.open_uploads().len()), (2, 1));
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
    assert_eq!(parts.sent(), pack.size);
}

#[test]
fn parts_that_the_target_lost_are_found_at_resumption_and_sent_again() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_nth(Verb::PutPart, 4, Moment::Before, Errno::CONNRESET);
    parts.upload(&pack).unwrap_err();
    let upload = parts.open_uploads().remove(0);
    let kept = parts.bench.journal.upload_of(&pack.hash).unwrap().unwrap().parts;
    parts.target.lose_part(&upload, kept[0].number);
    overwrite(&parts.target, &upload, kept[1].number, &[7; PART as usize]);
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
    assert_eq!(parts.sent(), pack.size + 2 * PART);
}

#[test]
fn an_upload_that_was_aborted_behind_our_back_begins_again() {
    for verb in [Verb::PutPart, Verb::ListParts, Verb::CompleteUpload] {
        let parts = Parts::new();
        let pack = parts.pack(Origin::ThisProcess);
        if verb == Verb::ListParts {
            parts.faults.fail_nth(Verb::PutPart, 2, Moment::Before, Errno::CONNRESET);
            parts.upload(&pack).unwrap_err();
        }
        parts.once(verb, Moment::Before, abort);
        parts.upload(&pack).unwrap();
        parts.assert_done(&pack);
        assert_eq!(parts.counted.calls(Verb::CreateUpload), 2, "{verb}");
    }
}

#[test]
fn a_lost_answer_to_complete_is_settled_by_the_object() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_nth(Verb::CompleteUpload, 1, Moment::After, Errno::CONNRESET);
    parts.upload(&pack).unwrap_err();
    assert_eq!(parts.bench.waiting(), 1);
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
    assert_eq!((parts.sent(), parts.counted.calls(Verb::CompleteUpload)), (pack.size, 2));
}

#[test]
fn an_error_in_the_answer_to_complete_is_answered_by_the_same_call() {
    let parts = Parts::new();
    let pack = parts.upload_until_complete();
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
    assert_eq!((parts.sent(), parts.counted.calls(Verb::ListParts)), (pack.size, 0));
}

#[test]
fn an_object_that_is_there_already_ends_the_upload() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    let bytes = parts.content.clone();
    parts.once(Verb::CompleteUpload, Moment::Before, move |target, upload| {
        target.store().put_if_absent(&upload.name, PutSource::Bytes(&bytes), StorageClass::Standard).unwrap();
    });
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
}

#[test]
fn another_object_of_the_name_is_damage_and_ends_the_upload() {
    for is_spool_lost in [false, true] {
        let parts = Parts::new();
        let mut pack = parts.upload_until_complete();
        let other = PutSource::Bytes(b"other");
        parts.target.store().put_if_absent(&pack.name, other, StorageClass::Standard).unwrap();
        if is_spool_lost {
            pack.body = Body::File { path: pack.body.path().unwrap().to_path_buf(), origin: Origin::EarlierProcess };
            fs::remove_file(pack.body.path().unwrap()).unwrap();
        }
        let error = parts.upload(&pack).unwrap_err();
        assert!(matches!(error, UploadError::Damaged { .. }), "{error}");
        assert_eq!((parts.open_uploads(), parts.bench.waiting()), (vec![], 1));
    }
}

#[test]
fn a_part_that_complete_misses_is_sent_again() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.once(Verb::CompleteUpload, Moment::Before, |target, upload| target.lose_part(upload, 2));
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
    assert_eq!(parts.sent(), pack.size + PART);
}

#[test]
fn a_dispute_that_the_list_does_not_explain_begins_again() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    let second = parts.content[PART as usize..2 * PART as usize].to_vec();
    parts
        .once(Verb::CompleteUpload, Moment::Before, |target, upload| overwrite(target, upload, 2, &[7; PART as usize]));
    parts.once(Verb::ListParts, Moment::Before, move |target, upload| overwrite(target, upload, 2, &second));
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
    assert_eq!((parts.counted.calls(Verb::CreateUpload), parts.sent()), (2, 2 * pack.size));
}

#[test]
fn an_upload_that_is_aborted_in_a_dispute_begins_again() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.once(Verb::CompleteUpload, Moment::Before, |target, upload| target.lose_part(upload, 1));
    parts.once(Verb::ListParts, Moment::Before, abort);
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
}

#[test]
fn a_conflict_at_complete_begins_again() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.once(Verb::CompleteUpload, Moment::Before, |target, upload| {
        target.store().put_if_absent(&upload.name, PutSource::Bytes(b"x"), StorageClass::Standard).unwrap();
        target.store().delete(&upload.name).unwrap();
    });
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
    assert_eq!(parts.counted.calls(Verb::CreateUpload), 2);
}

#[test]
fn an_upload_of_an_earlier_call_that_the_target_refuses_begins_again() {
    for verb in [Verb::ListParts, Verb::PutPart, Verb::CompleteUpload] {
        let parts = Parts::new();
        let pack = parts.pack(Origin::ThisProcess);
        parts.faults.fail_nth(Verb::PutPart, 4, Moment::Before, Errno::CONNRESET);
        parts.upload(&pack).unwrap_err();
        parts.faults.fail_nth(verb, 1, Moment::Before, Errno::INVAL);
        parts.upload(&pack).unwrap();
        parts.assert_done(&pack);
        assert_eq!(parts.counted.calls(Verb::CreateUpload), 2, "{verb}");
    }
}

/// The list is a cross-check: without the right to it, the receipts alone lead on.
#[test]
fn an_upload_goes_on_by_its_receipts_where_parts_may_not_be_listed() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_nth(Verb::PutPart, 4, Moment::Before, Errno::CONNRESET);
    parts.upload(&pack).unwrap_err();
    let before = parts.counted.calls(Verb::PutPart);
    parts.faults.fail_all(Verb::ListParts, Errno::ACCESS);
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
    assert_eq!(parts.counted.calls(Verb::CreateUpload), 1);
    assert!(parts.counted.calls(Verb::PutPart) - before < before, "what has a receipt is not sent again");
}

/// Which of them the target misses cannot be told.
#[test]
fn a_dispute_where_parts_may_not_be_listed_begins_again() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_nth(Verb::CompleteUpload, 1, Moment::Before, Errno::CONNRESET);
    parts.upload(&pack).unwrap_err();
    parts.target.lose_part(&parts.open_uploads()[0], 2);
    parts.faults.fail_all(Verb::ListParts, Errno::ACCESS);
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
    assert_eq!(parts.counted.calls(Verb::CreateUpload), 2);
}

#[test]
fn what_the_target_refuses_again_is_an_error_that_says_so_and_no_circle() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_all(Verb::CompleteUpload, Errno::INVAL);
    for begun in 1..=3 {
        let error = parts.upload(&pack).unwrap_err();
        assert!(matches!(&error, UploadError::Target { source, .. } if source.is_refusal()), "{error}");
        assert_eq!(parts.counted.calls(Verb::CreateUpload), begun);
    }
    parts.faults.clear();
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
}

#[test]
fn a_spool_that_is_lost_in_the_middle_ends_the_upload() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    let path = pack.body.path().unwrap().to_path_buf();
    parts.once(Verb::PutPart, Moment::Before, move |_, _| fs::write(&path, b"cut off").unwrap());
    let error = parts.upload(&pack).unwrap_err();
    assert!(matches!(error, UploadError::Lost { .. }), "{error}");
    assert_eq!((parts.open_uploads(), parts.bench.journal.upload_of(&pack.hash).unwrap()), (vec![], None));
    assert_eq!(parts.bench.waiting(), 1, "forgetting it is the caller's");
}

#[test]
fn a_lost_spool_does_not_matter_when_the_object_is_there() {
    let parts = Parts::new();
    let mut pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_nth(Verb::CompleteUpload, 1, Moment::After, Errno::CONNRESET);
    parts.upload(&pack).unwrap_err();
    let path = pack.body.path().unwrap().to_path_buf();
    fs::write(&path, b"damaged").unwrap();
    pack.body = Body::File { path, origin: Origin::EarlierProcess };
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
}

#[test]
fn a_target_that_never_settles_is_given_up_and_a_later_call_succeeds() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    parts.times(u32::MAX, Verb::CompleteUpload, Moment::Before, abort);
    let error = parts.upload(&pack).unwrap_err();
    assert!(matches!(error, UploadError::Unsettled { .. }), "{error}");
    assert_eq!(parts.bench.waiting(), 1);
    parts.faults.clear();
    parts.upload(&pack).unwrap();
    parts.assert_done(&pack);
}

#[test]
fn an_upload_keeps_its_part_size_when_the_rules_change() {
    let parts = Parts::with(PartRules { part_size: 2 * PART, ..RULES });
    let pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_nth(Verb::PutPart, 2, Moment::Before, Errno::CONNRESET);
    parts.upload(&pack).unwrap_err();
    // now parts are smaller, and a pack of this size would go whole
    let target = parts.target.with_rules(PartRules { threshold: 100 * PART, ..RULES });
    let (store, counted) = target.store().recording();
    let _ = Uploader::new(store, parts.bench.journal.clone()).upload(pack.clone()).unwrap();
    parts.assert_done(&pack);
    assert_eq!(parts.sent() + counted.counts(Verb::PutPart).bytes, pack.size);
}

#[test]
fn an_upload_that_cannot_be_ended_stops_nothing() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    let path = pack.body.path().unwrap().to_path_buf();
    parts.once(Verb::PutPart, Moment::Before, move |_, _| fs::write(&path, b"cut off").unwrap());
    parts.faults.fail_all(Verb::AbortUpload, Errno::ACCESS);
    assert!(matches!(parts.upload(&pack).unwrap_err(), UploadError::Lost { .. }));
    assert_eq!(parts.open_uploads().len(), 1);
    parts.faults.clear();
    let orphans = end_all(&parts.bench);
    assert_eq!((orphans, parts.open_uploads().len()), (Orphans { ended: 1, failed: 0 }, 0));
}

#[test]
fn an_upload_whose_object_is_there_is_never_aborted() {
    let parts = Parts::new();
    let pack = parts.pack(Origin::ThisProcess);
    let bytes = parts.content.clone();
    parts.once(Verb::CompleteUpload, Moment::Before, move |target, upload| {
        target.store().put_if_absent(&upload.name, PutSource::Bytes(&bytes), StorageClass::Standard).unwrap();
    });
    parts.upload(&pack).unwrap();
    end_all(&parts.bench);
    assert_eq!(parts.counted.calls(Verb::AbortUpload), 0);
}
