//! Pages of lists, large files, counting, conditions that are not believed.

use std::fs;

use super::servers::{on_every_server, on_the_fake};
use super::{MIB, bytes, name, put};
use crate::model::StorageClass;
use crate::s3fake::{Control, Settings};
use crate::store::{PutOutcome, PutSource, Store, StoreError, StoreUrl, Verb};

fn created(store: &Store, text: &str) {
    assert_eq!(put(store, text, b"12").unwrap(), PutOutcome::Created);
}

#[test]
fn a_list_has_all_pages_and_nothing_of_others() {
    on_every_server("a list of 1,100 objects", |_, store, _| {
        let threads = 8;
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (store, objects) = (&store, (thread..1100).step_by(threads));
                scope.spawn(move || objects.for_each(|at| created(store, &format!("many/{at:04}"))));
            }
        });
        put(&store, "manyx", b"x").unwrap();
        let listed = store.list("many/").unwrap();
        assert_eq!(listed.len(), 1100);
        assert!(listed.windows(2).all(|pair| pair[0].name < pair[1].name));
    });
}

#[test]
fn every_page_is_a_request_and_is_counted() {
    on_the_fake(|fake, _, store, _| {
        fake.settings(Settings { page: 3, ..Settings::default() });
        (0..7).for_each(|at| created(&store, &format!("few/{at}")));
        assert_eq!(store.list("few/").unwrap().len(), 7);
        let requests = store.requests();
        assert_eq!(requests.counts[&(Verb::List, StorageClass::Standard)], 3);
        assert_eq!(requests.counts[&(Verb::Put, StorageClass::Standard)], 7);
        assert_eq!((fake.counts().of("ListObjectsV2"), requests.sent), (3, 14));
    });
}

#[test]
fn a_list_goes_on_where_a_page_has_a_successor_and_does_not_say_so() {
    on_the_fake(|fake, _, store, _| {
        fake.settings(Settings { page: 3, no_is_truncated: true, ..Settings::default() });
        (0..7).for_each(|at| created(&store, &format!("few/{at}")));
        assert_eq!(store.list("few/").unwrap().len(), 7);
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
        assert_eq!(requests.total(), 2);
    });
}

#[test]
fn where_a_condition_is_not_believed_what_is_there_still_stays() {
    on_every_server("conditional=no", |server, _, dir| {
        let address = server.new_bucket(dir.path());
        let place = format!("{}/p", address.bucket());
        let url = StoreUrl::S3(server.address(&place, &dir.path().join("keys"), "&conditional=no"));
        assert_nothing_is_replaced(&Store::create(&url).unwrap());
    });
    on_the_fake(|fake, server, _, dir| {
        fake.settings(Settings { ignore_if_none_match_on_put: true, ..Settings::default() });
        let address = server.new_bucket(dir.path());
        let keys = dir.path().join("keys");
        let url = StoreUrl::S3(server.address(address.bucket(), &keys, "&conditional=no"));
        assert_nothing_is_replaced(&Store::create(&url).unwrap());
    });
}

fn assert_nothing_is_replaced(store: &Store) {
    assert_eq!(put(store, "a", b"first").unwrap(), PutOutcome::Created);
    assert_eq!(put(store, "a", b"other").unwrap(), PutOutcome::AlreadyThere);
    assert_eq!(store.get(&name("a"), 10).unwrap(), b"first");
    assert!(matches!(put(store, "a", b"longer"), Err(StoreError::Conflict { present: 5, offered: 6, .. })));
}

#[test]
fn many_threads_share_one_store() {
    on_the_fake(|_, _, store, _| {
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let store = store.clone();
                scope.spawn(move || {
                    for round in 0..10 {
                        let object = format!("thread/{thread}-{round}");
                        put(&store, &object, &bytes(10_000 + round)).unwrap();
                        assert!(store.get(&name(&object), 20_000).unwrap() == bytes(10_000 + round));
                    }
                });
            }
        });
        assert_eq!(store.list("thread/").unwrap().len(), 80);
    });
}
