//! `rozenctl target create`: shows, asks, does what is missing, leaves what others have set.

use rozen::store::S3Client;

use super::lab::{BUCKET, Lab};
use super::s3fake::{Control, Settings};

#[test]
fn a_bucket_is_made_once_and_then_left_alone() {
    let lab = Lab::new();
    lab.target("owner", &["create", "--yes"]).expect(0).says(&[
        "1. make the bucket in us-east-1",
        "keep versions",
        "end unfinished uploads after 30 days",
        "set the bucket's policy: OnlyNewObjects, NoReplicationInto",
    ]);
    lab.target("owner", &["create", "--yes"]).expect(0).says(&["is right: there is nothing to do"]);
}

#[test]
fn nobody_is_locked_out_of_a_server_without_tls() {
    let lab = Lab::new();
    lab.server.settings(Settings { secure_transport: false, ..Settings::default() });
    let done = lab.target("owner", &["create", "--yes"]).expect(0);
    assert!(done.err.contains("the policy does not demand TLS"), "{}", done.err);
    lab.target("owner", &["create", "--yes"]).expect(0).says(&["is right: there is nothing to do"]);
    lab.add_machine();
    lab.target("machine", &["check"]).expect(0);
    let done = lab.target("owner", &["policy", "--for", "bucket"]).expect(0);
    assert!(!done.out.contains("TlsOnly") && done.err.contains("the policy does not demand TLS"), "{done:?}");
}

#[test]
fn nothing_is_changed_by_a_look_or_without_a_yes() {
    let lab = Lab::new();
    lab.target("owner", &["create", "--dry-run"]).expect(0).says(&["1. make the bucket"]);
    let done = lab.target("owner", &["create"]).expect(1);
    assert!(done.err.contains("nobody is there to say yes") && done.err.contains("--yes"), "{}", done.err);
    let client = lab.owner();
    assert!(client.run(client.sdk().head_bucket().bucket(BUCKET).send()).is_err());
}

#[test]
fn rules_of_others_stay_and_their_policy_is_never_replaced() {
    let lab = Lab::new();
    lab.server.make_bucket(BUCKET);
    let client = lab.owner();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:DeleteBucket","Resource":"*"}]}"#;
    client.run(client.sdk().put_bucket_policy().bucket(BUCKET).policy(policy).send()).unwrap();
    put_rule(&client);
    lab.target("owner", &["create", "--yes"]).expect(3).says(&["by hand: policy: the bucket has one already"]);
    let rules = client.run(client.sdk().get_bucket_lifecycle_configuration().bucket(BUCKET).send()).unwrap();
    let names: Vec<&str> = rules.rules().iter().filter_map(|rule| rule.id()).collect();
    assert_eq!(names, ["photos", "rozen-unfinished-uploads"]);
    let found = client.run(client.sdk().get_bucket_policy().bucket(BUCKET).send()).unwrap();
    assert_eq!(found.policy(), Some(policy));
}

fn put_rule(client: &S3Client) {
    use aws_sdk_s3::types::{
        BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    };
    let rule = LifecycleRule::builder().id("photos").status(ExpirationStatus::Enabled);
    let rule = rule.filter(LifecycleRuleFilter::builder().prefix("photos/").build());
    let rule = rule.expiration(LifecycleExpiration::builder().days(5).build()).build().unwrap();
    let config = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
    let put = client.sdk().put_bucket_lifecycle_configuration().bucket(BUCKET).lifecycle_configuration(config);
    client.run(put.send()).unwrap();
}

#[test]
fn only_buckets_are_made() {
    let lab = Lab::new();
    let done = lab.ctl(&["target", "create", "--repo", "/mnt/x", "--yes"]).expect(2);
    assert!(done.err.contains("only buckets"), "{}", done.err);
}
