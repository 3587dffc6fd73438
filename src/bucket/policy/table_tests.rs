//! Who may do what: a table of calls, each evaluated against the policies of the role and of the bucket together.

use super::*;
use crate::bucket::{Place, Whose};
use crate::model::MachineId;

const OWN: &str = "machines/01010101010101010101010101010101";
const OTHER: &str = "machines/02020202020202020202020202020202";
const ARN: &str = "arn:aws:iam::123456789012:user/machine";

/// Uploader, GC host, admin.
type Expected = [bool; 3];
const ALL: Expected = [true; 3];
const NONE: Expected = [false; 3];
const NOT_UPLOADER: Expected = [false, true, true];
const ADMIN: Expected = [false, false, true];

fn place() -> Place {
    Place::new("bucket", "backups", None)
}

fn object(name: &str) -> String {
    place().object_arn(name)
}

fn at(action: &str, name: &str) -> Call {
    Call::new(action, object(name))
}

fn on_bucket(action: &str) -> Call {
    Call::new(action, place().bucket_arn())
}

fn list(prefix: &str) -> Call {
    on_bucket("s3:ListBucket").with("s3:prefix", prefix)
}

fn put(name: &str, if_absent: bool) -> Call {
    Call::create_object(object(name), if_absent)
}

/// A begun upload and its parts make no object.
fn part(name: &str) -> Call {
    at("s3:PutObject", name).with("s3:ObjectCreationOperation", "false")
}

fn own(name: &str) -> String {
    format!("{OWN}/{name}")
}

fn other(name: &str) -> String {
    format!("{OTHER}/{name}")
}

fn adding() -> Vec<(&'static str, Call, Expected)> {
    vec![
        ("store a pack if absent", put(&own("packs/ab"), true), ALL),
        ("store a manifest if absent", put(&own("snapshots/00000000000000000001"), true), ALL),
        ("store its settings", put(&own("config/ab"), true), ALL),
        ("store a probe", put("probe/x", true), ALL),
        ("replace a pack", put(&own("packs/ab"), false), NONE),
        ("replace a manifest", put(&own("snapshots/00000000000000000001"), false), NONE),
        ("replace a probe", put("probe/x", false), NONE),
        ("begin an upload, send a part", part(&own("packs/ab")), ALL),
        ("end its upload", at("s3:AbortMultipartUpload", &own("packs/ab")), ALL),
        ("see the parts of its upload", at("s3:ListMultipartUploadParts", &own("packs/ab")), ALL),
        ("see begun uploads", on_bucket("s3:ListBucketMultipartUploads"), ALL),
        ("store a certificate", put(&own("certificates/0000000002"), true), ADMIN),
        ("store for another machine", put(&other("packs/ab"), true), ADMIN),
        ("send a part for another machine", part(&other("packs/ab")), ADMIN),
        ("end an upload of another machine", at("s3:AbortMultipartUpload", &other("packs/ab")), ADMIN),
        ("make a repository", put("rozen.json", true), ADMIN),
        ("replace the repository's record", put("rozen.json", false), NONE),
        ("write as an admin", put("admin/x", true), ADMIN),
        ("store outside of the repository", Call::create_object("arn:aws:s3:::bucket/x", true), NONE),
        ("store in another bucket", Call::create_object("arn:aws:s3:::other/backups/x", true), NONE),
    ]
}

fn reading() -> Vec<(&'static str, Call, Expected)> {
    vec![
        ("read the repository's record", at("s3:GetObject", "rozen.json"), ALL),
        ("read its certificate", at("s3:GetObject", &own("certificates/0000000001")), ALL),
        ("read its index objects", at("s3:GetObject", &own("index/ab")), ALL),
        ("read its manifests", at("s3:GetObject", &own("snapshots/00000000000000000001")), ALL),
        ("read its packs", at("s3:GetObject", &own("packs/ab")), NOT_UPLOADER),
        ("read its trees", at("s3:GetObject", &own("trees/ab")), NOT_UPLOADER),
        ("read packs of others", at("s3:GetObject", &other("packs/ab")), NOT_UPLOADER),
        ("read index objects of others", at("s3:GetObject", &other("index/ab")), NOT_UPLOADER),
        ("read a wrapped recovery secret", at("s3:GetObject", "keys/ab"), ADMIN),
        ("read an earlier version", at("s3:GetObjectVersion", &own("packs/ab")), ADMIN),
        ("thaw", at("s3:RestoreObject", &own("packs/ab")), ADMIN),
        ("list its folder", list(&format!("backups/{OWN}/packs/")), ALL),
        ("look for one object of its own", list(&format!("backups/{OWN}/packs/ab")), ALL),
        ("list another machine's folder", list(&format!("backups/{OTHER}/packs/")), NOT_UPLOADER),
        ("list all machines", list("backups/machines/"), NOT_UPLOADER),
        ("list the whole bucket", on_bucket("s3:ListBucket"), ADMIN),
        ("list versions", on_bucket("s3:ListBucketVersions"), ADMIN),
    ]
}

