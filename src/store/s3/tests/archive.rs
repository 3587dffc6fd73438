//! Storage classes and thaws.

use super::servers::{on_every_server, on_the_fake};
use super::{name, put};
use crate::model::StorageClass;
use crate::s3fake::Control;
use crate::store::{Access, PutSource, Store, StoreError, ThawOutcome, ThawTier, Verb};

#[test]
fn an_archived_object_says_so_and_can_be_thawed_where_the_server_knows_how() {
    on_every_server("a thaw", |server, store, _| {
        let object = name("cold");
        let source = PutSource::Bytes(b"cold bytes");
        if let Err(error) = store.put_if_absent(&object, source, StorageClass::DeepArchive) {
            return server.lacks(&format!("it has no archive class: {error}"));
        }
        let info = store.head(&object).unwrap().unwrap();
        assert_eq!(info.class, StorageClass::DeepArchive);
        assert_eq!(store.list("cold").unwrap()[0].class, StorageClass::DeepArchive);
        assert_eq!(store.requests().counts[&(Verb::Put, StorageClass::DeepArchive)], 1);
        if store.get(&object, 100).is_ok() {
            return server.lacks("it serves archived objects at once");
        }
        assert_eq!(info.access, Access::NeedsThaw);
        assert_thaws(&store);
    });
}

fn assert_thaws(store: &Store) {
    let object = name("cold");
    assert!(matches!(store.get(&object, 100), Err(StoreError::Archived { .. })));
    assert!(matches!(store.get_range(&object, 0, 1), Err(StoreError::Archived { .. })));
    assert_eq!(store.thaw(&object, ThawTier::Bulk, 3).unwrap(), ThawOutcome::Requested);
    put(store, "warm", b"warm").unwrap();
    assert_eq!(store.thaw(&name("warm"), ThawTier::Bulk, 3).unwrap(), ThawOutcome::Readable);
    assert!(store.thaw(&name("none"), ThawTier::Bulk, 3).unwrap_err().is_not_found());
}

#[test]
fn a_thawed_copy_can_be_read_until_it_ends() {
    const DAY: i64 = 24 * 3600;
    on_the_fake(|fake, _, store, _| {
        let object = name("cold");
        store.put_if_absent(&object, PutSource::Bytes(b"cold bytes"), StorageClass::DeepArchive).unwrap();
        let access = || store.head(&object).unwrap().unwrap().access;
        assert_eq!(store.thaw(&object, ThawTier::Bulk, 3).unwrap(), ThawOutcome::Requested);
        assert_eq!(access(), Access::Thawing);
        assert_eq!(store.thaw(&object, ThawTier::Bulk, 3).unwrap(), ThawOutcome::InProgress);
        fake.advance(3 * DAY);
        assert!(matches!(access(), Access::Thawed { until: Some(_) }));
        assert_eq!(store.thaw(&object, ThawTier::Bulk, 3).unwrap(), ThawOutcome::Readable);
        assert_eq!(store.get(&object, 100).unwrap(), b"cold bytes");
        fake.advance(10 * DAY);
        assert_eq!(access(), Access::NeedsThaw);
        assert!(matches!(store.get(&object, 100), Err(StoreError::Archived { .. })));
    });
}
