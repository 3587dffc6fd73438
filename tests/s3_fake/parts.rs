//! Uploads in parts.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};

use super::rig::{BUCKET, MIN_PART, Rig, client, code, runtime};
use super::s3fake::{ACCESS_KEY, Control, Program, SECRET_KEY, Settings};

const KEY: &str = "dir/object";

impl Rig {
    fn create(&self, key: &str) -> String {
        let created = self.run(self.client.create_multipart_upload().bucket(BUCKET).key(key).send());
        created.unwrap().upload_id.unwrap()
    }

    fn part(&self, upload: &str, number: i32, bytes: &[u8]) -> Result<CompletedPart, String> {
        let part = self.client.upload_part().bucket(BUCKET).key(KEY).upload_id(upload).part_number(number);
        let sent = self.run(part.body(ByteStream::from(bytes.to_vec())).send()).map_err(code)?;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build())
    }

    fn complete(&self, upload: &str, parts: &[CompletedPart], if_absent: bool) -> Result<String, String> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
        let complete = self.client.complete_multipart_upload().bucket(BUCKET).key(KEY).upload_id(upload);
        let complete = complete.multipart_upload(parts).set_if_none_match(if_absent.then(|| "*".to_owned()));
        Ok(self.run(complete.send()).map_err(code)?.e_tag.unwrap())
    }

    /// Numbers of the parts of all pages.
    fn listed(&self, upload: &str) -> Vec<i32> {
        let pages = self.client.list_parts().bucket(BUCKET).key(KEY).upload_id(upload).into_paginator().items().send();
        let parts = self.run(pages.collect::<Result<Vec<_>, _>>()).unwrap();
        parts.into_iter().map(|part| part.part_number.unwrap()).collect()
    }
}

#[test]
fn parts_in_any_order_and_sent_twice_become_the_object() {
    let rig = Rig::new();
    let upload = rig.create(KEY);
    let last = rig.part(&upload, 9, b"end").unwrap();
    rig.part(&upload, 2, b"replaced").unwrap();
    let (one, two) = (rig.part(&upload, 1, &[1; MIN_PART]).unwrap(), rig.part(&upload, 2, &[2; MIN_PART]).unwrap());
    assert_eq!(rig.listed(&upload), [1, 2, 9]);
    let etag = rig.complete(&upload, &[one, two, last], false).unwrap();
    assert!(etag.ends_with("-3\""), "{etag}");
    assert!(rig.get(KEY).unwrap() == [&[1; MIN_PART][..], &[2; MIN_PART], b"end"].concat());
    assert_eq!(rig.part(&upload, 1, b"late").unwrap_err(), "NoSuchUpload");
}

#[test]
fn a_wrong_list_of_parts_is_refused_and_the_upload_stays() {
    let rig = Rig::new();
    let upload = rig.create(KEY);
    let (one, two) = (rig.part(&upload, 1, b"small").unwrap(), rig.part(&upload, 2, &[2; MIN_PART]).unwrap());
    let never_sent = CompletedPart::builder().part_number(3).e_tag("\"00\"").build();
    let other_etag = CompletedPart::builder().part_number(2).set_e_tag(one.e_tag.clone()).build();
    let refusals: [(&[CompletedPart], &str); 5] = [
        (&[], "MalformedXML"),
        (&[two.clone(), one.clone()], "InvalidPartOrder"),
        (&[one.clone(), never_sent], "InvalidPart"),
        (&[one.clone(), other_etag], "InvalidPart"),
        (&[one.clone(), two], "EntityTooSmall"),
    ];
    for (parts, refusal) in refusals {
        assert_eq!(rig.complete(&upload, parts, false).unwrap_err(), refusal);
    }
    for number in [0, 10_001] {
        assert_eq!(rig.part(&upload, number, b"x").unwrap_err(), "InvalidArgument");
    }
    assert_eq!(rig.listed(&upload), [1, 2]);
    rig.complete(&upload, &[one], false).unwrap();
    assert_eq!(rig.get(KEY).unwrap(), b"small");
}

#[test]
fn completing_again_is_the_same_answer_or_unknown_as_the_server_is_set() {
    for forget_completed in [false, true] {
        let rig = Rig::new();
        rig.server.settings(Settings { forget_completed, ..Settings::default() });
        let upload = rig.create(KEY);
        let part = [rig.part(&upload, 1, b"all").unwrap()];
        let etag = rig.complete(&upload, &part, true).unwrap();
        let again = rig.complete(&upload, &part, true);
        assert_eq!(again, if forget_completed { Err("NoSuchUpload".to_owned()) } else { Ok(etag) });
    }
}

#[test]
fn completing_only_if_absent_sees_objects_and_deletions_since_the_beginning() {
    let rig = Rig::new();
    let upload = rig.create(KEY);
    let part = [rig.part(&upload, 1, b"mine").unwrap()];
    rig.put(KEY, b"somebody else's");
    assert_eq!(rig.complete(&upload, &part, true).unwrap_err(), "PreconditionFailed");
    rig.run(rig.client.delete_object().bucket(BUCKET).key(KEY).send()).unwrap();
    assert_eq!(rig.complete(&upload, &part, true).unwrap_err(), "ConditionalRequestConflict");
    let fresh = rig.create(KEY);
    let part = [rig.part(&fresh, 1, b"mine").unwrap()];
    rig.complete(&fresh, &part, true).unwrap();
    assert_eq!(rig.get(KEY).unwrap(), b"mine");
}