fn taking_away() -> Vec<(&'static str, Call, Expected)> {
    let setting = |action| (action, on_bucket(action), NONE);
    let object = |action| (action, at(action, &own("packs/ab")), NONE);
    let mut calls = vec![
        ("delete", at("s3:DeleteObject", &own("packs/ab")), ADMIN),
        ("delete a version", at("s3:DeleteObjectVersion", &own("packs/ab")), ADMIN),
        ("delete a probe", at("s3:DeleteObject", "probe/x"), ADMIN),
        ("change the lifecycle", on_bucket("s3:PutLifecycleConfiguration"), ADMIN),
        ("switch versioning off", on_bucket("s3:PutBucketVersioning"), ADMIN),
        ("change the policy", on_bucket("s3:PutBucketPolicy"), ADMIN),
        ("change public access", on_bucket("s3:PutBucketPublicAccessBlock"), ADMIN),
    ];
    calls.extend(["s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:PutReplicationConfiguration"].map(setting));
    calls.extend(
        ["s3:PutObjectTagging", "s3:PutObjectAcl", "s3:PutObjectRetention", "s3:PutObjectLegalHold"].map(object),
    );
    calls.extend(["s3:BypassGovernanceRetention", "s3:ReplicateObject", "s3:ReplicateDelete"].map(object));
    calls
}

fn seeing() -> Vec<(&'static str, Call, Expected)> {
    let actions = ["s3:GetBucketVersioning", "s3:GetBucketPolicyStatus", "s3:GetLifecycleConfiguration"];
    let plain = put(&own("packs/ab"), true).with("aws:SecureTransport", "false");
    let mut calls: Vec<_> = actions.map(|action| (action, on_bucket(action), ALL)).into();
    calls.push(("store without TLS", plain, NONE));
    calls.push(("read without TLS", at("s3:GetObject", "rozen.json").with("aws:SecureTransport", "false"), NONE));
    calls
}

fn table() -> Vec<(&'static str, Call, Expected)> {
    [adding(), reading(), taking_away(), seeing()].concat()
}

fn roles() -> [Role; 3] {
    let whose = Whose::One(MachineId([1; 16]));
    [Role::Uploader(whose), Role::Gc(whose), Role::Admin]
}

#[test]
fn each_role_may_do_what_the_table_says_and_nothing_else() {
    let of_bucket = policy(&Role::Bucket { uploaders: vec![] }, &place());
    for (index, role) in roles().iter().enumerate() {
        let own = policy(role, &place());
        for (what, call, expected) in table() {
            let decision = decide(&[&of_bucket, &own], &call.by(ARN));
            assert_eq!(decision == Decision::Allowed, expected[index], "{role:?}: {what}: {decision:?}");
        }
    }
}

#[test]
fn a_machine_cannot_take_away_even_with_every_other_right() {
    let whole = Policy::parse(r#"{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}"#).unwrap();
    let own = policy(&roles()[0], &place());
    let bucket = policy(&Role::Bucket { uploaders: vec![ARN.to_owned()] }, &place());
    for (what, call, expected) in [taking_away(), adding()].concat() {
        let replaces = call.action == "s3:PutObject" && what.starts_with("replace");
        if !taking_away().iter().any(|(other, ..)| *other == what) && !replaces {
            continue;
        }
        assert!(!expected[0], "{what}");
        let replicates = call.action.contains("Replicate");
        let by_own = decide(&[&whole, &own], &call.clone().by(ARN));
        assert_eq!(by_own == Decision::Denied, !replicates, "by its own policy: {what}");
        assert_eq!(decide(&[&whole, &bucket], &call.by(ARN)), Decision::Denied, "by the bucket's: {what}");
    }
}

#[test]
fn the_bucket_gives_nothing_to_anybody() {
    let bucket = policy(&Role::Bucket { uploaders: vec![] }, &place());
    for (what, call, _) in table() {
        assert_ne!(decide(&[&bucket], &call), Decision::Allowed, "{what}");
    }
}

#[test]
fn one_set_of_credentials_for_all_machines_reaches_every_machine() {
    let own = policy(&Role::Uploader(Whose::All), &place());
    for call in [put(&other("packs/ab"), true), list(&format!("backups/{OTHER}/packs/"))] {
        assert_eq!(decide(&[&own], &call.by(ARN)), Decision::Allowed);
    }
    assert_eq!(decide(&[&own], &at("s3:GetObject", &other("packs/ab")).by(ARN)), Decision::NotAllowed);
}
