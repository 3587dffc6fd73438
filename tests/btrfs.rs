//! Frozen views: what a program writes in one order is never stored in another.

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::{Agent, Machine, Noise};

/// A filesystem in a file, mounted while this lives.
struct Loop {
    dir: tempfile::TempDir,
}

impl Loop {
    /// The reason, where this system cannot.
    fn btrfs() -> Result<Self, String> {
        if !common::is_root() {
            return Err("only root may mount".into());
        }
        let mounted = Self { dir: tempfile::tempdir().unwrap() };
        let image = mounted.dir.path().join("image");
        File::create(&image).unwrap().set_len(512 << 20).unwrap();
        std::fs::create_dir(mounted.path()).unwrap();
        run(Command::new("mkfs.btrfs").arg("-q").arg(&image))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(mounted.path()))?;
        Ok(mounted)
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // a mount that failed leaves nothing to unmount
        let _ = run(Command::new("umount").arg(self.path()));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let out = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match out.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&out.stderr))),
    }
}

/// As a database and its log: `second` is written only when `first` is on the disk, and `first` goes on only when `second`
/// is. What has not been synced may be in a snapshot or not, block by block, as after a power cut. The files lie far apart
/// in the order of a walk.
struct LockStep {
    first: File,
    second: File,
}

const BLOCKS: u64 = 40;
const BLOCK: u64 = 16 << 10;

impl LockStep {
    fn create(root: &Path) -> Self {
        std::fs::create_dir_all(root.join("z/z")).unwrap();
        let create = |path: &str| {
            let file = File::create(root.join(path)).unwrap();
            file.set_len(BLOCKS * BLOCK).unwrap();
            file
        };
        Self { first: create("a"), second: create("z/z/z") }
    }

    /// The number of the step stands in every block of both.
    fn step(&self, number: u64) {
        for file in [&self.first, &self.second] {
            for block in 0..BLOCKS {
                file.write_all_at(&number.to_le_bytes(), block * BLOCK).unwrap();
            }
            file.sync_data().unwrap();
        }
    }

    fn numbers(file: &Path) -> Vec<u64> {
        let bytes = std::fs::read(file).unwrap();
        let block = |at: u64| u64::from_le_bytes(bytes[(at * BLOCK) as usize..][..8].try_into().unwrap());
        (0..BLOCKS).map(block).collect()
    }

    /// One of the two holds one step throughout; the other may be on its way from the step before, or to the next. The
    /// newest whole step.
    fn assert_in_step(root: &Path) -> u64 {
        let (first, second) = (Self::numbers(&root.join("a")), Self::numbers(&root.join("z/z/z")));
        let range = |numbers: &[u64]| (*numbers.iter().min().unwrap(), *numbers.iter().max().unwrap());
        let ((first_low, first_high), (second_low, second_high)) = (range(&first), range(&second));
        let first_moves = second_low == second_high && first_low == second_low && first_high <= first_low + 1;
        let second_moves = first_low == first_high && second_high <= first_low && second_low + 1 >= first_low;
        assert!(first_moves || second_moves, "out of step:\n{first:?}\n{second:?}");
        second_low
    }
}

#[test]
fn two_files_that_are_written_in_lock_step_are_in_step_in_every_snapshot() {
    let mounted = match Loop::btrfs() {
        Ok(mounted) => mounted,
        Err(why) => skip!("no btrfs image can be mounted: {why}"),
    };
    let root = mounted.path().join("data");
    run(Command::new("btrfs").args(["-q", "subvolume", "create"]).arg(&root)).unwrap();
    let mut noise = Noise::new(21);
    for i in 0..200 {
        // something to read between the two
        std::fs::create_dir_all(root.join("m")).unwrap();
        std::fs::write(root.join("m").join(i.to_string()), noise.bytes(20_000)).unwrap();
    }
    let files = LockStep::create(&root);
    let machine = Machine::of(&root);
    machine.init();
    machine.configure("[run]\nsettle = \"0s\"\nmax_delay = \"1s\"");
    let (steps, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let wanted = common::scaled(12, 200);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                files.step(steps.fetch_add(1, Ordering::Relaxed));
            }
        });
        let mut agent = Agent::start(&machine);
        agent.wait_for("there are enough snapshots", |status| {
            let seq = status["roots"][0]["last_snapshot"]["seq"].as_u64();
            seq.is_some_and(|seq| seq >= wanted)
        });
        agent.stop();
        stop.store(true, Ordering::Relaxed);
    });
    let snapshots = machine.snapshots();
    let mut seen = std::collections::BTreeSet::new();
    for snapshot in &snapshots {
        assert_eq!(snapshot["roots"][0]["frozen_by"], "btrfs", "{snapshot}");
        let restored = machine.restore(&snapshot["seq"].to_string(), "restored");
        seen.insert(LockStep::assert_in_step(&restored));
        std::fs::remove_dir_all(restored).unwrap();
    }
    eprintln!("{} snapshots in step, at {} different steps of {steps:?}", snapshots.len(), seen.len());
    assert!(seen.len() > 2, "the files did change meanwhile");
    assert_no_freeze_is_left(&mounted.path());
}

