//! What a thief deletes or replaces in a bucket with versions is named by every command, never buried, and brought back.

use std::fs;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use rozen::store::S3Client;

use super::lab::{BUCKET, Done, Lab};
use super::s3fake::{Command, Control, Settings};

const SECTION: &str = "docs/disaster.md";

/// With a backup in a bucket that keeps versions; its policy lets everybody replace.
fn backed_up() -> Lab {
    let lab = Lab::new();
    lab.server.control(Command::Bucket { name: BUCKET.to_owned(), versioned: true, lock: false });
    back_up(&lab);
    lab
}

fn back_up(lab: &Lab) {
    fs::create_dir(lab.dir.path().join("data")).unwrap();
    fs::write(lab.dir.path().join("data/a"), b"what matters").unwrap();
    init(lab).expect(0);
    lab.ctl(&["backup", "--once"]).expect(0);
}

fn init(lab: &Lab) -> Done {
    let path = |name: &str| lab.dir.path().join(name).to_str().unwrap().to_owned();
    lab.ctl(&["init", "--repo", &lab.url("owner"), "--root", &path("data"), "--recovery-out", &path("recovery")])
}

fn with_recovery(lab: &Lab, args: &[&str]) -> Done {
    let recovery = lab.dir.path().join("recovery");
    lab.ctl(&[args, &["--repo", &lab.url("owner"), "--recovery", recovery.to_str().unwrap()]].concat())
}

#[track_caller]
fn restores(lab: &Lab) {
    let to = tempfile::tempdir_in(lab.dir.path()).unwrap();
    with_recovery(lab, &["restore", "latest", "--to", to.path().to_str().unwrap()]).expect(0);
    assert_eq!(fs::read(to.path().join("a")).unwrap(), b"what matters");
    with_recovery(lab, &["check", "--read-data"]).expect(0);
}

fn delete_all(lab: &Lab) {
    let keys = lab.keys();
    let named = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build().unwrap()).collect();
    let all = Delete::builder().set_objects(Some(named)).build().unwrap();
    let client = lab.owner();
    client.run(client.sdk().delete_objects().bucket(BUCKET).delete(all).send()).unwrap();
    assert!(lab.keys().is_empty());
}

fn put(client: &S3Client, key: &str, bytes: &[u8], if_absent: bool) -> bool {
    let put = client.sdk().put_object().bucket(BUCKET).key(key).body(bytes.to_vec().into());
    client.run(put.set_if_none_match(if_absent.then(|| "*".to_owned())).send()).is_ok()
}

/// Number and bytes of all versions that are not markers: what must never become less.
fn kept(lab: &Lab) -> usize {
    let client = lab.owner();
    let listed = client.run(client.sdk().list_object_versions().bucket(BUCKET).send()).unwrap();
    listed.versions().len()
}

#[test]
fn deleted_backups_are_named_by_every_command_not_buried_by_a_new_repository_and_brought_back() {
    let lab = backed_up();
    delete_all(&lab);
    let before = kept(&lab);
    for done in [with_recovery(&lab, &["snapshots"]), with_recovery(&lab, &["check"]), lab.ctl(&["backup", "--once"])] {
        let done = done.expect(10);
        for text in ["was deleted on ", "older versions of it are kept", "rozenctl target undelete", SECTION] {
            assert!(done.err.contains(text), "{text:?} is missing in:\n{}", done.err);
        }
    }
    fs::rename(lab.config(), lab.dir.path().join("config-of-before")).unwrap();
    fs::rename(lab.dir.path().join("state"), lab.dir.path().join("state-of-before")).unwrap();
    fs::rename(lab.dir.path().join("recovery"), lab.dir.path().join("recovery-of-before")).unwrap();
    let done = init(&lab).expect(1);
    for text in ["held a repository: rozen.json was deleted on ", "target undelete", SECTION, "another prefix"] {
        assert!(done.err.contains(text), "{text:?} is missing in:\n{}", done.err);
    }
    assert!(lab.keys().is_empty());
    fs::rename(lab.dir.path().join("recovery-of-before"), lab.dir.path().join("recovery")).unwrap();

    lab.target("owner", &["undelete", "--dry-run"]).expect(0).says(&["deleted: the delete markers are taken away"]);
    let done = lab.target("owner", &["undelete"]).expect(1);
    assert!(done.err.contains("nobody is there to say yes"), "{}", done.err);
    assert!(lab.keys().is_empty());
    lab.target("owner", &["undelete", "--yes"]).expect(0).says(&["done: ", "rozenctl check"]);
    restores(&lab);
    assert_eq!(kept(&lab), before);
    lab.target("owner", &["undelete", "--yes"]).expect(0).says(&["there is nothing to bring back"]);
}

