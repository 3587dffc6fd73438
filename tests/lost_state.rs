//! The local state is a cache: without it, or with an older copy of it, nothing is uploaded again and nothing is wrong.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::machine::{expect, text};
use common::{Agent, Machine, Noise, assert_same, read_facts};

fn machine_with_files() -> Machine {
    let machine = Machine::new();
    let mut noise = Noise::new(3);
    for i in 0..400 {
        let dir = machine.root().join(format!("d{}", i % 13));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("f{i}")), noise.bytes(500 + i * 30)).unwrap();
    }
    fs::write(machine.root().join("large"), noise.bytes(9 << 20)).unwrap();
    machine.init();
    machine
}

fn assert_latest_is_the_tree(machine: &Machine, to: &str) {
    let restored = machine.restore("latest", to);
    assert_same(&read_facts(machine.root()), &read_facts(&restored));
}

#[test]
fn after_the_state_was_deleted_no_content_is_uploaded_again() {
    let machine = machine_with_files();
    machine.backup();
    let before = machine.content_bytes();
    assert!(before > 9 << 20);
    fs::remove_dir_all(machine.state()).unwrap();
    machine.backup();
    assert_eq!(machine.content_bytes(), before, "bytes of packs of content");
    assert_latest_is_the_tree(&machine, "unchanged");

    fs::remove_dir_all(machine.state()).unwrap();
    fs::write(machine.root().join("d3/new"), "new").unwrap();
    fs::remove_file(machine.root().join("d4/f4")).unwrap();
    fs::rename(machine.root().join("d5"), machine.root().join("moved")).unwrap();
    let report = machine.backup();
    let added = machine.content_bytes() - before;
    assert!(added < 16 << 10, "{added} bytes for three bytes of content: {report}");
    assert_latest_is_the_tree(&machine, "changed");
    eprintln!("{before} bytes of content; after two lost states and one new file {added} more");
}

fn copy_dir(from: &Path, to: &Path) {
    expect(Command::new("cp").arg("-a").arg(from).arg(to), 0);
}

#[test]
fn a_state_directory_that_was_put_back_from_an_older_copy_goes_on_behind_what_was_stored_since() {
    let machine = machine_with_files();
    machine.backup();
    let copy = machine.at("copy-of-state");
    copy_dir(&machine.state(), &copy);
    let mut noise = Noise::new(4);
    for round in 2..=4 {
        fs::write(machine.root().join(format!("d1/later{round}")), noise.bytes(300_000)).unwrap();
        fs::write(machine.root().join("d2/f2"), noise.bytes(700)).unwrap();
        fs::remove_file(machine.root().join(format!("d5/f{}", 5 + 13 * round))).unwrap();
        assert_eq!(machine.backup()["snapshot"], round);
    }
    let (fourth, before) = (read_facts(machine.root()), machine.content_bytes());
    fs::remove_dir_all(machine.state()).unwrap();
    copy_dir(&copy, &machine.state());
    fs::write(machine.root().join("d6/now"), "now").unwrap();
    let report = common::machine::json(&expect(machine.rozenctl("backup").args(["--once", "--json"]), 3));
    assert_eq!(report["snapshot"], 5, "{report}");
    let codes: Vec<_> = report["problems"].as_array().unwrap().iter().map(|problem| &problem["code"]).collect();
    assert_eq!(codes, ["another_copy"]);
    let added = machine.content_bytes() - before;
    assert!(added < 16 << 10, "{added} bytes for three bytes of content");
    assert_latest_is_the_tree(&machine, "latest");
    assert_same(&fourth, &read_facts(&machine.restore("4", "fourth")));
    expect(machine.rozenctl("check").arg("--read-data").arg("--recovery").arg(machine.recovery()), 0);
    // it is told once
    fs::remove_file(machine.root().join("d6/now")).unwrap();
    machine.backup();
    // also where the disk is as the copy knows it, the newest snapshot is the tree again
    fs::remove_dir_all(machine.state()).unwrap();
    copy_dir(&copy, &machine.state());
    expect(machine.rozenctl("backup").arg("--once"), 3);
    assert_latest_is_the_tree(&machine, "again");
}

