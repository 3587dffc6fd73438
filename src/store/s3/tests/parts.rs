//! Uploads by parts.

use std::fs;
use std::path::Path;

use super::servers::{on_every_server, on_the_fake};
use super::{MIB, bytes, name, put};
use crate::model::StorageClass;
use crate::s3fake::{Control, Fault, Rule, Settings, When};
use crate::store::{CompleteOutcome, Disposition, PartReceipt, PartSource, Store, StoreError, Upload};

const PART: usize = 5 * MIB;

struct Parts<'a> {
    store: &'a Store,
    upload: Upload,
    path: &'a Path,
    content: &'a [u8],
}

impl<'a> Parts<'a> {
    fn begin(store: &'a Store, object: &str, path: &'a Path, content: &'a [u8]) -> Self {
        fs::write(path, content).unwrap();
        let id = store.create_upload(&name(object), StorageClass::Standard).unwrap();
        Self { store, upload: Upload { name: name(object), id }, path, content }
    }

    fn send(&self, number: u32) -> Result<PartReceipt, StoreError> {
        let offset = (number as usize - 1) * PART;
        let len = PART.min(self.content.len() - offset);
        let source = PartSource { path: self.path, offset: offset as u64, len: len as u64 };
        self.store.put_part(&self.upload, number, source)
    }

    fn complete(&self, receipts: &[PartReceipt]) -> Result<CompleteOutcome, StoreError> {
        self.store.complete_upload(&self.upload, receipts)
    }

    fn is_there(&self) -> bool {
        self.store.head(&self.upload.name).unwrap().is_some()
    }
}

#[test]
fn a_part_of_the_list_is_recognised_by_its_bytes_and_by_no_others() {
    on_every_server("recognising parts", |_, store, dir| {
        let (path, other) = (dir.path().join("spooled"), dir.path().join("other"));
        let mut content = bytes(PART + 1000);
        let parts = Parts::begin(&store, "big", &path, &content);
        let receipts = [1, 2].map(|number| parts.send(number).unwrap());
        let listed = store.list_parts(&parts.upload).unwrap().unwrap();
        let whole = |path| [(0, PART), (PART, 1000)].map(|(at, len)| source(path, at, len));
        let recognised = |sources: [PartSource<'_>; 2]| -> Vec<_> {
            listed.iter().zip(sources).map(|(part, source)| store.recognise_part(part, source).unwrap()).collect()
        };
        assert_eq!(recognised(whole(&path)), receipts.map(Some), "the answer is as good as found");
        assert_eq!(recognised([source(&path, 0, PART - 1), source(&path, PART - 1, 1000)]), [None, None]);
        content[7] ^= 1;
        content[PART] ^= 1;
        fs::write(&other, &content).unwrap();
        assert_eq!(recognised(whole(&other)), [None, None]);
        assert!(matches!(
            store.recognise_part(&listed[0], source(&dir.path().join("none"), 0, PART)),
            Err(StoreError::Spool { .. })
        ));
    });
}

fn source(path: &Path, offset: usize, len: usize) -> PartSource<'_> {
    PartSource { path, offset: offset as u64, len: len as u64 }
}

#[test]
fn parts_in_any_order_make_the_object_and_the_list_agrees_with_the_receipts() {
    on_every_server("an upload by parts", |_, store, dir| {
        let path = dir.path().join("spooled");
        let content = bytes(2 * PART + 1000);
        let parts = Parts::begin(&store, "big", &path, &content);
        assert_eq!(store.list_parts(&parts.upload).unwrap().unwrap(), []);
        let third = parts.send(3).unwrap();
        parts.send(1).unwrap();
        let first = parts.send(1).unwrap();
        assert!(store.list_uploads("b").unwrap().contains(&parts.upload));
        let second = parts.send(2).unwrap();
        let receipts = [first, second, third];
        let plain = |parts: &[PartReceipt]| -> Vec<_> {
            parts.iter().map(|part| (part.number, part.size, part.etag.clone())).collect()
        };
        assert_eq!(plain(&store.list_parts(&parts.upload).unwrap().unwrap()), plain(&receipts));
        assert!(!parts.is_there());
        assert_eq!(parts.complete(&receipts).unwrap(), CompleteOutcome::Created);
        assert!(store.get(&name("big"), content.len() as u64).unwrap() == content);
        assert!(store.get_range(&name("big"), PART as u64 - 5, 10).unwrap() == content[PART - 5..PART + 5]);
        let again = parts.complete(&receipts).unwrap();
        assert!(matches!(again, CompleteOutcome::AlreadyThere | CompleteOutcome::UploadGone), "{again:?}");
        assert_eq!(store.list_uploads("").unwrap(), []);
    });
}