fn assert_no_freeze_is_left(mounted: &Path) {
    let out = Command::new("btrfs").args(["subvolume", "list"]).arg(mounted).output().unwrap();
    let list = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(list.lines().count(), 1, "{list}");
}

#[test]
fn a_freeze_that_was_kept_long_enough_is_released_and_the_next_run_goes_on() {
    // the other way each file ends a slice of its own, as it is large
    end_freezes_early(|i| format!("{i}/f"), 1000, 5);
    end_freezes_early(|i| format!("f{i}"), 200_000, 4);
}

fn end_freezes_early(path: fn(u8) -> String, size: usize, at_least: u32) {
    use rozen::backup::{Backup, BackupOptions, Progress, RootPlan, RootScope, RunError, RunRequest};
    use rozen::model::StorageClass;
    let mounted = match Loop::btrfs() {
        Ok(mounted) => mounted,
        Err(why) => skip!("no btrfs image can be mounted: {why}"),
    };
    let root = mounted.path().join("data");
    run(Command::new("btrfs").args(["-q", "subvolume", "create"]).arg(&root)).unwrap();
    for i in 0..5 {
        let file = root.join(path(i));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, vec![i; size]).unwrap();
    }
    let machine = Machine::of(&root);
    machine.init();
    let keys = rozen::crypto::MachineKeys::load(&machine.at("rozen.key")).unwrap().value;
    let url = rozen::store::StoreUrl::Dir(machine.repository());
    let mut ended_early = 0;
    loop {
        let store = rozen::store::Store::open(&url).unwrap();
        let options = BackupOptions { freeze_limit: std::time::Duration::ZERO, ..BackupOptions::default() };
        let clock = rozen::clock::Clock::system();
        let (backup, _) = Backup::open(&machine.state(), store, keys.clone(), clock, options).unwrap();
        let rules = rozen::config::exclude::Rules::compile(&Default::default()).unwrap();
        let plan = RootPlan {
            id: "data".into(),
            path: root.clone(),
            rules,
            scope: RootScope::Full,
            class: StorageClass::Standard,
            guard: None,
        };
        // a slice a directory, or a large file
        let partial_every = std::time::Duration::ZERO;
        let request = RunRequest { roots: vec![plan], partial_every, own_dirs: vec![] };
        let ended = backup.run(&request, &Progress::default(), &AtomicBool::new(false));
        assert_no_freeze_is_left(&mounted.path());
        match ended {
            Ok(_) => break,
            Err(RunError::FreezeTooOld { .. }) => ended_early += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(ended_early >= at_least, "{ended_early}");
    let restored = machine.restore("latest", "restored");
    assert_eq!(std::fs::read(restored.join(path(4))).unwrap(), vec![4; size]);
}

/// With the state went the book of what is frozen, and the runs are counted from one again.
#[test]
fn what_a_lost_journal_left_frozen_is_removed_and_stands_in_nobodys_way() {
    let mounted = match Loop::btrfs() {
        Ok(mounted) => mounted,
        Err(why) => skip!("no btrfs image can be mounted: {why}"),
    };
    let root = mounted.path().join("data");
    run(Command::new("btrfs").args(["-q", "subvolume", "create"]).arg(&root)).unwrap();
    std::fs::write(root.join("f"), "stored").unwrap();
    let machine = Machine::of(&root);
    machine.init();
    machine.backup();
    std::fs::remove_dir_all(machine.state()).unwrap();
    let keys = rozen::crypto::MachineKeys::load(&machine.at("rozen.key")).unwrap().value;
    let owner: String = keys.machine_id.to_string().chars().take(8).collect();
    std::fs::create_dir_all(mounted.path().join(".rozen-freeze")).unwrap();
    for name in [format!("{owner}-1-0-0"), format!("{owner}-57-0-0")] {
        let freeze = mounted.path().join(".rozen-freeze").join(name);
        run(Command::new("btrfs").args(["-q", "subvolume", "snapshot", "-r"]).arg(&root).arg(freeze)).unwrap();
    }
    // exit 0: nothing was read live
    machine.backup();
    assert_no_freeze_is_left(&mounted.path());
}