#[test]
fn a_server_that_does_not_know_the_condition_overwrites() {
    let rig = Rig::new();
    rig.put(KEY, b"before");
    let upload = rig.create(KEY);
    let part = [rig.part(&upload, 1, b"after").unwrap()];
    rig.server.settings(Settings { ignore_if_none_match_on_complete: true, ..Settings::default() });
    assert_eq!(rig.put_if_absent(KEY, b"x").unwrap_err(), "PreconditionFailed");
    rig.complete(&upload, &part, true).unwrap();
    assert_eq!(rig.get(KEY).unwrap(), b"after");
}

#[test]
fn uploads_are_listed_by_key_and_age_on_many_pages() {
    let rig = Rig::new();
    let mut made: Vec<_> = ["a", KEY, KEY, KEY, "z"].iter().map(|key| ((*key).to_owned(), rig.create(key))).collect();
    made.remove(0);
    let mut found = Vec::new();
    let (mut key, mut id) = (None, None);
    loop {
        let list = rig.client.list_multipart_uploads().bucket(BUCKET).set_prefix(Some("d".to_owned()));
        let page = rig.run(list.set_key_marker(key).set_upload_id_marker(id).send()).unwrap();
        found.extend(
            page.uploads().iter().map(|one| (one.key().unwrap().to_owned(), one.upload_id().unwrap().to_owned())),
        );
        (key, id) = (page.next_key_marker, page.next_upload_id_marker);
        if page.is_truncated != Some(true) {
            break;
        }
    }
    assert_eq!(found, made[..3]);
}

#[test]
fn checksums_of_parts_and_of_the_whole_are_checked() {
    let rig = Rig::new();
    let create = rig.client.create_multipart_upload().bucket(BUCKET).key(KEY);
    let create = create.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).checksum_type(ChecksumType::FullObject);
    let upload = rig.run(create.send()).unwrap().upload_id.unwrap();
    let part = |number: i32, crc: &str| {
        let part = rig.client.upload_part().bucket(BUCKET).key(KEY).upload_id(&upload).part_number(number);
        let part = part.checksum_crc64_nvme(crc).body(ByteStream::from_static(b"123456789"));
        rig.run(part.send()).map_err(code)
    };
    // the check value of the algorithm: ae8b14860a799888
    assert_eq!(part(1, "AAAAAAAAAAA=").unwrap_err(), "BadDigest");
    let sent = part(1, "rosUhgp5mIg=").unwrap();
    let complete = |whole: &str, size: i64| {
        let part = CompletedPart::builder().part_number(1).set_e_tag(sent.e_tag.clone()).build();
        let complete = rig.client.complete_multipart_upload().bucket(BUCKET).key(KEY).upload_id(&upload);
        let complete = complete.multipart_upload(CompletedMultipartUpload::builder().parts(part).build());
        rig.run(complete.checksum_crc64_nvme(whole).mpu_object_size(size).send()).map_err(code)
    };
    assert_eq!(complete("AAAAAAAAAAA=", 9).unwrap_err(), "BadDigest");
    assert_eq!(complete("rosUhgp5mIg=", 10).unwrap_err(), "InvalidRequest");
    assert_eq!(complete("rosUhgp5mIg=", 9).unwrap().checksum_crc64_nvme.unwrap(), "rosUhgp5mIg=");
}

#[test]
fn of_two_uploads_the_one_begun_later_is_current_whatever_ends_last() {
    let rig = Rig::new();
    use aws_sdk_s3::types::{BucketVersioningStatus::Enabled, VersioningConfiguration};
    let on = VersioningConfiguration::builder().status(Enabled).build();
    rig.run(rig.client.put_bucket_versioning().bucket(BUCKET).versioning_configuration(on).send()).unwrap();
    let (first, second) = (rig.create(KEY), rig.create(KEY));
    let parts = [rig.part(&first, 1, b"first").unwrap(), rig.part(&second, 1, b"second").unwrap()];
    rig.complete(&second, &parts[1..], false).unwrap();
    rig.complete(&first, &parts[..1], false).unwrap();
    assert_eq!(rig.get(KEY).unwrap(), b"second");
}

#[test]
fn a_server_that_is_killed_continues_with_objects_uploads_and_parts() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Program::start("serve", dir.path());
    server.make_bucket(BUCKET);
    let (client, runtime) = (client(&server.endpoint(), ACCESS_KEY, SECRET_KEY), runtime());
    let body = || ByteStream::from_static(b"kept");
    runtime.block_on(client.put_object().bucket(BUCKET).key("whole").body(body()).send()).unwrap();
    let created = runtime.block_on(client.create_multipart_upload().bucket(BUCKET).key(KEY).send()).unwrap();
    let upload = created.upload_id.unwrap();
    let part = client.upload_part().bucket(BUCKET).key(KEY).upload_id(&upload).part_number(1).body(body());
    let etag = runtime.block_on(part.send()).unwrap().e_tag;
    server.kill_and_restart();
    let part = CompletedPart::builder().part_number(1).set_e_tag(etag).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = client.complete_multipart_upload().bucket(BUCKET).key(KEY).upload_id(&upload);
    let again = complete.multipart_upload(parts);
    // the first request may find the connection of the dead server
    let _ = runtime.block_on(client.head_bucket().bucket(BUCKET).send());
    runtime.block_on(again.clone().send()).unwrap();
    server.kill_and_restart();
    let _ = runtime.block_on(client.head_bucket().bucket(BUCKET).send());
    runtime.block_on(again.send()).unwrap();
    for key in ["whole", KEY] {
        let got = runtime.block_on(client.get_object().bucket(BUCKET).key(key).send()).unwrap();
        assert_eq!(runtime.block_on(got.body.collect()).unwrap().to_vec(), b"kept");
    }
}
