//! Faults happen to the request that they are ordered for, and the counts tell.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;

use super::rig::{BUCKET, Rig, code};
use super::s3fake::{Control, Fault, Rule, When};

impl Rig {
    fn next(&self, operation: &str, fault: Fault) {
        self.server.inject(Rule::new(operation, When::Nth(1), fault));
    }
}

#[test]
fn a_dropped_answer_comes_after_the_effect_and_a_dropped_request_before_it() {
    let rig = Rig::new();
    rig.next("PutObject", Fault::DropAnswer);
    assert_eq!(rig.put_if_absent("after", b"x").unwrap_err(), "dispatch");
    assert_eq!(rig.get("after").unwrap(), b"x");
    assert_eq!(rig.put_if_absent("after", b"x").unwrap_err(), "PreconditionFailed");
    rig.next("PutObject", Fault::DropRequest);
    assert_eq!(rig.put_if_absent("before", b"x").unwrap_err(), "dispatch");
    assert_eq!(rig.get("before").unwrap_err(), "NoSuchKey");
}

#[test]
fn a_refusal_has_no_effect() {
    let rig = Rig::new();
    let faults = [
        (Fault::slow_down(), "SlowDown"),
        (Fault::internal_error(), "InternalError"),
        (Fault::refuse(409, "ConditionalRequestConflict"), "ConditionalRequestConflict"),
    ];
    for (fault, refusal) in faults {
        rig.server.clear_faults();
        rig.next("*", fault);
        assert_eq!(rig.put_if_absent("key", &[1; 300_000]).unwrap_err(), refusal);
    }
    rig.put_if_absent("key", b"x").unwrap();
}

#[test]
fn bits_that_flip_on_the_way_up_are_found_and_those_on_the_way_down_arrive() {
    let rig = Rig::new();
    rig.next("PutObject", Fault::FlipRequest);
    assert_eq!(rig.put_if_absent("key", b"abc").unwrap_err(), "XAmzContentSHA256Mismatch");
    rig.put_if_absent("key", b"abc").unwrap();
    rig.next("GetObject", Fault::FlipAnswer);
    assert_eq!(rig.get("key").unwrap(), b"abb");
    assert_eq!(rig.get("key").unwrap(), b"abc");
}

#[test]
fn an_answer_that_is_cut_or_stalls_never_looks_whole() {
    let rig = Rig::new();
    rig.put("key", &[7; 300_000]);
    rig.next("GetObject", Fault::TruncateAnswer);
    assert_eq!(rig.get("key").unwrap_err(), "broken");
    for fault in [Fault::StallAnswer, Fault::Stall] {
        rig.server.clear_faults();
        rig.next("GetObject", fault);
        let patience = Duration::from_millis(200);
        let get = rig.client.get_object().bucket(BUCKET).key("key");
        let got = rig.run(async {
            tokio::time::timeout(patience, async { get.send().await.unwrap().body.collect().await.unwrap() }).await
        });
        assert!(got.is_err());
    }
}

#[test]
fn a_complete_can_fail_with_status_200() {
    let rig = Rig::new();
    for after_effect in [false, true] {
        let key = format!("key/{after_effect}");
        let created = rig.run(rig.client.create_multipart_upload().bucket(BUCKET).key(&key).send()).unwrap();
        let upload = created.upload_id.unwrap();
        let part = rig.client.upload_part().bucket(BUCKET).key(&key).upload_id(&upload).part_number(1);
        let etag = rig.run(part.body(ByteStream::from_static(b"x")).send()).unwrap().e_tag;
        let part = aws_sdk_s3::types::CompletedPart::builder().part_number(1).set_e_tag(etag).build();
        let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder().parts(part).build();
        rig.server.clear_faults();
        rig.next("CompleteMultipartUpload", Fault::ErrorIn200 { code: "InternalError".to_owned(), after_effect });
        let complete = rig.client.complete_multipart_upload().bucket(BUCKET).key(&key).upload_id(&upload);
        let failed = rig.run(complete.clone().multipart_upload(parts.clone()).send()).map_err(code);
        assert_eq!(failed.unwrap_err(), "InternalError");
        assert_eq!(rig.get(&key).is_ok(), after_effect);
        rig.run(complete.multipart_upload(parts).send()).unwrap();
    }
}

#[test]
fn uploads_vanish_and_parts_get_lost_behind_the_clients_back() {
    let rig = Rig::new();
    for (fault, refusal) in [(Fault::AbortUpload, "NoSuchUpload"), (Fault::LoseParts, "InvalidPart")] {
        let created = rig.run(rig.client.create_multipart_upload().bucket(BUCKET).key("key").send()).unwrap();
        let upload = created.upload_id.unwrap();
        let part = rig.client.upload_part().bucket(BUCKET).key("key").upload_id(&upload).part_number(1);
        let etag = rig.run(part.body(ByteStream::from_static(b"x")).send()).unwrap().e_tag;
        let part = aws_sdk_s3::types::CompletedPart::builder().part_number(1).set_e_tag(etag).build();
        let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder().parts(part).build();
        rig.server.clear_faults();
        rig.next("CompleteMultipartUpload", fault);
        let complete = rig.client.complete_multipart_upload().bucket(BUCKET).key("key").upload_id(&upload);
        assert_eq!(rig.run(complete.multipart_upload(parts).send()).map_err(code).unwrap_err(), refusal);
    }
}

#[test]
fn rules_count_the_requests_that_fit_and_chance_repeats_itself() {
    let rig = Rig::new();
    rig.put("key", b"x");
    rig.put("other", b"x");
    rig.server.inject(Rule::new("GetObject", When::First(2), Fault::slow_down()).on("bucket/key"));
    let got: Vec<bool> = ["other", "key", "key", "key"].iter().map(|key| rig.get(key).is_ok()).collect();
    assert_eq!(got, [true, false, false, true]);
    let series = || {
        rig.server.clear_faults();
        let when = When::Chance { percent: 50, seed: 7 };
        rig.server.inject(Rule::new("*", when, Fault::internal_error()));
        (0..20).map(|_| rig.get("key").is_ok()).collect::<Vec<_>>()
    };
    let first = series();
    assert_eq!(first, series());
    assert!(first.contains(&true) && first.contains(&false));
}

#[test]
fn counts_tell_requests_bytes_and_connections() {
    let rig = Rig::new();
    rig.put("key", &[1; 1000]);
    rig.next("PutObject", Fault::DropAnswer);
    let _ = rig.put_if_absent("key", &[1; 1000]);
    rig.get("key").unwrap();
    let counts = rig.server.counts();
    assert_eq!((counts.of("PutObject"), counts.of("GetObject"), counts.all_requests()), (2, 1, 3));
    assert_eq!(counts.received_bytes(), 2000);
    let row = &counts.received[0];
    assert_eq!((row.object.as_str(), row.part, row.requests, row.bytes), ("bucket/key", 0, 2, 2000));
    assert_eq!(counts.sent, 1000);
    assert_eq!(counts.faults["DropAnswer"], 1);
    assert!(counts.connections >= 2);
    rig.server.reset_counts();
    assert_eq!(rig.server.counts().all_requests(), 0);
}
