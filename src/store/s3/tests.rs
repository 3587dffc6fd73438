//! What real servers do beside the suite of all kinds: pages, parts, classes, thaws, refusals, counting.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::servers::on_every_server;
use crate::model::StorageClass;
use crate::store::{
    Access, CompleteOutcome, Disposition, ObjectName, PartReceipt, PartSource, PutOutcome, PutSource, S3Refusal, Store,
    StoreError, StoreUrl, ThawOutcome, ThawTier, Upload, Verb,
};

const MIB: usize = 1 << 20;

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn put(store: &Store, text: &str, bytes: &[u8]) -> PutOutcome {
    store.put_if_absent(&name(text), PutSource::Bytes(bytes), StorageClass::Standard).unwrap()
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn a_list_has_all_pages_and_nothing_of_others() {
    on_every_server("a list of 1,100 objects", |_, store, _| {
        let threads = 8;
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let store = &store;
                let objects = (thread..1100).step_by(threads);
                scope.spawn(move || {
                    objects.for_each(|at| assert_eq!(put(store, &format!("many/{at:04}"), b"x"), PutOutcome::Created))
                });
            }
        });
        put(&store, "manyx", b"x");
        let listed = store.list("many/").unwrap();
        assert_eq!(listed.len(), 1100);
        assert!(listed.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(store.requests().counts[&(Verb::List, StorageClass::Standard)] >= 1);
    });
}

#[test]
fn a_large_file_goes_up_in_one_put_and_comes_back() {
    on_every_server("a large file", |_, store, dir| {
        let path = dir.path().join("spooled");
        let content = bytes(20 * MIB + 17);
        fs::write(&path, &content).unwrap();
        let source = PutSource::File { path: &path, may_move: true };
        assert_eq!(store.put_if_absent(&name("large"), source, StorageClass::Standard).unwrap(), PutOutcome::Created);
        assert!(store.get(&name("large"), 21 * MIB as u64).unwrap() == content);
        let requests = store.requests();
        assert_eq!((requests.sent, requests.received), (content.len() as u64, content.len() as u64));
    });
}

struct Parts<'a> {
    store: &'a Store,
    upload: Upload,
    path: &'a Path,
    content: &'a [u8],
}

const PART: usize = 5 * MIB;

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
        assert_eq!(store.head(&name("big")).unwrap(), None);
        assert_eq!(store.complete_upload(&parts.upload, &receipts).unwrap(), CompleteOutcome::Created);
        assert!(store.get(&name("big"), content.len() as u64).unwrap() == content);
        assert!(store.get_range(&name("big"), PART as u64 - 5, 10).unwrap() == content[PART - 5..PART + 5]);
        let again = store.complete_upload(&parts.upload, &receipts).unwrap();
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
        put(&store, "taken", b"first");
        assert_eq!(store.complete_upload(&parts.upload, &receipts).unwrap(), CompleteOutcome::AlreadyThere);
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
        assert_eq!(store.complete_upload(&parts.upload, &receipts).unwrap(), CompleteOutcome::UploadGone);
        assert_eq!(store.head(&name("gone")).unwrap(), None);
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
        assert_eq!(store.complete_upload(&parts.upload, &receipts).unwrap(), CompleteOutcome::PartsDiffer);
        assert_eq!(store.head(&name("differs")).unwrap(), None);
    });
}

#[test]
fn an_archived_object_says_so_and_can_be_thawed_where_the_server_knows_how() {
    let tried = AtomicBool::new(false);
    on_every_server("a thaw", |server, store, _| {
        let object = name("cold");
        let source = PutSource::Bytes(b"cold bytes");
        if let Err(error) = store.put_if_absent(&object, source, StorageClass::DeepArchive) {
            eprintln!("skipped: {} has no archive class: {error}", server.name);
            return;
        }
        let info = store.head(&object).unwrap().unwrap();
        assert_eq!(info.class, StorageClass::DeepArchive);
        assert_eq!(store.list("cold").unwrap()[0].class, StorageClass::DeepArchive);
        assert_eq!(store.requests().counts[&(Verb::Put, StorageClass::DeepArchive)], 1);
        if store.get(&object, 100).is_ok() {
            eprintln!("skipped: {} serves archived objects at once", server.name);
            return;
        }
        tried.store(true, Ordering::Relaxed);
        assert_eq!(info.access, Access::NeedsThaw);
        assert!(matches!(store.get(&object, 100), Err(StoreError::Archived { .. })));
        assert!(matches!(store.get_range(&object, 0, 1), Err(StoreError::Archived { .. })));
        assert_eq!(store.thaw(&object, ThawTier::Bulk, 3).unwrap(), ThawOutcome::Requested);
        while !store.head(&object).unwrap().unwrap().access.is_readable() {
            assert_eq!(store.thaw(&object, ThawTier::Bulk, 3).unwrap(), ThawOutcome::InProgress);
        }
        let Access::Thawed { until: Some(_) } = store.head(&object).unwrap().unwrap().access else { panic!("no end") };
        assert_eq!(store.get(&object, 100).unwrap(), b"cold bytes");
        put(&store, "warm", b"warm");
        assert_eq!(store.thaw(&name("warm"), ThawTier::Bulk, 3).unwrap(), ThawOutcome::Readable);
        assert!(store.thaw(&name("none"), ThawTier::Bulk, 3).unwrap_err().is_not_found());
    });
}

