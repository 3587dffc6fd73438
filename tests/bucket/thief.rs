//! What `rozenctl target check` says a thief could do is what a thief could do.

use serde_json::{Value, json};

use super::lab::{BUCKET, Lab, MACHINE};
use super::s3fake::{Control, Fault, Rule, Settings, When};

#[test]
fn a_bucket_made_by_us_is_right_for_a_machine_with_our_policy() {
    let lab = Lab::new();
    lab.target("owner", &["create", "--yes", "--lock", "30"]).expect(0);
    lab.add_machine();
    let done = lab.target("machine", &["check"]).expect(0);
    done.says(&[
        "public access block             on",
        "policy                          lets nobody replace objects",
        "versioning                      on",
        "object lock                     30 days, compliance",
        "store it again, if absent       refused: prevented",
        "replace it                      refused: not permitted",
        "replace it by parts             refused: not permitted",
        "delete it                       refused: not permitted",
        "delete its version              refused: not permitted",
        "delete it past a lock           refused: not permitted",
        "list without credentials        refused: not permitted",
        "- Delete backups: no. It was tried and refused.",
        "- Replace backups by something else: no. It was tried and refused.",
        "they could not be deleted, which is right",
        "The target is right.",
    ]);
}

#[test]
fn only_the_folder_of_the_machine_is_open_to_it() {
    let lab = Lab::new();
    lab.target("owner", &["create", "--yes"]).expect(0);
    lab.add_machine();
    let machine = |key: &str, if_absent: bool| {
        let client = lab.client_of("machine");
        let put = client.sdk().put_object().bucket(BUCKET).key(format!("some/folder/{key}"));
        let put = put.set_if_none_match(if_absent.then(|| "*".to_owned())).content_md5("1B2M2Y8AsgTpgAmY7PhCfg==");
        client.run(put.body(Vec::new().into()).send()).is_ok()
    };
    assert!(machine(&format!("machines/{MACHINE}/packs/ab"), true));
    assert!(!machine(&format!("machines/{MACHINE}/packs/cd"), false));
    assert!(!machine("machines/ffffffffffffffffffffffffffffffff/packs/ab", true));
    assert!(!machine("rozen.json", true));
}

#[test]
fn a_public_bucket_is_dangerous_and_anybody_is_named() {
    let lab = Lab::new();
    lab.server.make_bucket(BUCKET);
    let client = lab.owner();
    client.run(client.sdk().delete_public_access_block().bucket(BUCKET).send()).unwrap();
    let public = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": "*",
        "Action": ["s3:ListBucket", "s3:GetObject"],
        "Resource": [format!("arn:aws:s3:::{BUCKET}"), format!("arn:aws:s3:::{BUCKET}/*")] }] });
    client.run(client.sdk().put_bucket_policy().bucket(BUCKET).policy(public.to_string()).send()).unwrap();
    lab.target("owner", &["check"]).expect(1).says(&[
        "public access block             off",
        "lets ANYBODY read, lets ANYBODY list",
        "list without credentials        done",
        "DANGER   anybody can list the bucket",
        "DANGER   its policy makes the bucket public",
        "Anybody at all can fetch them as they are, encrypted",
        "NOT safe",
    ]);
}

#[test]
fn without_versions_whoever_may_delete_can_destroy() {
    let lab = Lab::new();
    lab.server.make_bucket(BUCKET);
    lab.target("owner", &["check"]).expect(1).says(&[
        "versioning                      off",
        "DANGER   these credentials can delete objects, and nothing brings them back",
        "DANGER   these credentials can replace objects; what was there is lost",
        "weak     the bucket keeps no versions",
        "! Delete backups: yes, all of them, at once; nothing brings them back.",
    ]);
}

#[test]
fn with_versions_and_no_right_to_delete_them_a_thief_only_hides() {
    let lab = Lab::new();
    lab.target("owner", &["create", "--yes"]).expect(0);
    let careless = json!({ "Statement": [
        { "Effect": "Allow", "Action": "s3:*", "Resource": "*" },
        { "Effect": "Deny", "Action": "s3:DeleteObjectVersion", "Resource": "*" }] });
    lab.add_user("careless", vec![careless]);
    lab.target("careless", &["check"]).expect(3).says(&[
        "weak     these credentials can delete objects; versions stay, and an admin can bring them back",
        "! Delete backups: only in appearance.",
    ]);
    lab.add_careless();
    lab.target("careless", &["check"]).expect(1).says(&["DANGER   these credentials can delete versions"]);
}

