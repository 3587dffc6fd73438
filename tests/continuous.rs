//! The agent while the tree changes under it: whatever happens, and whenever it is killed, the newest snapshot becomes
//! the tree, and no snapshot that was acknowledged is lost.

mod common;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use common::machine::{expect, json_lines};
use common::{Agent, Changes, Machine, Noise, assert_same, read_facts};
use rozen::fault::POINTS;

fn machine() -> Machine {
    let machine = Machine::new();
    fs::create_dir(machine.root().join("first")).unwrap();
    fs::write(machine.root().join("first/file"), "there from the beginning").unwrap();
    machine.init();
    machine.exclude_nothing();
    machine.configure("[run]\nsettle = \"100ms\"\nmax_delay = \"2s\"");
    machine
}

/// Restores the newest snapshot and compares it with the tree.
fn assert_newest_is_the_tree(machine: &Machine) {
    let restored = machine.restore("latest", "restored");
    assert_same(&read_facts(machine.root()), &read_facts(&restored));
    fs::remove_dir_all(restored).unwrap();
}

#[test]
fn after_each_settle_the_newest_snapshot_equals_the_tree() {
    let machine = machine();
    let (root, outside) = (machine.root().to_path_buf(), machine.at("outside"));
    fs::create_dir(&outside).unwrap();
    let mut agent = Agent::start(&machine);
    let mut step = |what: &str, change: &dyn Fn(&Path) -> std::io::Result<()>| {
        change(&root).unwrap();
        let start = Instant::now();
        let seq = agent.settle();
        eprintln!("{what}: snapshot {seq} after {} ms", start.elapsed().as_millis());
        assert_newest_is_the_tree(&machine);
    };
    step("nothing", &|_| Ok(()));
    step("create", &|root| fs::write(root.join("new"), "new"));
    step("edit", &|root| fs::write(root.join("new"), "edited"));
    step("rename", &|root| fs::rename(root.join("new"), root.join("first/renamed")));
    step("delete", &|root| fs::remove_file(root.join("first/file")));
    step("mkdir -p with files at once", &|root| {
        fs::create_dir_all(root.join("a/b/c/d"))?;
        ["a/1", "a/b/2", "a/b/c/3", "a/b/c/d/4"].iter().try_for_each(|path| fs::write(root.join(path), path))
    });
    step("change in a new directory", &|root| fs::write(root.join("a/b/c/d/4"), "changed"));
    step("rename a directory", &|root| fs::rename(root.join("a/b"), root.join("moved")));
    step("change in a moved directory", &|root| fs::write(root.join("moved/c/3"), "changed"));
    step("move out", &|root| fs::rename(root.join("moved"), outside.join("away")));
    step("change what is away, move it in", &|root| {
        fs::write(outside.join("away/c/3"), "changed while away")?;
        fs::rename(outside.join("away"), root.join("first/back"))
    });
    step("change in what is back", &|root| fs::write(root.join("first/back/c/d/5"), "deep"));
    step("delete and make again", &|root| {
        fs::remove_dir_all(root.join("first"))?;
        fs::create_dir(root.join("first"))?;
        fs::write(root.join("first/file"), "another directory of the same name")
    });
    step("many at once", &|root| (0..3000).try_for_each(|i| fs::write(root.join(format!("a/{i}")), i.to_string())));
    agent.stop();
}

#[test]
fn what_changed_while_the_agent_was_down_is_found() {
    let machine = machine();
    let mut agent = Agent::start(&machine);
    agent.settle();
    agent.stop();
    fs::write(machine.root().join("first/file"), "changed while nobody watched").unwrap();
    fs::create_dir_all(machine.root().join("x/y")).unwrap();
    let mut agent = Agent::start(&machine);
    agent.settle();
    assert_newest_is_the_tree(&machine);
    agent.stop();
}

/// Neither the folder above nor a link on the way tells a watcher of the root anything.
#[test]
fn a_root_that_is_exchanged_through_what_leads_to_it_is_compared_in_full() {
    let outer = Machine::new();
    let above = outer.root().join("above");
    let root = above.join("root");
    let make = |at: &Path, text: &str| {
        fs::create_dir_all(at.join("sub")).unwrap();
        fs::write(at.join("sub/file"), text).unwrap();
    };
    make(&root, "before");
    let machine = Machine::of(&root);
    machine.init();
    machine.exclude_nothing();
    machine.configure("[run]\nsettle = \"100ms\"\nmax_delay = \"2s\"");
    let mut agent = Agent::start(&machine);
    agent.settle();
    let back_up = || drop(expect(machine.rozenctl("backup").arg("--wait"), 0));
    fs::rename(&above, outer.root().join("away")).unwrap();
    make(&root, "another folder");
    back_up();
    assert_newest_is_the_tree(&machine);
    make(&outer.root().join("third/root"), "behind a link");
    fs::rename(&above, outer.root().join("second")).unwrap();
    std::os::unix::fs::symlink("third", &above).unwrap();
    back_up();
    assert_newest_is_the_tree(&machine);
    fs::write(root.join("sub/file"), "watched where the link leads").unwrap();
    agent.settle();
    assert_newest_is_the_tree(&machine);
    fs::remove_file(&above).unwrap();
    let gone = agent.wait_for("it is gone", |status| status["roots"][0]["state"]["is"] == "unavailable");
    assert!(agent.log().contains("a folder is lost"), "{}", agent.log());
    fs::rename(outer.root().join("second"), &above).unwrap();
    let id = gone["roots"][0]["id"].as_str().unwrap();
    expect(machine.rozenctl("backup").args(["--wait", "--accept", id]), 0);
    assert_newest_is_the_tree(&machine);
    assert!(agent.log().contains("a folder is back"), "{}", agent.log());
    agent.stop();
}

