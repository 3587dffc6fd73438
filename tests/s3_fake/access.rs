//! Users, policies and what a bucket says about itself.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use serde_json::json;

use super::rig::{BUCKET, Rig, client, code};
use super::s3fake::{ACCESS_KEY, Control, Settings};

fn allow(actions: &[&str], resource: &str) -> serde_json::Value {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": resource}})
}

impl Rig {
    fn set_policy(&self, policy: &serde_json::Value) -> Result<(), String> {
        let put = self.client.put_bucket_policy().bucket(BUCKET).policy(policy.to_string());
        self.run(put.send()).map(drop).map_err(code)
    }
}

#[test]
fn who_does_not_know_the_secret_is_nobody() {
    let rig = Rig::new();
    for (access_key, refusal) in [(ACCESS_KEY, "SignatureDoesNotMatch"), ("AKIANOBODY", "InvalidAccessKeyId")] {
        let stranger = client(&rig.server.endpoint(), access_key, "a guess");
        let got = rig.run(stranger.get_object().bucket(BUCKET).key("key").send());
        assert_eq!(got.unwrap_err().code(), Some(refusal));
    }
}

#[test]
fn expired_credentials_work_again_when_they_are_renewed() {
    let rig = Rig::new();
    rig.server.expire(ACCESS_KEY, true);
    assert_eq!(rig.put_if_absent("key", b"x").unwrap_err(), "ExpiredToken");
    rig.server.expire(ACCESS_KEY, false);
    rig.put_if_absent("key", b"x").unwrap();
}

#[test]
fn a_clock_that_is_wrong_is_refused() {
    let rig = Rig::new();
    rig.server.settings(Settings { skew_seconds: 3600, ..Settings::default() });
    assert_eq!(rig.put_if_absent("key", b"x").unwrap_err(), "RequestTimeTooSkewed");
}

#[test]
fn a_user_may_do_what_is_allowed_and_learns_nothing_of_the_rest() {
    let rig = Rig::new();
    let user = rig.user(vec![
        allow(&["s3:PutObject", "s3:AbortMultipartUpload"], "arn:aws:s3:::bucket/machines/m1/*"),
        json!({"Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket",
                              "Condition": {"StringLike": {"s3:prefix": "machines/m1/*"}}}]}),
    ]);
    let put = |key: &str| {
        let put = user.put_object().bucket(BUCKET).key(key).body(ByteStream::from_static(b"x"));
        rig.run(put.send()).map(drop).map_err(code)
    };
    put("machines/m1/packs/1").unwrap();
    assert_eq!(put("machines/m2/packs/1").unwrap_err(), "AccessDenied");
    let list = |prefix: &str| rig.run(user.list_objects_v2().bucket(BUCKET).prefix(prefix).send()).map_err(code);
    assert_eq!(list("machines/m1/packs").unwrap().key_count, Some(1));
    assert_eq!(list("machines/m2/").unwrap_err(), "AccessDenied");
    for key in ["machines/m1/packs/1", "machines/m1/missing"] {
        let get = rig.run(user.get_object().bucket(BUCKET).key(key).send());
        assert_eq!(get.unwrap_err().code(), Some("AccessDenied"));
        let delete = rig.run(user.delete_object().bucket(BUCKET).key(key).send());
        assert_eq!(delete.unwrap_err().code(), Some("AccessDenied"));
    }
}

#[test]
fn a_bucket_policy_denies_what_is_not_conditional_and_the_owner_too() {
    let rig = Rig::new();
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::bucket/*",
         "Condition": {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"],
         "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]});
    rig.set_policy(&policy).unwrap();
    rig.put_if_absent("key", b"x").unwrap();
    let put = rig.client.put_object().bucket(BUCKET).key("other").body(ByteStream::from_static(b"x"));
    assert_eq!(rig.run(put.send()).unwrap_err().code(), Some("AccessDenied"));
    // the beginning of an upload cannot carry the header and needs none
    rig.run(rig.client.create_multipart_upload().bucket(BUCKET).key("parts").send()).unwrap();
    rig.server.settings(Settings { secure_transport: false, ..Settings::default() });
    assert_eq!(rig.get("key").unwrap_err(), "AccessDenied");
    rig.run(rig.client.delete_bucket_policy().bucket(BUCKET).send()).unwrap();
    assert_eq!(rig.get("key").unwrap(), b"x");
}

#[test]
fn a_public_policy_is_blocked_until_the_block_is_taken_away() {
    let rig = Rig::new();
    let mut public = allow(&["s3:GetObject"], "arn:aws:s3:::bucket/*");
    public["Statement"]["Principal"] = json!("*");
    assert_eq!(rig.set_policy(&public).unwrap_err(), "AccessDenied");
    let status = || rig.run(rig.client.get_bucket_policy_status().bucket(BUCKET).send());
    assert_eq!(status().unwrap_err().code(), Some("NoSuchBucketPolicy"));
    rig.run(rig.client.delete_public_access_block().bucket(BUCKET).send()).unwrap();
    let block = rig.run(rig.client.get_public_access_block().bucket(BUCKET).send());
    assert_eq!(block.unwrap_err().code(), Some("NoSuchPublicAccessBlockConfiguration"));
    rig.set_policy(&public).unwrap();
    assert_eq!(status().unwrap().policy_status.unwrap().is_public, Some(true));
    assert_eq!(rig.set_policy(&json!({"Statement": {"Effect": "Perhaps"}})).unwrap_err(), "MalformedPolicy");
}

#[test]
fn a_new_bucket_is_private_encrypted_and_without_acls() {
    let rig = Rig::new();
    let ownership = rig.run(rig.client.get_bucket_ownership_controls().bucket(BUCKET).send()).unwrap();
    let rule = &ownership.ownership_controls.unwrap().rules[0];
    assert_eq!(rule.object_ownership.as_str(), "BucketOwnerEnforced");
    let encryption = rig.run(rig.client.get_bucket_encryption().bucket(BUCKET).send()).unwrap();
    assert_eq!(encryption.server_side_encryption_configuration.unwrap().rules.len(), 1);
    let acl = rig.run(rig.client.get_bucket_acl().bucket(BUCKET).send()).unwrap();
    assert_eq!(acl.grants.unwrap().len(), 1);
    let versioning = rig.run(rig.client.get_bucket_versioning().bucket(BUCKET).send()).unwrap();
    assert_eq!(versioning.status, None);
    let lifecycle = rig.run(rig.client.get_bucket_lifecycle_configuration().bucket(BUCKET).send());
    assert_eq!(lifecycle.unwrap_err().code(), Some("NoSuchLifecycleConfiguration"));
}
