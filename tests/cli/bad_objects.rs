//! Objects that somebody changed: named, with what they cost; everything else comes back.

use std::fs;

use crate::lab::{Lab, noise};

/// Several packs, so that one can be lost.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.init();
    lab.backup().expect(0);
    lab.write("later.bin", &noise(200_000, 9));
    lab.backup().expect(0);
    lab
}

fn check(lab: &Lab) -> crate::lab::Done {
    lab.ctl(&["check", "--read-data", "--recovery", "recovery.txt"])
}

#[test]
fn a_truncated_pack_costs_its_files_alone() {
    let lab = lab();
    let packs = lab.objects("packs");
    assert_eq!(packs.len(), 2);
    for pack in &packs {
        let whole = fs::read(pack).unwrap();
        fs::write(pack, &whole[..whole.len() / 2]).unwrap();
        let told = check(&lab).expect(3).out;
        assert!(told.contains(pack.file_name().unwrap().to_str().unwrap()), "{told}");
        lab.restore("out").expect(3).says(&["damaged"]);
        let restored = ["a.txt", "docs/deep/c.bin", "later.bin"].map(|name| {
            let found = fs::read(lab.path("out").join(name)).ok();
            let right = found.as_deref() == Some(&fs::read(lab.root().join(name)).unwrap());
            assert!(found.is_none() || right, "{name} came back wrong");
            right
        });
        assert!(restored.contains(&true) && restored.contains(&false), "{restored:?}");
        fs::write(pack, whole).unwrap();
        fs::remove_dir_all(lab.path("out")).unwrap();
    }
    check(&lab).expect(0);
}

#[test]
fn swapped_objects_are_found() {
    let lab = lab();
    for folder in ["packs", "trees", "index", "snapshots"] {
        let objects = lab.objects(folder);
        let (a, b) = (&objects[0], &objects[1]);
        let (content_a, content_b) = (fs::read(a).unwrap(), fs::read(b).unwrap());
        fs::write(a, &content_b).unwrap();
        fs::write(b, &content_a).unwrap();
        let done = check(&lab);
        assert!(done.code == 3 || done.code == 1, "{folder}: {done:?}");
        fs::write(a, content_a).unwrap();
        fs::write(b, content_b).unwrap();
    }
    check(&lab).expect(0);
}

#[test]
fn a_damaged_record_of_the_repository_is_told_read_past_and_never_written_to() {
    let lab = lab();
    let path = lab.path("repo/rozen.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("version\\\":1", "version\\\":3", 1)).unwrap();
    assert_ne!(fs::read_to_string(&path).unwrap(), text);
    let told = lab.ctl(&["snapshots", "--recovery", "recovery.txt"]).expect(0).err;
    assert!(told.contains("rozen.json") && told.contains("nothing can be added"), "{told}");
    check(&lab).expect(3);
    lab.assert_restores();
    lab.write("more", b"x");
    lab.backup().expect(1).says(&["rozen.json"]);
    fs::write(&path, text).unwrap();
    lab.backup().expect(0);
    lab.assert_restores();
}

#[test]
fn without_any_record_and_certificate_the_manifests_say_whose_they_are() {
    let lab = lab();
    fs::remove_file(lab.path("repo/rozen.json")).unwrap();
    lab.objects("certificates").iter().for_each(|path| fs::remove_file(path).unwrap());
    lab.assert_restores();
    let told = check(&lab).expect(3).out;
    assert!(told.contains("rozen.json") && told.contains("certificates/0000000001"), "{told}");
    lab.write("more", b"x");
    lab.backup().expect(10).says(&["no repository"]);
}

#[test]
fn a_damaged_machine_key_or_journal_is_told() {
    let lab = lab();
    let key = lab.path("rozen.key");
    let text = fs::read_to_string(&key).unwrap();
    fs::write(&key, &text[..text.len() - 30]).unwrap();
    lab.backup().expect(1).says(&["rozen.key", "damaged"]);
    fs::write(&key, text).unwrap();
    fs::write(lab.path("state/journal.db"), noise(10_000, 5)).unwrap();
    lab.backup().expect(1).says(&["journal"]);
    fs::remove_file(lab.path("state/journal.db")).unwrap();
    lab.backup().expect(0);
    lab.assert_restores();
}

#[test]
fn what_the_target_lost_is_stored_again_from_the_disk_when_a_person_says_so() {
    let lab = lab();
    for lost in lab.objects("packs").iter().chain(&lab.objects("trees")) {
        fs::remove_file(lost).unwrap();
    }
    check(&lab).expect(3);
    lab.backup().expect(0);
    assert!(lab.objects("packs").is_empty(), "nothing has changed: without a word nothing is stored again");
    let agent = lab.agent();
    let again = ["check", "--store-again", "--recovery", "recovery.txt"];
    lab.ctl(&again).expect(11).says(&["another process"]);
    assert_eq!(agent.stop(), 0);
    let told = lab.ctl(&again).expect(3).out;
    assert!(told.contains("forgotten: the next backup"), "{told}");
    lab.backup().expect(0);
    lab.assert_restores();
    let sent = lab.objects("packs");
    lab.ctl(&again);
    lab.backup().expect(0);
    assert_eq!(lab.objects("packs"), sent, "it is stored once");
}