#[test]
fn a_folder_whose_name_is_no_text_is_protected_like_any_other() {
    let outer = Machine::new();
    let root = outer.root().join(OsStr::from_bytes(b"photos \xff\xfe\nof \xe9t\xe9"));
    fs::create_dir(&root).unwrap();
    let machine = Machine::of(&root);
    machine.init();
    machine.configure("[run]\nsettle = \"100ms\"");
    let mut agent = Agent::start(&machine);
    fs::write(root.join(OsStr::from_bytes(b"no text either \xfc.jpg")), "a photo").unwrap();
    agent.settle();
    agent.stop();
    assert_newest_is_the_tree(&machine);
    let mut ls = machine.rozenctl("ls");
    ls.arg("latest").arg(root.join(OsStr::from_bytes(b"no text either \xfc.jpg")));
    let listed = json_lines(&expect(ls.arg("--json").arg("--recovery").arg(machine.recovery()), 0));
    assert_eq!(listed.len(), 1, "{listed:?}");
}

#[test]
fn random_changes_and_crashes_lose_nothing() {
    let machine = machine();
    let noise = Noise::from_environment("random_changes_and_crashes_lose_nothing");
    let mut story = Story {
        machine: &machine,
        changes: Changes::new(machine.root(), &machine.at("outside"), noise),
        acknowledged: BTreeSet::new(),
        crashes: 0,
        comparisons: 0,
    };
    let start = Instant::now();
    let total = common::scaled(1000, 10_000);
    let mut done = 0;
    while done < total {
        done += story.chapter();
    }
    story.settled();
    let Story { acknowledged, crashes, comparisons, .. } = story;
    eprintln!(
        "{done} changes, {crashes} crashes, {comparisons} comparisons, {} snapshots acknowledged: {:.0} s",
        acknowledged.len(),
        start.elapsed().as_secs_f64()
    );
    assert!(crashes > 3 && comparisons > 3);
    assert_all_restore(&machine, &acknowledged);
}

struct Story<'a> {
    machine: &'a Machine,
    changes: Changes,
    /// Snapshots that the agent named as stored.
    acknowledged: BTreeSet<u64>,
    crashes: u64,
    comparisons: u64,
}

impl Story<'_> {
    /// Some changes under one life of the agent; how many.
    fn chapter(&mut self) -> u64 {
        match self.changes.noise().below(3) {
            0 => self.settled(),
            1 => self.killed(),
            _ => self.crashed_at_a_point(),
        }
    }

    fn settled(&mut self) -> u64 {
        let mut agent = Agent::start(self.machine);
        let mut count = 0;
        for _ in 0..3 {
            count += self.changes(60);
            self.acknowledged.insert(agent.settle());
            self.changes.settled();
            assert_newest_is_the_tree(self.machine);
            self.comparisons += 1;
        }
        agent.stop();
        count
    }

    fn killed(&mut self) -> u64 {
        let mut agent = Agent::spawn(self.machine, None);
        let mut count = 0;
        for _ in 0..3 {
            count += self.changes(25);
            self.pause();
            self.listen(&agent);
        }
        assert!(agent.ended().is_none(), "{}", agent.log());
        agent.kill();
        self.crashes += 1;
        count
    }

    /// The agent dies at a place where something is half done.
    fn crashed_at_a_point(&mut self) -> u64 {
        let noise = self.changes.noise();
        let (point, hit) = (noise.pick(POINTS).unwrap().0, 1 + noise.below(4));
        let mut agent = Agent::spawn(self.machine, Some(&format!("{point}:{hit}")));
        let mut count = 0;
        for _ in 0..20 {
            if agent.ended().is_some() {
                break;
            }
            count += self.changes(10);
            self.pause();
            self.listen(&agent);
        }
        agent.kill();
        self.crashes += 1;
        count
    }

    fn changes(&mut self, most: u64) -> u64 {
        let count = 1 + self.changes.noise().below(most);
        (0..count).for_each(|_| self.changes.one());
        count
    }

    /// Not a wait for anything: the crash shall come at no particular moment.
    fn pause(&mut self) {
        std::thread::sleep(Duration::from_millis(self.changes.noise().below(300)));
    }

    fn listen(&mut self, agent: &Agent<'_>) {
        let status = agent.status();
        let seq = status.and_then(|status| status["roots"][0]["last_snapshot"]["seq"].as_u64());
        self.acknowledged.extend(seq);
    }
}

fn assert_all_restore(machine: &Machine, acknowledged: &BTreeSet<u64>) {
    let stored: Vec<u64> = machine.snapshots().iter().map(|snapshot| snapshot["seq"].as_u64().unwrap()).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|seq| !stored.contains(seq)).collect();
    assert!(lost.is_empty(), "acknowledged and gone: {lost:?}");
    for seq in &stored {
        // exit code 0: each file was there, and was what its own id says
        let restored = machine.restore(&seq.to_string(), "restored");
        fs::remove_dir_all(restored).unwrap();
    }
    eprintln!("all {} snapshots restore", stored.len());
}
