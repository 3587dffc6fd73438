//! The computer is gone: another one goes on in its place, and nothing counts as deleted on the way.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::machine::{expect, json};
use common::{Agent, Machine, Noise, assert_same, read_facts};
use serde_json::Value;

/// Another computer that can reach the repository and has the recovery file; it has other places for its own files.
struct Newcomer<'m> {
    lost: &'m Machine,
    name: &'static str,
}

impl Newcomer<'_> {
    fn at(&self, file: &str) -> PathBuf {
        self.lost.at(self.name).join(file)
    }

    fn rozenctl(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rozenctl"));
        command.env_clear().env("HOME", self.at("home")).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.arg("--config").arg(self.at("rozen.toml")).arg("--state").arg(self.at("state")).arg(subcommand);
        command
    }

    fn recover(&self) -> Command {
        let mut command = self.rozenctl("recover");
        command.arg("--repo").arg(self.lost.repository()).arg("--recovery").arg(self.lost.recovery());
        command
    }

    fn backup(&self, code: i32) -> Value {
        json(&expect(self.rozenctl("backup").args(["--once", "--json"]), code))
    }

    fn restore_in_place(&self) {
        let mut restore = self.rozenctl("restore");
        expect(restore.args(["latest", "--in-place", "--recovery"]).arg(self.lost.recovery()), 0);
    }
}

/// Two folders and a comment in the configuration; the disk of the computer is gone with all of it.
fn lost_machine() -> Machine {
    let machine = Machine::new();
    let mut noise = Noise::new(11);
    for i in 0..60 {
        let dir = machine.root().join(format!("d{}", i % 7));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("f{i}")), noise.bytes(400 + i * 97)).unwrap();
    }
    fs::write(machine.root().join("large"), noise.bytes(3 << 20)).unwrap();
    fs::create_dir_all(machine.at("second/below")).unwrap();
    fs::write(machine.at("second/below/file"), "of the second folder").unwrap();
    machine.init();
    let second = machine.at("second");
    machine.configure(&format!("[[root]]\nid = \"second\"\npath = {second:?} # the small one\n"));
    machine.backup();
    machine
}

/// What was on the disk, aside.
fn lose(machine: &Machine) -> PathBuf {
    let aside = machine.at("what-was");
    fs::create_dir(&aside).unwrap();
    for name in ["root", "second"] {
        fs::rename(machine.at(name), aside.join(name)).unwrap();
    }
    for name in ["rozen.toml", "rozen.key"] {
        fs::rename(machine.at(name), aside.join(name)).unwrap();
    }
    fs::rename(machine.state(), aside.join("state")).unwrap();
    aside
}

fn assert_roots_are(machine: &Machine, was: &Path) {
    for name in ["root", "second"] {
        assert_same(&read_facts(&was.join(name)), &read_facts(&machine.at(name)));
    }
}

fn snapshots(newcomer: &Newcomer<'_>) -> Vec<Value> {
    let mut command = newcomer.rozenctl("snapshots");
    common::machine::json_lines(&expect(command.arg("--json").arg("--recovery").arg(newcomer.lost.recovery()), 0))
}

#[test]
fn a_new_computer_goes_on_with_the_history_and_uploads_nothing_again() {
    let machine = lost_machine();
    let before = machine.content_bytes();
    let was = lose(&machine);
    let new = Newcomer { lost: &machine, name: "new" };
    let objects = machine.objects().len();
    let told = json(&expect(new.recover().args(["--dry-run", "--json"]), 0));
    assert_eq!((&told["dry_run"], &told["config_was_stored"]), (&true.into(), &true.into()), "{told}");
    assert_eq!(machine.objects().len(), objects, "a dry run writes nothing");
    assert!(!new.at("").exists());

    let told = json(&expect(new.recover().arg("--json"), 0));
    assert_eq!(told["key_serial"], 2);
    let text = fs::read_to_string(new.at("rozen.toml")).unwrap();
    assert_eq!(text, fs::read_to_string(was.join("rozen.toml")).unwrap(), "comments too");
    new.restore_in_place();
    assert_roots_are(&machine, &was);
    let report = new.backup(0);
    assert_eq!(report["snapshot"], 2, "{report}");
    assert_eq!(machine.content_bytes(), before, "bytes of packs of content");
    fs::write(machine.at("second/later"), "after the recovery").unwrap();
    assert_eq!(new.backup(0)["snapshot"], 3);
    let of: std::collections::BTreeSet<String> = snapshots(&new).iter().map(|s| s["machine"].to_string()).collect();
    assert_eq!(of.len(), 1, "one machine, one history");
    expect(new.rozenctl("check").arg("--read-data").arg("--recovery").arg(machine.recovery()), 0);
    expect(&mut new.recover(), 1);
}