#[test]
fn governance_holds_only_those_who_may_not_bypass_it() {
    let lab = Lab::new();
    lab.target("owner", &["create", "--yes", "--lock", "7", "--governance"]).expect(0);
    lab.add_careless();
    lab.target("careless", &["check"]).expect(1).says(&["DANGER   these credentials can delete locked versions"]);
}

#[test]
fn a_server_that_ignores_conditions_is_never_called_append_only() {
    let put = Settings { ignore_if_none_match_on_put: true, ..Settings::default() };
    let complete = Settings { ignore_if_none_match_on_complete: true, ..Settings::default() };
    for (settings, what) in [(put, "for a put"), (complete, "for completing an upload by parts")] {
        let lab = Lab::new();
        lab.server.make_bucket(BUCKET);
        lab.server.settings(settings);
        let done = lab.target("owner", &["check"]).expect(1);
        done.says(&[
            &format!("the server ignores \"only if absent\" {what}"),
            "It is not append-only",
            "heeds \"only if absent\"          no",
        ]);
    }
}

/// The URL says so; all else is tried as where the header is known.
#[test]
fn a_server_that_refuses_conditions_is_tried_without_them() {
    let lab = Lab::new();
    lab.server.make_bucket(BUCKET);
    lab.server.settings(Settings { refuse_if_none_match: true, ..Settings::default() });
    lab.target("owner", &["check"]).expect(1).says(&["no object could be stored"]);
    let done = lab.ctl(&["target", "check", "--repo", &format!("{}&conditional=no", lab.url("owner"))]).expect(1);
    done.says(&["DANGER   these credentials can replace objects", "these credentials can delete", "Content-MD5"]);
}

#[test]
fn setting_up_tries_a_bucket_once_and_keeps_what_it_does() {
    let lab = Lab::new();
    lab.server.make_bucket(BUCKET);
    let root = lab.dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let recovery = lab.dir.path().join("recovery.txt");
    let init = |lab: &Lab| {
        let (root, recovery) = (root.to_str().unwrap(), recovery.to_str().unwrap());
        lab.ctl(&["init", "--repo", &lab.url("owner"), "--root", root, "--recovery-out", recovery])
    };
    let kept = || -> Value {
        serde_json::from_slice(&std::fs::read(lab.dir.path().join("state/target.json")).unwrap()).unwrap()
    };
    let done = init(&lab).expect(0);
    assert!(done.err.contains("DANGER: these credentials can replace objects"), "{}", done.err);
    done.says(&["target         heeds \"only if absent\", and replaces objects where that is not asked for"]);
    assert_eq!(
        (&kept()["abilities"]["conditional_put"], &kept()["abilities"]["replaces_unasked"]),
        (&json!("yes"), &json!("yes"))
    );
    assert_eq!(kept()["danger"], "these credentials can replace objects; what was there is lost");
    let policy = lab.target("owner", &["policy", "--for", "bucket"]).expect(0).out;
    let client = lab.owner();
    client.run(client.sdk().put_bucket_policy().bucket(BUCKET).policy(policy).send()).unwrap();
    lab.target("owner", &["check"]).expect(1);
    assert_eq!(kept()["abilities"]["replaces_unasked"], "no");
    assert_eq!(kept()["danger"], "these credentials can delete objects, and nothing brings them back");
    client.run(client.sdk().delete_bucket_policy().bucket(BUCKET).send()).unwrap();
    lab.server.settings(Settings { ignore_if_none_match_on_put: true, ..Settings::default() });
    lab.target("owner", &["check"]).expect(1);
    assert_eq!(kept()["abilities"]["conditional_put"], "no");
    assert_eq!(kept()["target"], lab.url("owner"));
}

#[test]
fn setting_up_on_a_server_that_replaces_warns() {
    let lab = Lab::new();
    lab.server.make_bucket(BUCKET);
    lab.server.settings(Settings { ignore_if_none_match_on_complete: true, ..Settings::default() });
    let root = lab.dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let (root, recovery) = (root.to_str().unwrap(), lab.dir.path().join("recovery.txt"));
    let done =
        lab.ctl(&["init", "--repo", &lab.url("owner"), "--root", root, "--recovery-out", recovery.to_str().unwrap()]);
    let done = done.expect(0);
    assert!(done.err.contains("it is not append-only"), "{}", done.err);
}