#[test]
fn a_new_repository_is_refused_also_where_only_the_objects_of_machines_are_hidden() {
    let lab = backed_up();
    let record = "some/folder/rozen.json";
    delete_all(&lab);
    let client = lab.owner();
    let listed = client.run(client.sdk().list_object_versions().bucket(BUCKET).prefix(record).send()).unwrap();
    let ids = listed.versions().iter().map(|version| version.version_id());
    for id in ids.chain(listed.delete_markers().iter().map(|marker| marker.version_id())) {
        client.run(client.sdk().delete_object().bucket(BUCKET).key(record).version_id(id.unwrap()).send()).unwrap();
    }
    for old in ["rozen.toml", "rozen.key", "recovery"] {
        fs::remove_file(lab.dir.path().join(old)).unwrap();
    }
    fs::remove_dir_all(lab.dir.path().join("state")).unwrap();
    let done = init(&lab).expect(1);
    assert!(done.err.contains("held a repository: machines/"), "{}", done.err);
}

#[test]
fn what_a_check_of_the_target_left_behind_is_no_repository() {
    let lab = Lab::new();
    lab.server.control(Command::Bucket { name: BUCKET.to_owned(), versioned: true, lock: false });
    assert!(put(&lab.owner(), "some/folder/probe/1-1-object", b"probe object", true));
    delete_all(&lab);
    back_up(&lab);
    lab.target("owner", &["undelete", "--dry-run"]).expect(0).says(&["there is nothing to bring back"]);
}

#[test]
fn who_may_not_see_versions_is_told_what_could_be_the_matter() {
    let lab = backed_up();
    delete_all(&lab);
    let blind = serde_json::json!({ "Statement": [
        { "Effect": "Allow", "Action": "s3:*", "Resource": "*" },
        { "Effect": "Deny", "Action": "s3:ListBucketVersions", "Resource": "*" }] });
    lab.add_user("blind", vec![blind]);
    let recovery = lab.dir.path().join("recovery");
    let args = ["snapshots", "--repo", &lab.url("blind"), "--recovery", recovery.to_str().unwrap()];
    let done = lab.ctl(&args).expect(10);
    assert!(done.err.contains("there is no repository") && done.err.contains("target undelete"), "{}", done.err);
    let done = lab.target("blind", &["undelete", "--dry-run"]).expect(5);
    assert!(done.err.contains("s3:ListBucketVersions"), "{}", done.err);
}

#[test]
fn replaced_backups_are_put_back_without_losing_what_replaced_them() {
    let lab = backed_up();
    let (client, before) = (lab.owner(), kept(&lab));
    let keys = lab.keys();
    for key in &keys {
        assert!(put(&client, key, b"junk", false));
    }
    let done = with_recovery(&lab, &["snapshots"]).expect(1);
    assert!(done.err.contains("was replaced on ") && done.err.contains("target undelete"), "{}", done.err);
    lab.target("owner", &["undelete", "--yes"])
        .expect(0)
        .says(&["replaced: a copy of what was stored first goes on top"]);
    restores(&lab);
    assert_eq!(kept(&lab), before + 2 * keys.len());
    lab.target("owner", &["undelete", "--yes"]).expect(0).says(&["there is nothing to bring back"]);
    // deleted once more: what was put back is uncovered
    delete_all(&lab);
    lab.target("owner", &["undelete", "--yes"]).expect(0);
    restores(&lab);
}

#[test]
fn a_repository_that_was_buried_under_a_new_one_is_dug_out() {
    let lab = backed_up();
    delete_all(&lab);
    // as `init` made one, before it looked for what is hidden
    let other = Lab::new();
    other.server.control(Command::Bucket { name: BUCKET.to_owned(), versioned: false, lock: false });
    back_up(&other);
    let (there, here) = (other.owner(), lab.owner());
    let key = "some/folder/rozen.json";
    let record = there.run(there.sdk().get_object().bucket(BUCKET).key(key).send()).unwrap();
    let record = there.run(record.body.collect()).unwrap().into_bytes();
    assert!(put(&here, key, &record, true));
    let done = with_recovery(&lab, &["snapshots"]).expect(12);
    assert!(done.err.contains("was replaced on ") && done.err.contains("target undelete"), "{}", done.err);
    lab.target("owner", &["undelete", "--yes"]).expect(0);
    restores(&lab);
    lab.ctl(&["backup", "--once"]).expect(0);
}

