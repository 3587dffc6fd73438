//! Whole objects: conditions, checksums, lists, versions, locks.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode};

use super::rig::{BUCKET, Rig, code};
use super::s3fake::{Command, Control};

#[test]
fn a_put_if_absent_never_replaces() {
    let rig = Rig::new();
    rig.put_if_absent("key", b"first").unwrap();
    assert_eq!(rig.put_if_absent("key", b"second").unwrap_err(), "PreconditionFailed");
    assert_eq!(rig.get("key").unwrap(), b"first");
    assert_eq!(rig.get("other").unwrap_err(), "NoSuchKey");
}

#[test]
fn of_many_puts_at_once_exactly_one_wins() {
    let rig = Rig::new();
    let won = rig.run(async {
        let put = |byte: u8| {
            let put = rig.client.put_object().bucket(BUCKET).key("raced").if_none_match("*");
            tokio::spawn(put.body(ByteStream::from(vec![byte; 300_000])).send())
        };
        let all: Vec<_> = (0..16).map(put).collect();
        let mut won = Vec::new();
        for (byte, one) in (0..).zip(all) {
            won.extend(one.await.unwrap().is_ok().then_some(byte));
        }
        won
    });
    assert_eq!(won.len(), 1, "{won:?}");
    assert!(rig.get("raced").unwrap() == vec![won[0]; 300_000]);
}