#[test]
fn what_may_not_be_seen_is_named_by_its_permission() {
    let lab = Lab::new();
    lab.target("owner", &["create", "--yes"]).expect(0);
    let put = json!({ "Statement": { "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*" } });
    lab.add_user("blind", vec![put]);
    lab.target("blind", &["check"]).expect(3).says(&[
        "versioning                      not readable: s3:GetBucketVersioning is missing",
        "weak     these credentials may not see some settings; missing: s3:GetBucketPublicAccessBlock, s3:GetBucketPolicy",
        "lists unfinished uploads        not known",
    ]);
}

#[test]
fn what_was_not_answered_is_neither_a_setting_nor_a_checksum_that_was_noticed() {
    let lab = Lab::new();
    lab.server.make_bucket(BUCKET);
    let whole = "CRC64NVME of objects by parts";
    assert!(lab.target("owner", &["check"]).out.contains(whole));
    lab.server.inject(Rule::new("CompleteMultipartUpload", When::First(1), Fault::DropRequest).on("sum-parts"));
    lab.server.inject(Rule::new("GetBucketVersioning", When::Always, Fault::Gateway { status: 200 }));
    let done = lab.target("owner", &["check"]);
    assert!(!done.out.contains(whole), "{}", done.out);
    assert!(done.out.contains("versioning                      not known"), "{}", done.out);
}

#[test]
fn who_may_not_store_learns_that_nothing_can_be_told() {
    let lab = Lab::new();
    lab.server.make_bucket(BUCKET);
    let list = json!({ "Statement": { "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*" } });
    lab.add_user("reader", vec![list]);
    lab.target("reader", &["check"])
        .expect(1)
        .says(&["UNCLEAR  no object could be stored", "not tried: no object could be stored"]);
}

#[test]
fn a_check_leaves_nothing_where_it_may_delete() {
    let lab = Lab::new();
    lab.server.make_bucket(BUCKET);
    let done = lab.target("owner", &["check", "--json"]).expect(1);
    let report: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(report["tried"]["left_behind"], json!([]));
    assert_eq!(lab.keys(), Vec::<String>::new());
    let client = lab.owner();
    let uploads = client.run(client.sdk().list_multipart_uploads().bucket(BUCKET).send()).unwrap();
    assert!(uploads.uploads().is_empty(), "{uploads:?}");
    lab.target("owner", &["create", "--yes"]).expect(0);
    lab.add_careless();
    lab.target("careless", &["check"]).expect(1);
    let versions = client.run(client.sdk().list_object_versions().bucket(BUCKET).send()).unwrap();
    assert!(versions.versions().is_empty(), "{versions:?}");
}

#[test]
fn a_check_touches_nothing_but_its_own_probes() {
    let lab = Lab::new();
    lab.target("owner", &["create", "--yes"]).expect(0);
    lab.add_machine();
    lab.target("machine", &["check"]).expect(0);
    let keys = lab.keys();
    assert!(!keys.is_empty() && keys.iter().all(|key| key.starts_with("some/folder/probe/")), "{keys:?}");
}

#[test]
fn storage_classes_are_tried_only_when_asked() {
    let lab = Lab::new();
    lab.server.make_bucket(BUCKET);
    let classes = |args: &[&str]| -> Value {
        let done = lab.target("owner", &[&["check", "--json"], args].concat()).expect(1);
        serde_json::from_str::<Value>(&done.out).unwrap()["tried"]["abilities"]["classes"].clone()
    };
    assert_eq!(classes(&[]), json!([]));
    assert_eq!(classes(&["--classes"]), json!(["STANDARD", "STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]));
}

#[test]
fn a_bucket_that_cannot_be_asked_is_an_error_with_a_remedy() {
    let lab = Lab::new();
    let done = lab.target("owner", &["check"]).expect(10);
    assert!(done.err.contains("remedy:") && done.out.is_empty(), "{done:?}");
    lab.server.make_bucket(BUCKET);
    super::lab::write_keys(&lab.dir.path().join("wrong"), super::s3fake::ACCESS_KEY, "not the secret");
    let done = lab.target("wrong", &["check"]);
    assert!(done.code == 5 && done.err.contains("remedy:"), "{done:?}");
}