#[test]
fn a_policy_that_lets_nobody_replace_does_not_stand_in_the_way() {
    let lab = Lab::new();
    lab.target("owner", &["create", "--yes"]).expect(0);
    back_up(&lab);
    let (client, keys) = (lab.owner(), lab.keys());
    delete_all(&lab);
    for key in &keys {
        assert!(!put(&client, key, b"junk", false), "the policy heeds nothing");
        assert!(put(&client, key, b"junk", true));
    }
    lab.target("owner", &["undelete", "--yes"]).expect(0);
    restores(&lab);
}

#[test]
fn a_time_leaves_alone_what_was_deleted_before_or_stored_since() {
    let lab = backed_up();
    let client = lab.owner();
    assert!(put(&client, "some/folder/machines/old", b"removed by an admin", false));
    lab.server.advance(10);
    client.run(client.sdk().delete_object().bucket(BUCKET).key("some/folder/machines/old").send()).unwrap();
    lab.server.advance(30 * 86_400);
    delete_all(&lab);
    let in_days = |days| (time::OffsetDateTime::now_utc() + time::Duration::days(days)).date().to_string();
    let brought_back = |before: &str| {
        let done = lab.target("owner", &["undelete", "--yes", "--json", "--before", before]).expect(0);
        serde_json::from_str::<serde_json::Value>(&done.out).unwrap()
    };
    assert_eq!(brought_back(&in_days(40))["done"], serde_json::Value::Null, "all of it was deleted before");
    assert_eq!(brought_back(&in_days(-10))["done"], serde_json::Value::Null, "all of it was stored since");
    let done = brought_back(&in_days(15));
    let all = lab.keys().len();
    assert_eq!((&done["done"]["uncovered"], &done["done"]["left_alone"]), (&all.into(), &1.into()), "{done}");
    restores(&lab);
    lab.target("owner", &["undelete", "--before", "17"]).expect(2);
}

#[test]
fn thousands_of_versions_are_gone_through_page_by_page() {
    let lab = Lab::new();
    lab.server.control(Command::Bucket { name: BUCKET.to_owned(), versioned: true, lock: false });
    let client = lab.owner();
    let name = |number: usize| format!("some/folder/machines/m/packs/{number:04}");
    for number in 0..510 {
        assert!(put(&client, &name(number), &number.to_le_bytes(), false));
    }
    // more markers than are removed at once
    (0..2).for_each(|_| delete_packs(&lab));
    // a page ends within the versions of one name
    for number in 0..40 {
        assert!(put(&client, &name(7), format!("junk {number}").as_bytes(), false));
    }
    let plan = |done: Done| serde_json::from_str::<serde_json::Value>(&done.out).unwrap()["plan"].clone();
    let found = plan(lab.target("owner", &["undelete", "--dry-run", "--json"]).expect(0));
    assert_eq!((&found["uncovered"], &found["put_back"]), (&509.into(), &1.into()), "{found}");
    lab.target("owner", &["undelete", "--yes"]).expect(0).says(&["done: 509 no more deleted, 1 put back"]);
    let found = plan(lab.target("owner", &["undelete", "--dry-run", "--json"]).expect(0));
    assert_eq!(found["right"], 510, "{found}");
    // the same with pages so small that nearly every name is cut
    lab.server.settings(Settings { page: 2, ..Settings::default() });
    let found = plan(lab.target("owner", &["undelete", "--dry-run", "--json"]).expect(0));
    assert_eq!(found["right"], 510, "{found}");
}

fn delete_packs(lab: &Lab) {
    let named = (0..510).map(|number| {
        let key = format!("some/folder/machines/m/packs/{number:04}");
        ObjectIdentifier::builder().key(key).build().unwrap()
    });
    let all = Delete::builder().set_objects(Some(named.collect())).build().unwrap();
    let client = lab.owner();
    client.run(client.sdk().delete_objects().bucket(BUCKET).delete(all).send()).unwrap();
}

#[test]
fn a_directory_keeps_no_versions() {
    let lab = Lab::new();
    let done = lab.ctl(&["target", "undelete", "--repo", "/mnt/x"]).expect(2);
    assert!(done.err.contains("keeps no versions"), "{}", done.err);
}