/// Runs a backup that finds the target with an older history; what it tells, and the snapshot that it makes.
fn backup_after_going_back(machine: &Machine) -> serde_json::Value {
    let report = common::machine::json(&expect(machine.rozenctl("backup").args(["--once", "--json"]), 3));
    let codes: Vec<_> = report["problems"].as_array().unwrap().iter().map(|problem| &problem["code"]).collect();
    assert_eq!(codes, ["went_back"], "{report}");
    report["snapshot"].clone()
}

#[test]
fn a_target_that_was_put_back_from_an_older_copy_holds_everything_after_the_next_backup() {
    let machine = machine_with_files();
    machine.backup();
    let (repo, other) = (machine.repository(), machine.at("other-disk"));
    copy_dir(&repo, &other);
    let swap = || {
        fs::rename(&repo, machine.at("away")).unwrap();
        fs::rename(&other, &repo).unwrap();
        fs::rename(machine.at("away"), &other).unwrap();
    };
    fs::write(machine.root().join("monday"), Noise::new(5).bytes(90_000)).unwrap();
    machine.configure("[run]\nsettle = \"3s\"");
    assert_eq!(machine.backup()["snapshot"], 2);
    swap();
    // also where nothing has changed since; no number is used twice
    assert_eq!(backup_after_going_back(&machine), 3);
    assert_latest_is_the_tree(&machine, "copy");
    let mut check = machine.rozenctl("check");
    let checked = text(&expect(check.arg("--recovery").arg(machine.recovery()), 3));
    assert!(!checked.contains("config/"), "the configuration of the newest snapshot is not stored: {checked}");
    // it is told once
    machine.backup();
    fs::write(machine.root().join("tuesday"), "t").unwrap();
    let last = machine.backup()["snapshot"].as_u64().unwrap();
    swap();
    fs::write(machine.root().join("wednesday"), "w").unwrap();
    let before = machine.content_bytes();
    assert_eq!(backup_after_going_back(&machine), last + 1);
    assert_latest_is_the_tree(&machine, "first");
    let added = machine.content_bytes() - before;
    assert!(added < 48 << 10, "{added} bytes though this disk has nearly everything");
}

#[test]
fn a_target_that_went_back_and_takes_nothing_leaves_no_claim_that_anything_is_safe() {
    let machine = machine_with_files();
    machine.configure("[run]\nsettle = \"100ms\"");
    machine.backup();
    let older = machine.at("older");
    copy_dir(&machine.repository(), &older);
    let mut agent = Agent::start(&machine);
    fs::write(machine.root().join("new"), Noise::new(6).bytes(90_000)).unwrap();
    agent.settle();
    fs::rename(machine.repository(), machine.at("away")).unwrap();
    fs::rename(&older, machine.repository()).unwrap();
    // what is being written has no place
    let _ = fs::remove_dir_all(machine.repository().join("tmp"));
    fs::write(machine.repository().join("tmp"), "").unwrap();
    fs::write(machine.root().join("new"), "once more").unwrap();
    let unsafe_now = |status: &serde_json::Value| {
        let root = &status["roots"][0];
        root["recovery_point"].is_null() && root["last_snapshot"].is_null()
    };
    agent.wait_for("nothing is called safe", unsafe_now);
    fs::remove_file(machine.repository().join("tmp")).unwrap();
    agent.settle();
    agent.stop();
    assert_latest_is_the_tree(&machine, "latest");
}

#[test]
fn whatever_somebody_takes_away_from_a_machine_is_stored_again_by_the_next_backup() {
    let machine = machine_with_files();
    machine.backup();
    fs::remove_dir_all(machine.repository().join("machines")).unwrap();
    assert_eq!(backup_after_going_back(&machine), 2);
    assert_latest_is_the_tree(&machine, "all");
    let newest = glob(&machine, "snapshots").pop().unwrap();
    fs::remove_file(newest).unwrap();
    assert_eq!(backup_after_going_back(&machine), 3);
    assert_latest_is_the_tree(&machine, "newest");
    // packs alone are not missed by a backup, but by a check
    glob(&machine, "packs").iter().for_each(|pack| fs::remove_file(pack).unwrap());
    expect(machine.rozenctl("check").arg("--store-again").arg("--recovery").arg(machine.recovery()), 3);
    machine.backup();
    assert_latest_is_the_tree(&machine, "packs");
}

