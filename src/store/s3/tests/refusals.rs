//! What a person reads when a bucket cannot be used, and what a program does about it.

use std::error::Error;

use serde_json::json;

use super::servers::{on_every_server, on_the_fake, write_keys};
use super::{name, put};
use crate::clock::Clock;
use crate::model::Timestamp;
use crate::s3fake::{ACCESS_KEY, Control, Fault, Rule, SECRET_KEY, Settings, User, When};
use crate::store::{Disposition, PutOutcome, RetryPolicy, S3Refusal, Store, StoreError, StoreUrl};

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
            put(&store, "x", b"x").unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::S3 { source: S3Refusal::NoSuchBucket, .. }), "{error:?}");
            assert_eq!(error.disposition(), Disposition::Permanent);
            assert!(error.to_string().contains("no-such-bucket-here") && error.remedy().contains("target create"));
        }
    });
}

#[test]
fn wrong_keys_are_denied_where_the_server_looks_at_them() {
    on_every_server("wrong keys", |server, store, dir| {
        // the file is read when the first request needs it
        write_keys(dir.path(), "AKIAWRONGWRONGWRONG1", "not the secret");
        match store.list("") {
            Ok(_) => server.lacks("it takes all keys"),
            Err(error) => assert_eq!(error.disposition(), Disposition::Denied, "{error:?}"),
        }
    });
}

#[test]
fn what_is_wrong_with_keys_is_named_where_the_first_answer_has_no_body() {
    on_the_fake(|fake, server, store, dir| {
        put(&store, "a", b"x").unwrap();
        let url = StoreUrl::S3(server.new_bucket(dir.path()));
        let refusals = || {
            let source = |error| match error {
                StoreError::S3 { source, .. } => source,
                error => panic!("{error:?}"),
            };
            [Store::create(&url).map(drop), Store::open(&url).unwrap().head(&name("a")).map(drop)]
                .map(|answer| source(answer.unwrap_err()))
        };
        write_keys(dir.path(), ACCESS_KEY, "not the secret");
        assert!(refusals().iter().all(|refusal| matches!(refusal, S3Refusal::WrongSecret)), "{:?}", refusals());
        write_keys(dir.path(), "AKIAWRONGWRONGWRONG1", SECRET_KEY);
        assert!(refusals().iter().all(|refusal| matches!(refusal, S3Refusal::UnknownKey)), "{:?}", refusals());
        let (access_key, secret_key) = ("AKIAOLD0000000000000".to_owned(), SECRET_KEY.to_owned());
        let (name, policies) = (User::ROOT.to_owned(), Vec::new());
        write_keys(dir.path(), &access_key, &secret_key);
        fake.add_user(User { access_key, secret_key, name, policies, expired: true });
        assert!(refusals().iter().all(|refusal| matches!(refusal, S3Refusal::Expired)), "{:?}", refusals());
    });
}

#[test]
fn keys_that_expired_are_read_again_and_the_request_is_sent_once_more() {
    on_the_fake(|fake, _, store, dir| {
        let user = |key: &str| User {
            access_key: key.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            name: User::ROOT.to_owned(),
            policies: Vec::new(),
            expired: false,
        };
        fake.add_user(user("AKIAFIRST00000000000"));
        fake.add_user(user("AKIASECOND0000000000"));
        write_keys(dir.path(), "AKIAFIRST00000000000", SECRET_KEY);
        put(&store, "a", b"x").unwrap();
        fake.expire("AKIAFIRST00000000000", true);
        let error = put(&store, "b", b"x").unwrap_err();
        assert!(matches!(error, StoreError::S3 { source: S3Refusal::Expired, .. }), "{error:?}");
        assert_eq!(error.disposition(), Disposition::Denied);
        write_keys(dir.path(), "AKIASECOND0000000000", SECRET_KEY);
        assert_eq!(put(&store, "b", &[7; 300_000]).unwrap(), PutOutcome::Created);
    });
}

#[test]
fn an_uploader_that_may_not_read_still_knows_what_is_there_and_is_told_what_it_lacks() {
    on_the_fake(|fake, _, store, dir| {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["s3:PutObject", "s3:ListBucket"], "Resource": "*"}]});
        fake.add_user(User {
            access_key: "AKIAUPLOADER00000000".to_owned(),
            secret_key: "uploader-secret".to_owned(),
            name: "uploader".to_owned(),
            policies: vec![policy],
            expired: false,
        });
        write_keys(dir.path(), "AKIAUPLOADER00000000", "uploader-secret");
        assert_eq!(put(&store, "a", b"first").unwrap(), PutOutcome::Created);
        assert_eq!(put(&store, "a", b"other").unwrap(), PutOutcome::AlreadyThere);
        assert_eq!(store.head(&name("a")).unwrap().unwrap().size, 5);
        assert_eq!(store.head(&name("none")).unwrap(), None);
        for (error, action) in [
            (store.get(&name("a"), 10).unwrap_err(), "s3:GetObject"),
            (store.delete(&name("a")).unwrap_err(), "s3:DeleteObject"),
        ] {
            assert_eq!(error.disposition(), Disposition::Denied);
            let why = error.source().unwrap().to_string();
            assert!(why.contains(action), "{why}");
        }
    });
}