#[test]
fn a_completed_upload_replaces_nothing() {
    on_every_server("an upload over an object", |_, store, dir| {
        let path = dir.path().join("spooled");
        let content = bytes(PART + 1);
        let parts = Parts::begin(&store, "taken", &path, &content);
        let receipts = [parts.send(1).unwrap(), parts.send(2).unwrap()];
        put(&store, "taken", b"first").unwrap();
        assert_eq!(parts.complete(&receipts).unwrap(), CompleteOutcome::AlreadyThere);
        assert_eq!(store.get(&name("taken"), 100).unwrap(), b"first");
        store.abort_upload(&parts.upload).unwrap();
    });
}

#[test]
fn an_upload_that_was_aborted_is_gone_whatever_is_asked_of_it() {
    on_every_server("an aborted upload", |_, store, dir| {
        let path = dir.path().join("spooled");
        let content = bytes(PART + 1);
        let parts = Parts::begin(&store, "gone", &path, &content);
        let receipts = [parts.send(1).unwrap(), parts.send(2).unwrap()];
        store.abort_upload(&parts.upload).unwrap();
        store.abort_upload(&parts.upload).unwrap();
        assert_eq!(store.list_parts(&parts.upload).unwrap(), None);
        assert!(matches!(parts.send(1), Err(StoreError::UploadGone { .. })));
        assert_eq!(parts.complete(&receipts).unwrap(), CompleteOutcome::UploadGone);
        assert!(!parts.is_there());
        assert_eq!(store.list_uploads("").unwrap(), []);
    });
}

#[test]
fn a_part_that_is_not_what_its_receipt_says_stops_the_completion() {
    on_every_server("parts that differ", |_, store, dir| {
        let path = dir.path().join("spooled");
        let content = bytes(PART + 1);
        let parts = Parts::begin(&store, "differs", &path, &content);
        let mut receipts = [parts.send(1).unwrap(), parts.send(2).unwrap()];
        receipts[0].etag = "0123456789abcdef0123456789abcdef".to_owned();
        assert_eq!(parts.complete(&receipts).unwrap(), CompleteOutcome::PartsDiffer);
        assert!(!parts.is_there());
    });
}

#[test]
fn lists_of_parts_and_uploads_have_all_pages() {
    on_the_fake(|fake, _, store, dir| {
        fake.settings(Settings { page: 2, min_part_bytes: 1, ..Settings::default() });
        let path = dir.path().join("spooled");
        fs::write(&path, bytes(1000)).unwrap();
        let begin = |object: &str| {
            let id = store.create_upload(&name(object), StorageClass::Standard).unwrap();
            Upload { name: name(object), id }
        };
        let uploads: Vec<Upload> = ["u/a", "u/a", "u/b", "u/b", "u/b", "v"].into_iter().map(begin).collect();
        let mut found = store.list_uploads("u/").unwrap();
        assert_eq!(found.len(), 5);
        found.retain(|upload| !uploads.contains(upload));
        assert_eq!(found, []);
        for number in [5, 1, 9, 2, 7] {
            let source = PartSource { path: &path, offset: u64::from(number), len: 100 };
            store.put_part(&uploads[0], number, source).unwrap();
        }
        let numbers: Vec<u32> =
            store.list_parts(&uploads[0]).unwrap().unwrap().iter().map(|part| part.number).collect();
        assert_eq!(numbers, [1, 2, 5, 7, 9]);
    });
}

