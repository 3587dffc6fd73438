//! Lost, cut, damaged and refused requests: each is told as what it is, and nothing is repeated in secret.

use super::servers::on_the_fake;
use super::{bytes, name, put};
use crate::model::StorageClass;
use crate::s3fake::{Control, Fault, Rule, S3Fake, Settings, When};
use crate::store::{Disposition, PutOutcome, S3Refusal, Store, StoreError, StoreUrl, Upload, Verb};

fn next(fake: &S3Fake, operation: &str, fault: Fault) {
    fake.clear_faults();
    fake.inject(Rule::new(operation, When::Nth(1), fault));
}

#[test]
fn a_lost_answer_to_a_put_is_told_and_the_next_one_finds_its_own_object() {
    on_the_fake(|fake, _, store, _| {
        next(fake, "PutObject", Fault::DropAnswer);
        assert_eq!(put(&store, "a", b"x").unwrap_err().disposition(), Disposition::Retry);
        assert_eq!(put(&store, "a", b"x").unwrap(), PutOutcome::AlreadyThere);
        next(fake, "PutObject", Fault::DropRequest);
        assert_eq!(put(&store, "b", b"x").unwrap_err().disposition(), Disposition::Retry);
        assert_eq!(put(&store, "b", b"x").unwrap(), PutOutcome::Created);
        assert_eq!(fake.counts().of("PutObject"), 4);
    });
}

#[test]
fn a_busy_server_is_asked_once_by_each_call() {
    on_the_fake(|fake, _, store, _| {
        put(&store, "a", b"x").unwrap();
        let calls: [(&str, fn(&Store) -> Result<(), StoreError>); 5] = [
            ("PutObject", |store| put(store, "b", b"x").map(drop)),
            ("GetObject", |store| store.get(&name("a"), 10).map(drop)),
            ("HeadObject", |store| store.head(&name("a")).map(drop)),
            ("ListObjectsV2", |store| store.list("").map(drop)),
            ("DeleteObject", |store| store.delete(&name("a"))),
        ];
        for fault in [Fault::slow_down(), Fault::internal_error(), Fault::refuse(409, "ConditionalRequestConflict")] {
            for (operation, call) in calls {
                next(fake, operation, fault.clone());
                fake.reset_counts();
                let error = call(&store).unwrap_err();
                assert_eq!(error.disposition(), Disposition::Retry, "{operation} {fault:?}: {error:?}");
                assert_eq!(fake.counts().all_requests(), 1, "{operation}");
            }
        }
    });
}

#[test]
fn what_was_damaged_on_its_way_up_is_not_stored() {
    on_the_fake(|fake, _, store, _| {
        for size in [3, 1_000_000] {
            next(fake, "PutObject", Fault::FlipRequest);
            let error = put(&store, "a", &bytes(size)).unwrap_err();
            assert_eq!(error.disposition(), Disposition::Retry, "{error:?}");
            assert_eq!(store.head(&name("a")).unwrap(), None);
        }
    });
}

#[test]
fn an_answer_that_is_cut_off_never_looks_whole() {
    on_the_fake(|fake, _, store, _| {
        put(&store, "a", &bytes(100_000)).unwrap();
        next(fake, "GetObject", Fault::TruncateAnswer);
        assert_eq!(store.get(&name("a"), 200_000).unwrap_err().disposition(), Disposition::Retry);
        next(fake, "GetObject", Fault::TruncateAnswer);
        assert_eq!(store.get_range(&name("a"), 10, 50_000).unwrap_err().disposition(), Disposition::Retry);
        next(fake, "ListObjectsV2", Fault::TruncateAnswer);
        assert_eq!(store.list("").unwrap_err().disposition(), Disposition::Retry);
        assert!(store.get(&name("a"), 200_000).unwrap() == bytes(100_000));
    });
}

#[test]
fn what_a_gateway_answers_whose_store_is_away_says_nothing_about_objects() {
    on_the_fake(|fake, _, store, _| {
        put(&store, "a", b"x").unwrap();
        let id = store.create_upload(&name("b"), StorageClass::Standard).unwrap();
        let upload = Upload { name: name("b"), id };
        fake.inject(Rule::new("*", When::Always, Fault::Gateway { status: 404 }));
        let errors = [
            store.get(&name("a"), 10).unwrap_err(),
            store.get_range(&name("a"), 0, 1).unwrap_err(),
            store.head(&name("a")).unwrap_err(),
            store.list("").unwrap_err(),
            store.delete(&name("a")).unwrap_err(),
            store.list_parts(&upload).unwrap_err(),
            store.complete_upload(&upload, &[]).unwrap_err(),
            store.abort_upload(&upload).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.disposition(), Disposition::Retry, "{error:?}");
        }
        fake.clear_faults();
        assert_eq!(store.get(&name("a"), 10).unwrap(), b"x");
        assert!(store.list_uploads("").unwrap() == [upload]);
    });
}