#[test]
fn what_only_the_journal_still_knows_is_forgotten_by_a_check_that_stores_again() {
    let machine = machine_with_files();
    machine.backup();
    for folder in ["packs", "index"] {
        glob(&machine, folder).iter().for_each(|object| fs::remove_file(object).unwrap());
    }
    expect(machine.rozenctl("check").arg("--store-again").arg("--recovery").arg(machine.recovery()), 3);
    machine.backup();
    assert_latest_is_the_tree(&machine, "again");
}

/// The objects of this folder of the only machine, by name.
fn glob(machine: &Machine, folder: &str) -> Vec<std::path::PathBuf> {
    let machines = fs::read_dir(machine.repository().join("machines")).unwrap();
    let dir = machines.map(|entry| entry.unwrap().path().join(folder)).find(|dir| dir.exists()).unwrap();
    let mut found = Vec::new();
    let mut dirs = vec![dir];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() { dirs.push(entry) } else { found.push(entry) }
        }
    }
    found.sort();
    found
}

#[test]
fn a_second_machine_in_the_repository_has_snapshots_of_its_own() {
    let machine = machine_with_files();
    machine.backup();
    let seqs: Vec<_> = machine.snapshots().iter().map(|snapshot| snapshot["seq"].clone()).collect();
    assert_eq!(seqs, [1]);
    // the configuration and the key are lost as well: the same folder becomes a new machine
    for name in ["rozen.toml", "rozen.key"] {
        fs::remove_file(machine.at(name)).unwrap();
    }
    fs::remove_dir_all(machine.state()).unwrap();
    let mut init = machine.rozenctl("init");
    init.arg("--repo").arg(machine.repository()).arg("--root").arg(machine.root());
    expect(init.arg("--recovery").arg(machine.recovery()), 0);
    machine.backup();
    let machines: std::collections::BTreeSet<_> =
        machine.snapshots().iter().map(|snapshot| snapshot["machine"].to_string()).collect();
    assert_eq!(machines.len(), 2);
}

/// Nobody reads the log of an agent: its status says so.
#[test]
fn the_agent_shows_that_the_target_went_back() {
    let machine = Machine::new();
    machine.init();
    fs::write(machine.root().join("a"), "a").unwrap();
    machine.backup();
    let copy = machine.at("copy");
    copy_dir(&machine.repository(), &copy);
    fs::write(machine.root().join("b"), "b").unwrap();
    machine.backup();
    fs::remove_dir_all(machine.repository()).unwrap();
    copy_dir(&copy, &machine.repository());
    let mut agent = Agent::start(&machine);
    let shown = agent.wait_for("what became of the target", |status| status["problems"][0]["code"] == "went_back");
    assert!(shown["problems"][0]["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{shown}");
    agent.stop();
}

#[test]
fn a_repository_that_is_gone_is_not_called_set_up_and_init_says_what_to_move() {
    let machine = Machine::new();
    machine.init();
    let init = |recovery: Option<&str>| {
        let mut init = machine.rozenctl("init");
        init.arg("--repo").arg(machine.repository()).arg("--root").arg(machine.root());
        if let Some(name) = recovery {
            init.arg("--recovery-out").arg(machine.at(name));
        }
        init
    };
    let said = |init: &mut Command, code| String::from_utf8_lossy(&expect(init, code).stderr).into_owned();
    expect(&mut init(None), 0);
    let refused = said(&mut init(Some("second.txt")), 1);
    assert!(refused.contains("no recovery file can be written") && !machine.at("second.txt").exists(), "{refused}");
    fs::remove_dir_all(machine.repository()).unwrap();
    fs::create_dir(machine.repository()).unwrap();
    let gone = said(&mut init(Some("second.txt")), 10);
    let to_move = ["rozen.toml", "rozen.key", "state"].map(|name| machine.at(name));
    to_move.iter().for_each(|path| assert!(gone.contains(&*path.to_string_lossy()), "{path:?}: {gone}"));
    to_move.iter().filter(|path| path.exists()).for_each(|path| fs::rename(path, path.with_extension("old")).unwrap());
    expect(&mut init(Some("second.txt")), 0);
    assert!(machine.at("second.txt").exists());
}