#[test]
fn what_differs_from_its_checksum_is_refused_and_leaves_nothing() {
    let rig = Rig::new();
    let put = || rig.client.put_object().bucket(BUCKET).key("key").body(ByteStream::from_static(b"123456789"));
    let wrong = [
        put().content_md5("AAAAAAAAAAAAAAAAAAAAAA=="),
        put().checksum_crc32_c("AAAAAA=="),
        put().checksum_crc64_nvme("AAAAAAAAAAA="),
        put().checksum_sha256("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ];
    for put in wrong {
        assert_eq!(rig.run(put.send()).unwrap_err().code(), Some("BadDigest"));
    }
    assert_eq!(rig.get("key").unwrap_err(), "NoSuchKey");
    rig.run(put().checksum_crc32_c("4waSgw==").send()).unwrap();
    // with a trailer, as clients do by default
    rig.run(put().checksum_algorithm(ChecksumAlgorithm::Crc32).send()).unwrap();
    assert_eq!(rig.get("key").unwrap(), b"123456789");
}

#[test]
fn lists_come_in_pages_in_byte_order() {
    let rig = Rig::new();
    let keys = ["a b", "a/1", "a/2", "a/3", "a0", "b/é+%", "c"];
    keys.iter().rev().for_each(|key| rig.put(key, b"x"));
    let list = |prefix: &str, delimiter: Option<&str>| {
        let list = rig.client.list_objects_v2().bucket(BUCKET).prefix(prefix);
        let pages = list.set_delimiter(delimiter.map(str::to_owned)).into_paginator().send();
        let pages = rig.run(pages.collect::<Result<Vec<_>, _>>()).unwrap();
        assert!(pages.iter().all(|page| page.key_count.unwrap() <= 2));
        let keys = pages.iter().flat_map(|page| page.contents()).map(|object| object.key().unwrap().to_owned());
        let prefixes = pages.iter().flat_map(|page| page.common_prefixes()).map(|one| one.prefix().unwrap().to_owned());
        (keys.collect::<Vec<_>>(), prefixes.collect::<Vec<_>>())
    };
    assert_eq!(list("", None).0, keys);
    assert_eq!(list("a/", None).0, ["a/1", "a/2", "a/3"]);
    assert_eq!(
        list("", Some("/")),
        (["a b", "a0", "c"].map(str::to_owned).to_vec(), vec!["a/".to_owned(), "b/".to_owned()])
    );
}

#[test]
fn a_range_is_exact() {
    let rig = Rig::new();
    rig.put("key", b"0123456789");
    let range = |range: &str| {
        let got = rig.run(rig.client.get_object().bucket(BUCKET).key("key").range(range).send()).map_err(code)?;
        Ok::<_, String>(rig.run(got.body.collect()).unwrap().to_vec())
    };
    assert_eq!(range("bytes=3-6").unwrap(), b"3456");
    assert_eq!(range("bytes=8-").unwrap(), b"89");
    assert_eq!(range("bytes=-2").unwrap(), b"89");
    assert_eq!(range("bytes=10-10").unwrap_err(), "InvalidRange");
}

#[test]
fn a_delete_marker_hides_an_object_and_lets_a_conditional_put_through() {
    let rig = Rig::new();
    rig.server.control(Command::Bucket { name: "versioned".to_owned(), versioned: true, lock: false });
    let put = || {
        rig.client.put_object().bucket("versioned").key("key").if_none_match("*").body(ByteStream::from_static(b"x"))
    };
    let first = rig.run(put().send()).unwrap().version_id.unwrap();
    let deleted = rig.run(rig.client.delete_object().bucket("versioned").key("key").send()).unwrap();
    assert_eq!(deleted.delete_marker, Some(true));
    let get = || rig.client.get_object().bucket("versioned").key("key");
    assert_eq!(rig.run(get().send()).unwrap_err().code(), Some("NoSuchKey"));
    rig.run(get().version_id(&first).send()).unwrap();
    rig.run(put().send()).unwrap();
    let mut seen = 0;
    let (mut key, mut id) = (None, None);
    loop {
        let list = rig.client.list_object_versions().bucket("versioned").set_key_marker(key).set_version_id_marker(id);
        let page = rig.run(list.send()).unwrap();
        seen += page.versions().len() + page.delete_markers().len();
        (key, id) = (page.next_key_marker, page.next_version_id_marker);
        if page.is_truncated != Some(true) {
            break;
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn what_is_locked_cannot_be_removed_before_its_time() {
    let rig = Rig::new();
    rig.server.control(Command::Bucket { name: "locked".to_owned(), versioned: true, lock: true });
    let until = |days: i64| DateTime::from_secs(time::OffsetDateTime::now_utc().unix_timestamp() + days * 86_400);
    for (mode, bypassed) in [(ObjectLockMode::Governance, true), (ObjectLockMode::Compliance, false)] {
        let key = mode.as_str();
        let put = || {
            let put = rig.client.put_object().bucket("locked").key(key).body(ByteStream::from_static(b"x"));
            put.object_lock_mode(mode.clone()).object_lock_retain_until_date(until(10))
        };
        assert_eq!(rig.run(put().send()).unwrap_err().code(), Some("InvalidRequest"), "without a checksum");
        let stored = rig.run(put().content_md5("ndTkYSaMgDT1yFZOFVxnpg==").send());
        let version = stored.unwrap().version_id.unwrap();
        let delete = || rig.client.delete_object().bucket("locked").key(key).version_id(&version);
        assert_eq!(rig.run(delete().send()).unwrap_err().code(), Some("AccessDenied"));
        let retention =
            ObjectLockRetention::builder().mode(ObjectLockRetentionMode::from(key)).retain_until_date(until(1));
        let shorten = rig.client.put_object_retention().bucket("locked").key(key).retention(retention.build());
        assert_eq!(rig.run(shorten.send()).unwrap_err().code(), Some("AccessDenied"));
        assert_eq!(rig.run(delete().bypass_governance_retention(true).send()).is_ok(), bypassed);
    }
    rig.server.advance(11 * 86_400);
    let list = rig.client.list_object_versions().bucket("locked");
    let kept = rig.run(list.send()).unwrap().versions()[0].clone();
    let delete = rig.client.delete_object().bucket("locked").key(kept.key().unwrap());
    rig.run(delete.version_id(kept.version_id().unwrap()).send()).unwrap();
}

#[test]
fn many_are_deleted_at_once_each_for_itself() {
    use aws_sdk_s3::types::{Delete, ObjectIdentifier};
    let rig = Rig::new();
    ["mine/1", "mine/2", "kept"].iter().for_each(|key| rig.put(key, b"x"));
    let allowed = serde_json::json!({"Statement": {"Effect": "Allow", "Action": "s3:DeleteObject",
                                                   "Resource": "arn:aws:s3:::bucket/mine/*"}});
    let user = rig.user(vec![allowed]);
    let named = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let keys = ["mine/1", "mine/2", "mine/never", "kept"].map(named).to_vec();
    let delete = Delete::builder().set_objects(Some(keys)).build().unwrap();
    let answer = rig.run(user.delete_objects().bucket(BUCKET).delete(delete).send()).unwrap();
    assert_eq!((answer.deleted().len(), answer.errors().len()), (3, 1));
    assert_eq!(answer.errors()[0].code(), Some("AccessDenied"));
    assert_eq!((rig.get("mine/1").is_ok(), rig.get("kept").is_ok()), (false, true));
}

#[test]
fn a_copy_obeys_the_condition_and_outlives_its_source() {
    let rig = Rig::new();
    rig.put("source", b"bytes");
    let copy = |to: &'static str| {
        let copy = rig.client.copy_object().bucket(BUCKET).key(to).copy_source("bucket/source");
        let copy = copy.customize().mutate_request(|request| {
            request.headers_mut().insert("if-none-match", "*");
        });
        rig.run(copy.send()).map(drop).map_err(code)
    };
    copy("copy").unwrap();
    assert_eq!(copy("copy").unwrap_err(), "PreconditionFailed");
    rig.run(rig.client.delete_object().bucket(BUCKET).key("source").send()).unwrap();
    assert_eq!(rig.get("copy").unwrap(), b"bytes");
}