#[test]
fn what_is_not_restored_yet_is_a_question_and_never_deleted() {
    let machine = lost_machine();
    let was = lose(&machine);
    let new = Newcomer { lost: &machine, name: "new" };
    expect(&mut new.recover(), 0);
    // a fresh home: one folder is missing, the other holds what every new account has
    fs::create_dir(machine.root()).unwrap();
    for name in ["", "empty"] {
        if !name.is_empty() {
            fs::write(machine.root().join(name), "").unwrap();
        }
        let report = new.backup(1);
        assert_eq!(report["unavailable_roots"].as_array().unwrap().len(), 2, "{report}");
        assert_eq!(report["snapshot"], Value::Null);
    }
    // one of them comes back: the other stays listed as it was
    fs::create_dir(machine.at("second")).unwrap();
    fs::create_dir(machine.at("second/below")).unwrap();
    fs::write(machine.at("second/below/file"), "written anew").unwrap();
    let report = new.backup(3);
    assert_eq!((&report["snapshot"], &report["unavailable_roots"]), (&2.into(), &vec!["root"].into()), "{report}");
    let last = snapshots(&new).pop().unwrap();
    let entries =
        last["roots"].as_array().unwrap().iter().find(|root| root["id"] == "root").unwrap()["entries"].clone();
    assert_eq!(entries, 1 + 7 + 60 + 1);
    let to = machine.at("everything");
    let mut restore = new.rozenctl("restore");
    expect(restore.args(["latest", "--recovery"]).arg(machine.recovery()).arg("--to").arg(&to), 0);
    assert_same(&read_facts(&was.join("root")), &read_facts(&to.join("root")));
    // a person says that it is meant to be so
    expect(new.rozenctl("backup").args(["--once", "--accept", "root"]), 0);
    let last = snapshots(&new).pop().unwrap();
    assert_eq!(last["seq"], 3);
}

#[test]
fn the_old_computer_and_the_new_one_stop_each_other() {
    let machine = lost_machine();
    let new = Newcomer { lost: &machine, name: "new" };
    expect(&mut new.recover(), 0);
    fs::write(machine.root().join("new"), "by the new one").unwrap();
    assert_eq!(new.backup(0)["snapshot"], 2);
    // the old computer was not gone after all
    fs::write(machine.root().join("old"), "by the old one").unwrap();
    let error = expect(machine.rozenctl("backup").arg("--once"), 1);
    let error = String::from_utf8_lossy(&error.stderr).into_owned();
    assert!(error.contains("recovered elsewhere") && error.contains("remedy:"), "{error}");
    // not even after it has forgotten all that it knew
    fs::remove_dir_all(machine.state()).unwrap();
    let error = expect(machine.rozenctl("backup").arg("--once"), 1);
    let error = String::from_utf8_lossy(&error.stderr).into_owned();
    assert!(error.contains("recovered elsewhere") && error.contains("remedy:"), "{error}");
    assert_eq!(new.backup(0)["snapshot"], 3, "the new one is not disturbed");
    expect(new.rozenctl("check").arg("--recovery").arg(machine.recovery()), 0);
}

#[test]
fn the_repository_may_be_elsewhere_and_one_of_several_machines_is_named() {
    let machine = lost_machine();
    lose(&machine);
    fs::rename(machine.repository(), machine.at("moved")).unwrap();
    let new = Newcomer { lost: &machine, name: "new" };
    let recover = |name: &[&str]| {
        let mut command = new.rozenctl("recover");
        command.arg("--repo").arg(machine.at("moved")).arg("--recovery").arg(machine.recovery()).args(name);
        command
    };
    let mut init = Command::new(env!("CARGO_BIN_EXE_rozenctl"));
    init.arg("--config").arg(machine.at("other.toml")).arg("--state").arg(machine.at("other-state")).arg("init");
    init.arg("--repo").arg(machine.at("moved")).arg("--root").arg(machine.at("moved").parent().unwrap());
    expect(init.arg("--recovery").arg(machine.recovery()), 0);
    let told = json(&expect(&mut recover(&["--dry-run", "--json"]), 0));
    let machines = told["machines"].as_array().unwrap();
    assert_eq!(machines.len(), 2, "{told}");
    let lost = machines.iter().find(|machine| machine["snapshots"] == 1).unwrap();
    let error = expect(&mut recover(&[]), 2);
    assert!(String::from_utf8_lossy(&error.stderr).contains("--machine"));
    expect(&mut recover(&["--machine", "nobody"]), 2);
    assert!(!new.at("").exists(), "nothing was written for a name that does not fit");
    expect(&mut recover(&["--machine", &lost["machine"].as_str().unwrap()[..8]]), 0);
    let text = fs::read_to_string(new.at("rozen.toml")).unwrap();
    assert!(text.contains("/moved\"") && text.contains("# the small one"), "{text}");
    new.restore_in_place();
    new.backup(0);
}

#[test]
fn without_a_stored_configuration_the_folders_come_from_the_last_snapshot() {
    let machine = lost_machine();
    lose(&machine);
    for (path, _) in machine.objects() {
        if path.parent().unwrap().ends_with("config") {
            fs::remove_file(path).unwrap();
        }
    }
    let new = Newcomer { lost: &machine, name: "new" };
    let told = json(&expect(new.recover().arg("--json"), 0));
    assert_eq!(told["config_was_stored"], false);
    let text = fs::read_to_string(new.at("rozen.toml")).unwrap();
    assert!(text.contains("id = \"second\"") && text.contains(machine.root().to_str().unwrap()), "{text}");
    new.restore_in_place();
    new.backup(0);
}

#[test]
fn an_agent_that_lost_its_journal_asks_before_an_emptied_folder_counts_as_deleted() {
    let machine = lost_machine();
    fs::remove_dir_all(machine.state()).unwrap();
    fs::rename(machine.root(), machine.at("aside")).unwrap();
    fs::create_dir(machine.root()).unwrap();
    let mut agent = Agent::start(&machine);
    agent.wait_for("it asks", |status| status.to_string().contains("1 of 69 entries are there"));
    agent.stop();
    let last = machine.snapshots().pop().unwrap();
    let root = last["roots"].as_array().unwrap().iter().find(|root| root["id"] == "root").unwrap();
    assert_eq!(root["entries"], 69, "{last}");
}
