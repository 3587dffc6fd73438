//! Archive classes and lifecycle rules: what the store's clock does.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, GlacierJobParameters,
    LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, RestoreRequest, StorageClass, Tier,
};

use super::rig::{BUCKET, Rig, code};
use super::s3fake::Control;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

impl Rig {
    fn archive(&self, key: &str, class: StorageClass) {
        let put = self.client.put_object().bucket(BUCKET).key(key).storage_class(class);
        self.run(put.body(ByteStream::from_static(b"cold")).send()).unwrap();
    }

    fn thaw(&self, key: &str, tier: Tier) -> Result<(), String> {
        let tier = GlacierJobParameters::builder().tier(tier).build().unwrap();
        let request = RestoreRequest::builder().days(2).glacier_job_parameters(tier).build();
        let restore = self.client.restore_object().bucket(BUCKET).key(key).restore_request(request);
        self.run(restore.send()).map(drop).map_err(code)
    }

    fn state(&self, key: &str) -> Option<String> {
        self.run(self.client.head_object().bucket(BUCKET).key(key).send()).unwrap().restore
    }
}

#[test]
fn what_is_archived_is_read_after_thawing_and_until_the_copy_expires() {
    let takes = [
        (StorageClass::Glacier, Tier::Standard, 5),
        (StorageClass::Glacier, Tier::Bulk, 12),
        (StorageClass::DeepArchive, Tier::Standard, 12),
        (StorageClass::DeepArchive, Tier::Bulk, 48),
    ];
    for (class, tier, hours) in takes {
        let rig = Rig::new();
        rig.archive("key", class);
        assert_eq!(rig.get("key").unwrap_err(), "InvalidObjectState");
        assert_eq!(rig.state("key"), None);
        rig.thaw("key", tier.clone()).unwrap();
        assert_eq!(rig.state("key").unwrap(), "ongoing-request=\"true\"");
        assert_eq!(rig.thaw("key", tier.clone()).unwrap_err(), "RestoreAlreadyInProgress");
        rig.server.advance(hours * HOUR - 60);
        assert_eq!(rig.get("key").unwrap_err(), "InvalidObjectState");
        rig.server.advance(60);
        assert_eq!(rig.get("key").unwrap(), b"cold");
        let state = rig.state("key").unwrap();
        assert!(state.starts_with("ongoing-request=\"false\"") && state.ends_with("00:00:00 GMT\""), "{state}");
        rig.thaw("key", tier).unwrap();
        rig.server.advance(3 * DAY);
        assert_eq!(rig.get("key").unwrap_err(), "InvalidObjectState");
    }
}

#[test]
fn what_cannot_be_thawed_is_refused() {
    let rig = Rig::new();
    rig.archive("deep", StorageClass::DeepArchive);
    rig.archive("warm", StorageClass::GlacierIr);
    assert_eq!(rig.thaw("deep", Tier::Expedited).unwrap_err(), "InvalidArgument");
    assert_eq!(rig.thaw("warm", Tier::Standard).unwrap_err(), "InvalidObjectState");
    assert_eq!(rig.get("warm").unwrap(), b"cold");
    let put = rig.client.put_object().bucket(BUCKET).key("key").storage_class(StorageClass::from("LUKEWARM"));
    let put = rig.run(put.body(ByteStream::from_static(b"x")).send());
    assert_eq!(put.unwrap_err().code(), Some("InvalidStorageClass"));
}

#[test]
fn a_lifecycle_rule_aborts_old_uploads_and_removes_old_objects() {
    let rig = Rig::new();
    let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(3).build();
    let rule = LifecycleRule::builder()
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("old/").build())
        .abort_incomplete_multipart_upload(abort)
        .expiration(LifecycleExpiration::builder().days(5).build());
    let rules = BucketLifecycleConfiguration::builder().rules(rule.build().unwrap()).build().unwrap();
    let put = rig.client.put_bucket_lifecycle_configuration().bucket(BUCKET);
    rig.run(put.lifecycle_configuration(rules).send()).unwrap();
    for key in ["old/key", "kept/key"] {
        rig.put(key, b"x");
        rig.run(rig.client.create_multipart_upload().bucket(BUCKET).key(key).send()).unwrap();
    }
    let uploads =
        || rig.run(rig.client.list_multipart_uploads().bucket(BUCKET).send()).unwrap().uploads.unwrap_or_default();
    let old = uploads().into_iter().find(|upload| upload.key() == Some("old/key")).unwrap();
    let parts = rig.client.list_parts().bucket(BUCKET).key("old/key").upload_id(old.upload_id().unwrap());
    assert!(rig.run(parts.send()).unwrap().abort_date.is_some());
    rig.server.advance(4 * DAY);
    assert_eq!(uploads().iter().map(|upload| upload.key().unwrap()).collect::<Vec<_>>(), ["kept/key"]);
    assert_eq!(rig.get("old/key").unwrap(), b"x");
    rig.server.advance(2 * DAY);
    assert_eq!(rig.get("old/key").unwrap_err(), "NoSuchKey");
    assert_eq!(rig.get("kept/key").unwrap(), b"x");
}