#[test]
fn a_clock_that_is_wrong_is_named_with_both_times_and_the_next_try_is_signed_by_the_targets_clock() {
    on_the_fake(|fake, _, store, _| {
        fake.settings(Settings { skew_seconds: 3600, ..Settings::default() });
        let error = put(&store, "a", b"x").unwrap_err();
        let why = error.source().unwrap().to_string();
        assert!(matches!(error, StoreError::S3 { source: S3Refusal::ClockSkew { .. }, .. }), "{error:?}");
        assert_eq!((error.disposition(), why.matches("GMT").count()), (Disposition::Retry, 2), "{why}");
        assert_eq!(put(&store, "a", b"x").unwrap(), PutOutcome::Created);
    });
    // the first answer is one to HEAD: the next question is signed by the target's clock already
    on_the_fake(|fake, server, _, dir| {
        let url = StoreUrl::S3(server.new_bucket(dir.path()));
        fake.settings(Settings { skew_seconds: 3600, ..Settings::default() });
        assert!(Store::create(&url).is_ok());
    });
}

#[test]
fn a_clock_that_stays_wrong_is_told_after_one_more_try() {
    on_the_fake(|fake, _, store, _| {
        let store = store.retrying(RetryPolicy::default(), Clock::manual(Timestamp::default()).0);
        fake.inject(Rule::new("*", When::Always, Fault::refuse(403, "RequestTimeTooSkewed")));
        let error = store.list("").unwrap_err();
        assert!(matches!(error, StoreError::S3 { source: S3Refusal::ClockSkew { .. }, .. }), "{error:?}");
        assert_eq!(store.requests().total(), 2);
    });
}

#[test]
fn an_endpoint_where_nobody_listens_is_tried_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let keys = write_keys(dir.path(), "id", "secret");
    // bound once and freed: it refuses
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["http", "https"] {
        let url = format!("s3://bucket/p?endpoint={scheme}://127.0.0.1:{port}&credentials={}", keys.display());
        let store = Store::open(&StoreUrl::parse(&url).unwrap()).unwrap();
        let error = store.head(&name("x")).unwrap_err();
        assert!(matches!(error, StoreError::S3 { source: S3Refusal::Unreachable { .. }, .. }), "{error:?}");
        assert_eq!(error.disposition(), Disposition::Retry);
        assert_eq!(store.requests().total(), 1);
    }
}

#[test]
fn a_server_that_speaks_no_tls_is_called_that() {
    on_the_fake(|_, server, _, dir| {
        let plain = server.address("bucket", &dir.path().join("keys"), "").endpoint().unwrap().to_owned();
        let keys = write_keys(dir.path(), "id", "secret");
        let url =
            format!("s3://bucket/p?endpoint={}&credentials={}", plain.replace("http://", "https://"), keys.display());
        let error = Store::open(&StoreUrl::parse(&url).unwrap()).unwrap().list("").unwrap_err();
        assert!(matches!(error, StoreError::S3 { source: S3Refusal::NoTls { .. }, .. }), "{error:?}");
        assert!(error.remedy().contains("endpoint=http://"));
    });
}

#[test]
fn without_keys_nothing_is_asked_and_the_message_says_where_they_were_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    let url = format!("s3://bucket/p?endpoint=http://127.0.0.1:9&credentials={}", missing.display());
    let store = Store::open(&StoreUrl::parse(&url).unwrap()).unwrap();
    let error = store.list("").unwrap_err();
    assert_eq!(error.disposition(), Disposition::Denied, "{error:?}");
    let why = error.source().unwrap().to_string();
    assert!(why.contains("no credentials were found") && why.contains("none"), "{why}");
}

#[test]
fn the_cause_is_named_without_layers_that_say_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let keys = write_keys(dir.path(), "id", "secret");
    let url = format!("s3://bucket/p?endpoint=http://no.such.host.invalid&credentials={}", keys.display());
    let error = Store::open(&StoreUrl::parse(&url).unwrap()).unwrap().list("").unwrap_err();
    let mut causes = Vec::new();
    let mut next: Option<&dyn Error> = Some(&error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    assert!(causes[1].contains("cannot be reached") && !causes.iter().any(|cause| cause == "other"), "{causes:?}");
}