/// Two parts, sent; then `fault` strikes the completion.
fn completed_with(fault: Fault) -> Vec<(Result<CompleteOutcome, StoreError>, bool, CompleteOutcome)> {
    let results = std::cell::RefCell::new(Vec::new());
    on_the_fake(|fake, _, store, dir| {
        let path = dir.path().join("spooled");
        let content = bytes(PART + 1);
        let parts = Parts::begin(&store, "o", &path, &content);
        let receipts = [parts.send(1).unwrap(), parts.send(2).unwrap()];
        fake.inject(Rule::new("CompleteMultipartUpload", When::Nth(1), fault.clone()));
        let first = parts.complete(&receipts);
        let is_there = parts.is_there();
        let then = parts.complete(&receipts).unwrap();
        results.borrow_mut().push((first, is_there, then));
    });
    results.into_inner()
}

#[test]
fn a_completion_that_fails_with_status_200_is_a_failure() {
    let fault = |after_effect| Fault::ErrorIn200 { code: "InternalError".to_owned(), after_effect };
    for (first, is_there, then) in completed_with(fault(false)) {
        assert_eq!(first.unwrap_err().disposition(), Disposition::Retry);
        assert_eq!((is_there, then), (false, CompleteOutcome::Created));
    }
    for (first, is_there, then) in completed_with(fault(true)) {
        assert_eq!(first.unwrap_err().disposition(), Disposition::Retry);
        assert_eq!((is_there, then), (true, CompleteOutcome::AlreadyThere));
    }
}

#[test]
fn a_lost_answer_to_a_completion_is_told_and_the_next_one_finds_the_object() {
    for (first, is_there, then) in completed_with(Fault::DropAnswer) {
        assert_eq!(first.unwrap_err().disposition(), Disposition::Retry);
        assert_eq!((is_there, then), (true, CompleteOutcome::AlreadyThere));
    }
}

#[test]
fn a_completion_tells_what_it_found() {
    for (first, is_there, _) in completed_with(Fault::refuse(409, "ConditionalRequestConflict")) {
        assert_eq!((first.unwrap(), is_there), (CompleteOutcome::Conflict, false));
    }
    // a conflict that passes: the upload is as it was
    for (first, is_there, then) in completed_with(Fault::refuse(409, "OperationAborted")) {
        assert_eq!(first.unwrap_err().disposition(), Disposition::Retry);
        assert_eq!((is_there, then), (false, CompleteOutcome::Created));
    }
    // to ask again would be answered in the same way
    for (first, is_there, _) in completed_with(Fault::refuse(400, "BadDigest")) {
        let error = first.unwrap_err();
        assert!(error.is_refusal() && error.disposition() == Disposition::Permanent && !is_there, "{error:?}");
    }
    for (first, is_there, then) in completed_with(Fault::LoseParts) {
        assert_eq!(
            (first.unwrap(), is_there, then),
            (CompleteOutcome::PartsDiffer, false, CompleteOutcome::PartsDiffer)
        );
    }
    for (first, is_there, then) in completed_with(Fault::AbortUpload) {
        assert_eq!((first.unwrap(), is_there, then), (CompleteOutcome::UploadGone, false, CompleteOutcome::UploadGone));
    }
}

#[test]
fn a_part_that_was_damaged_on_its_way_is_refused_and_can_be_sent_again() {
    on_the_fake(|fake, _, store, dir| {
        let path = dir.path().join("spooled");
        let content = bytes(PART + 1);
        let parts = Parts::begin(&store, "o", &path, &content);
        fake.inject(Rule::new("UploadPart", When::Nth(1), Fault::FlipRequest));
        assert_eq!(parts.send(1).unwrap_err().disposition(), Disposition::Retry);
        assert_eq!(store.list_parts(&parts.upload).unwrap().unwrap(), []);
        let receipts = [parts.send(1).unwrap(), parts.send(2).unwrap()];
        assert_eq!(parts.complete(&receipts).unwrap(), CompleteOutcome::Created);
        assert!(store.get(&name("o"), content.len() as u64).unwrap() == content);
    });
}