#[test]
fn a_bucket_that_is_not_there_is_named_with_a_remedy() {
    on_every_server("a missing bucket", |server, _, dir| {
        let keys = dir.path().join("keys");
        let url = StoreUrl::S3(server.address("no-such-bucket-here", &keys, ""));
        let store = Store::open(&url).unwrap();
        for error in [
            Store::create(&url).unwrap_err(),
            store.get(&name("x"), 10).unwrap_err(),
            store.list("").unwrap_err(),
            store.put_if_absent(&name("x"), PutSource::Bytes(b"x"), StorageClass::Standard).unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::S3 { source: S3Refusal::NoSuchBucket, .. }), "{error:?}");
            assert_eq!(error.disposition(), Disposition::Permanent);
            assert!(error.to_string().contains("no-such-bucket-here") && error.remedy().contains("target create"));
        }
    });
}

#[test]
fn wrong_keys_are_denied_where_the_server_looks_at_them() {
    on_every_server("wrong keys", |server, _, dir| {
        let address = server.new_bucket(dir.path());
        // the file is read when the first request needs it
        server.keys(dir.path(), "AKIAWRONGWRONGWRONG1", "not the secret");
        match Store::open(&StoreUrl::S3(address)).unwrap().list("") {
            Ok(_) => eprintln!("skipped: {} takes all keys", server.name),
            Err(error) => assert_eq!(error.disposition(), Disposition::Denied, "{error:?}"),
        }
    });
}

#[test]
fn where_a_condition_is_not_believed_what_is_there_still_stays() {
    on_every_server("conditional=no", |server, _, dir| {
        let address = server.new_bucket(dir.path());
        let place = format!("{}/p", address.bucket());
        let url = StoreUrl::S3(server.address(&place, &dir.path().join("keys"), "&conditional=no"));
        let store = Store::create(&url).unwrap();
        assert_eq!(put(&store, "a", b"first"), PutOutcome::Created);
        assert_eq!(put(&store, "a", b"other"), PutOutcome::AlreadyThere);
        assert_eq!(store.get(&name("a"), 10).unwrap(), b"first");
        let longer = store.put_if_absent(&name("a"), PutSource::Bytes(b"longer"), StorageClass::Standard);
        assert!(matches!(longer, Err(StoreError::Conflict { present: 5, offered: 6, .. })));
    });
}

#[test]
fn an_endpoint_where_nobody_listens_is_tried_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    fs::write(&keys, "id\nsecret\n").unwrap();
    fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    // bound and never accepting would hang; a port that was bound and freed refuses
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("s3://bucket/p?endpoint=http://127.0.0.1:{port}&credentials={}", keys.display());
    let store = Store::open(&StoreUrl::parse(&url).unwrap()).unwrap();
    let error = store.head(&name("x")).unwrap_err();
    assert!(matches!(error, StoreError::S3 { source: S3Refusal::Unreachable { .. }, .. }), "{error:?}");
    assert_eq!(error.disposition(), Disposition::Retry);
    assert_eq!(store.requests().total(), 1);
}

#[test]
fn without_keys_nothing_is_asked_and_the_message_says_where_they_were_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    let url = format!("s3://bucket/p?endpoint=http://127.0.0.1:9&credentials={}", missing.display());
    let store = Store::open(&StoreUrl::parse(&url).unwrap()).unwrap();
    let error = store.list("").unwrap_err();
    assert_eq!(error.disposition(), Disposition::Denied, "{error:?}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("no credentials were found") && source.contains("none"), "{source}");
}