#[test]
fn what_says_yes_to_everything_has_stored_nothing() {
    on_the_fake(|fake, _, store, _| {
        next(fake, "PutObject", Fault::Gateway { status: 200 });
        assert_eq!(put(&store, "a", b"x").unwrap_err().disposition(), Disposition::Retry, "an answer without an ETag");
        assert_eq!(store.head(&name("a")).unwrap(), None);
    });
}

#[test]
fn the_login_page_of_a_network_is_no_object() {
    on_the_fake(|fake, server, store, dir| {
        put(&store, "a", b"x").unwrap();
        let id = store.create_upload(&name("b"), StorageClass::Standard).unwrap();
        let upload = Upload { name: name("b"), id };
        let address = server.new_bucket(dir.path());
        fake.inject(Rule::new("*", When::Always, Fault::Gateway { status: 200 }));
        let errors = [
            store.get(&name("a"), 1000).unwrap_err(),
            // as long as the page, which then looks whole
            store.get_range(&name("a"), 0, 69).unwrap_err(),
            store.head(&name("a")).unwrap_err(),
            store.list("").unwrap_err(),
            store.list_parts(&upload).unwrap_err(),
            store.complete_upload(&upload, &[]).unwrap_err(),
            Store::create(&StoreUrl::S3(address)).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.disposition(), Disposition::Retry, "{error:?}");
        }
    });
}

#[test]
fn a_server_that_numbers_nothing_is_still_a_store() {
    on_the_fake(|fake, server, store, dir| {
        fake.settings(Settings { no_request_ids: true, ..Settings::default() });
        put(&store, "a", b"x").unwrap();
        assert_eq!(
            (store.get(&name("a"), 10).unwrap(), store.head(&name("a")).unwrap().unwrap().size),
            (b"x".to_vec(), 1)
        );
        Store::create(&StoreUrl::S3(server.new_bucket(dir.path()))).unwrap();
        let missing = StoreUrl::S3(server.address("no-such-bucket-here", &dir.path().join("keys"), ""));
        let error = Store::create(&missing).unwrap_err();
        assert!(matches!(error, StoreError::S3 { source: S3Refusal::NoSuchBucket, .. }), "{error:?}");
    });
}

#[test]
fn only_the_store_can_say_that_there_is_no_such_bucket() {
    on_the_fake(|fake, server, _, dir| {
        let url = StoreUrl::S3(server.new_bucket(dir.path()));
        fake.inject(Rule::new("*", When::Always, Fault::Gateway { status: 404 }));
        let error = Store::create(&url).unwrap_err();
        assert_eq!(error.disposition(), Disposition::Retry, "{error:?}");
        // the gateway answers the first question alone
        next(fake, "HeadBucket", Fault::Gateway { status: 404 });
        Store::create(&url).unwrap();
    });
}

#[test]
fn where_answers_bear_no_number_what_is_not_there_is_asked_for_by_a_request_that_can_name_it() {
    on_the_fake(|fake, _, store, _| {
        put(&store, "a", b"x").unwrap();
        let asked = |store: &Store| {
            let before = store.requests().total();
            let found = store.head(&name("none")).unwrap();
            (found, store.requests().total() - before)
        };
        assert_eq!(asked(&store), (None, 1));
        fake.settings(Settings { no_request_ids: true, ..Settings::default() });
        assert_eq!(asked(&store), (None, 2));
        assert_eq!(store.head(&name("a")).unwrap().unwrap().size, 1);
        // the gateway answers one of the two
        for operation in ["HeadObject", "GetObject"] {
            next(fake, operation, Fault::Gateway { status: 404 });
            let error = store.head(&name(if operation == "HeadObject" { "a" } else { "none" })).unwrap_err();
            assert_eq!(error.disposition(), Disposition::Retry, "{error:?}");
        }
        assert_eq!(store.requests().counts[&(Verb::GetRange, StorageClass::Standard)], 3);
    });
}