#[test]
fn an_older_snapshot_than_the_one_asked_for_is_no_success() {
    let lab = lab();
    let newest = lab.objects("snapshots").pop().unwrap();
    fs::write(&newest, b"garbage").unwrap();
    let read = |args: &[&str]| lab.ctl(&[args, &["--recovery", "recovery.txt"]].concat());
    for args in [&["restore", "latest", "--to", "out"][..], &["restore", "latest", "--to", "out", "--dry-run"]] {
        let done = read(&[args, &["--json"]].concat()).expect(3);
        assert_eq!(done.json()["snapshot"], 1);
        assert_eq!(done.json()["passed_over"][0]["snapshot"], 2, "{}", done.out);
    }
    for args in [&["ls", "latest"][..], &["find", "a.txt"], &["cat", "latest", "a.txt"], &["diff", "1", "latest"]] {
        let done = read(args).expect(3);
        assert!(done.err.contains("snapshot 2 cannot be read and is passed over"), "{}", done.err);
    }
    read(&["ls", "1"]).expect(0);
}

#[test]
fn the_newest_snapshot_that_was_taken_away_is_missed_by_its_machine() {
    let lab = lab();
    let newest = lab.objects("snapshots").pop().unwrap();
    fs::remove_file(&newest).unwrap();
    let told = check(&lab).expect(3).out;
    assert!(told.contains(newest.file_name().unwrap().to_str().unwrap()) && told.contains("took it away"), "{told}");
    lab.backup().expect(3).says(&["does not hold snapshot 2 any more"]);
    check(&lab).expect(3);
    lab.assert_restores();
}

#[test]
fn one_object_that_the_disk_cannot_give_stops_no_restore_check_or_backup() {
    let lab = lab();
    for folder in ["index", "packs", "trees", "snapshots"] {
        let object = lab.objects(folder).remove(0);
        let aside = lab.path("aside");
        fs::rename(&object, &aside).unwrap();
        // it is there, and nothing can be known of it
        std::os::unix::fs::symlink(&object, &object).unwrap();
        let told = check(&lab).expect(3).out;
        assert!(told.contains(object.file_name().unwrap().to_str().unwrap()), "{folder}: {told}");
        let done = lab.restore("out");
        let named = done.err.contains("cannot be read") || done.err.contains("cannot read") || done.code == 0;
        assert!(matches!(done.code, 0 | 3) && named, "{folder}: {done:?}");
        // the one node of the tree may have been in it
        assert!(folder == "trees" || lab.path("out").read_dir().unwrap().next().is_some(), "{folder}");
        lab.write("later.txt", folder.as_bytes());
        lab.backup().expect(0);
        let _ = fs::remove_dir_all(lab.path("out"));
        fs::remove_file(&object).unwrap();
        fs::rename(&aside, &object).unwrap();
    }
    check(&lab).expect(0);
    lab.assert_restores();
}

#[test]
fn a_backup_that_goes_on_behind_a_damaged_snapshot_says_so_and_behind_one_of_a_newer_version_it_does_not_go_on() {
    let lab = lab();
    let newest = lab.objects("snapshots").pop().unwrap();
    let whole = fs::read(&newest).unwrap();
    let change = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::remove_file(&newest).unwrap();
        fs::write(&newest, bytes).unwrap();
        fs::remove_dir_all(lab.path("state")).unwrap();
    };
    change(8);
    lab.backup().expect(1).says(&["version", "newest version of Rozen"]);
    assert_eq!(lab.objects("snapshots").len(), 2);
    change(300);
    lab.backup().expect(3).says(&["00000000000000000002", "rozenctl check"]);
    assert_eq!(lab.objects("snapshots").len(), 3);
    lab.assert_restores();
}

#[test]
fn what_is_no_file_in_the_place_of_a_snapshot_is_damage_and_not_passed_over_in_silence() {
    let lab = lab();
    let newest = lab.objects("snapshots").pop().unwrap();
    let whole = fs::read(&newest).unwrap();
    fs::remove_file(&newest).unwrap();
    fs::create_dir(&newest).unwrap();
    let told = check(&lab).expect(3).out;
    assert!(told.contains("no regular file"), "{told}");
    lab.restore("out").expect(3).err.find("passed over").expect("it is told");
    fs::remove_dir(&newest).unwrap();
    fs::write(&newest, whole).unwrap();
    check(&lab).expect(0);
}
