//! Freezes on a real btrfs in a loop image. Where that cannot be made the tests say that they were skipped.

use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::model::{MachineId, ProblemCode, RelPath};

const MACHINE: MachineId = MachineId([0xa1; MachineId::LEN]);

/// A mounted btrfs that goes away with the value.
struct Disk {
    base: tempfile::TempDir,
    root: PathBuf,
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    let text = || format!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.status.success().then_some(()).ok_or_else(text)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Disk {
    fn new() -> Option<Self> {
        Self::make().inspect_err(|why| eprintln!("skipped: no btrfs in a loop image: {why}")).ok()
    }

    fn make() -> Result<Self, String> {
        let base = tempfile::tempdir().unwrap();
        let (image, root) = (base.path().join("image"), base.path().join("mnt"));
        fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
        fs::create_dir(&root).unwrap();
        run("mkfs.btrfs", &["-q", text(&image)])?;
        run("mount", &["-o", "loop", text(&image), text(&root)])?;
        Ok(Self { base, root })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn subvolume(&self, path: &str) {
        run("btrfs", &["-q", "subvolume", "create", text(&self.path(path))]).unwrap();
    }

    fn freezes(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(FREEZE_DIR)) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for at in ["bound", "mnt/other", "mnt"] {
            let _ = run("umount", &["-l", text(&self.base.path().join(at))]);
        }
    }
}

/// Ends the writer also when the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn plan(root: &Path, run: u64) -> Plan {
    let options = PlanOptions { one_filesystem: false, wanted: &|_| true };
    Freezer::new(MACHINE).plan(root, FreezeId { run, root: 0 }, &options).unwrap()
}

fn freeze(root: &Path, run: u64) -> Frozen {
    let frozen = plan(root, run).create().unwrap();
    assert!(frozen.live.is_none(), "{:?}", frozen.live);
    frozen
}

fn read(dir: &OwnedFd, path: &str) -> Vec<u8> {
    fs::read(format!("/proc/self/fd/{}/{path}", dir.as_raw_fd())).unwrap()
}

fn graft<'a>(frozen: &'a Frozen, path: &str) -> &'a OwnedFd {
    let wanted = RelPath::parse(path.as_bytes()).unwrap();
    let found = frozen.parts.grafts.iter().find(|(at, _)| *at == wanted);
    &found.unwrap_or_else(|| panic!("no graft at {path}")).1
}

/// Writes the same number into both files, durably as a database does, until it is told to stop.
fn write_in_lock_step(disk: &Disk, stop: &AtomicBool, written: &AtomicU64) {
    let files = ["one", "two"].map(|name| fs::File::create(disk.path(&format!("work/{name}"))).unwrap());
    for n in 0u64.. {
        for file in &files {
            file.write_all_at(&n.to_le_bytes(), 0).unwrap();
            file.sync_data().unwrap();
        }
        written.store(n + 1, Ordering::Release);
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[test]
fn files_written_in_lock_step_differ_by_the_one_write_under_way_and_nothing_complete_is_missing() {
    let Some(disk) = Disk::new() else { return };
    disk.subvolume("work");
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _end = StopAtEnd(&stop);
        scope.spawn(|| write_in_lock_step(&disk, &stop, &written));
        while written.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        for n in 0..50 {
            let before = written.load(Ordering::Acquire);
            let frozen = freeze(&disk.path("work"), n);
            let number = |name| u64::from_le_bytes(read(&frozen.parts.root, name).try_into().unwrap());
            let (one, two) = (number("one"), number("two"));
            assert!(one == two || one == two + 1, "run {n}: {one} and {two}");
            assert!(two + 1 >= before, "run {n}: {two} is older than {before}");
            assert_eq!((number("one"), number("two")), (one, two));
            frozen.release().unwrap();
        }
    });
    assert_eq!(disk.freezes(), Vec::<String>::new());
}

/// The next pair is made durable and exchanged with the present one in one step.
fn exchange_pair(disk: &Disk, n: u64) {
    let next = disk.path("work/next");
    fs::create_dir(&next).unwrap();
    for name in ["one", "two"] {
        let mut file = fs::File::create(next.join(name)).unwrap();
        file.write_all(n.to_string().as_bytes()).unwrap();
        file.sync_all().unwrap();
    }
    let flags = rustix::fs::RenameFlags::EXCHANGE;
    rustix::fs::renameat_with(rustix::fs::CWD, &next, rustix::fs::CWD, disk.path("work/now"), flags).unwrap();
    fs::remove_dir_all(&next).unwrap();
}

#[test]
fn two_files_that_are_exchanged_in_one_step_are_equal_in_every_view() {
    let Some(disk) = Disk::new() else { return };
    disk.subvolume("work");
    let stop = AtomicBool::new(false);
    fs::create_dir(disk.path("work/now")).unwrap();
    exchange_pair(&disk, 0);
    std::thread::scope(|scope| {
        let _end = StopAtEnd(&stop);
        scope.spawn(|| (1u64..).take_while(|_| !stop.load(Ordering::Relaxed)).for_each(|n| exchange_pair(&disk, n)));
        for n in 0..50 {
            let frozen = freeze(&disk.path("work"), n);
            assert_eq!(read(&frozen.parts.root, "now/one"), read(&frozen.parts.root, "now/two"), "run {n}");
            frozen.release().unwrap();
        }
    });
}

#[test]
fn what_was_written_before_the_freeze_is_in_the_view_though_nobody_made_it_durable() {
    let Some(disk) = Disk::new() else { return };
    disk.subvolume("work");
    for n in 0..20u64 {
        fs::write(disk.path("work/f"), n.to_string().repeat(10_000)).unwrap();
        let frozen = freeze(&disk.path("work"), n);
        assert_eq!(read(&frozen.parts.root, "f"), n.to_string().repeat(10_000).as_bytes());
        frozen.release().unwrap();
    }
}

#[test]
fn nested_subvolumes_are_frozen_too_and_read_only_ones_read_directly() {
    let Some(disk) = Disk::new() else { return };
    fs::create_dir_all(disk.path("home/user/deep")).unwrap();
    disk.subvolume("home/user/deep/sub");
    disk.subvolume("home/user/deep/sub/inner");
    disk.subvolume("home/other");
    fs::write(disk.path("home/user/deep/sub/f"), "sub").unwrap();
    fs::write(disk.path("home/user/deep/sub/inner/f"), "inner").unwrap();
    let saved = disk.path("home/user/saved");
    run("btrfs", &["-q", "subvolume", "snapshot", "-r", text(&disk.path("home/user/deep/sub")), text(&saved)]).unwrap();

    let plan = plan(&disk.path("home/user"), 7);
    let names: Vec<String> = plan.names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a1a1a1a1-7-0-0", "a1a1a1a1-7-0-1", "a1a1a1a1-7-0-2"]);
    assert_eq!(disk.freezes(), Vec::<String>::new());
    let frozen = plan.create().unwrap();
    assert_eq!(disk.freezes(), names);
    assert!(frozen.parts.frozen && frozen.not_covered.is_empty(), "{:?}", frozen.not_covered);
    assert_eq!(frozen.parts.grafts.len(), 3);
    fs::write(disk.path("home/user/deep/sub/f"), "later").unwrap();
    fs::write(disk.path("home/user/deep/sub/inner/f"), "later").unwrap();
    assert_eq!(read(graft(&frozen, "deep/sub"), "f"), b"sub");
    assert_eq!(read(graft(&frozen, "deep/sub/inner"), "f"), b"inner");
    assert_eq!(read(graft(&frozen, "saved"), "f"), b"sub");
    frozen.release().unwrap();
    assert_eq!(disk.freezes(), Vec::<String>::new());
    assert!(saved.join("f").exists());
}

#[test]
fn a_root_at_the_top_does_not_freeze_the_freezes_and_unwanted_subvolumes_are_left_alone() {
    let Some(disk) = Disk::new() else { return };
    disk.subvolume("wanted");
    disk.subvolume("unwanted");
    let other = freeze(&disk.root, 1);
    let options = PlanOptions { one_filesystem: false, wanted: &|dir| dir.name() != b"unwanted" };
    let plan = Freezer::new(MACHINE).plan(&disk.root, FreezeId { run: 2, root: 0 }, &options).unwrap();
    assert_eq!(plan.names().len(), 2);
    let frozen = plan.create().unwrap();
    assert_eq!(frozen.parts.grafts.len(), 1);
    graft(&frozen, "wanted");
    frozen.release().unwrap();
    other.release().unwrap();
}

#[test]
fn leftovers_of_this_machine_are_reaped_and_nothing_else() {
    let Some(disk) = Disk::new() else { return };
    disk.subvolume("work");
    fs::write(disk.path("work/f"), "x").unwrap();
    let work = disk.path("work");
    // A killed process closes its descriptors and releases nothing.
    drop(freeze(&work, 1));
    let kept = freeze(&work, 2);
    let foreign = Freezer::new(MachineId([0xb2; MachineId::LEN]));
    let options = PlanOptions { one_filesystem: false, wanted: &|_| true };
    drop(foreign.plan(&work, FreezeId { run: 1, root: 0 }, &options).unwrap().create().unwrap());
    for name in [".rozen-freeze/mine", "a1a1a1a1-1-0-0"] {
        run("btrfs", &["-q", "subvolume", "snapshot", text(&work), text(&disk.path(name))]).unwrap();
    }

    let reaped = Freezer::new(MACHINE).reap(&work, kept.hold.names()).unwrap();
    assert_eq!(reaped.removed.iter().map(FreezeName::as_str).collect::<Vec<_>>(), ["a1a1a1a1-1-0-0"]);
    assert_eq!(reaped.problems, []);
    assert_eq!(disk.freezes(), ["a1a1a1a1-2-0-0", "b2b2b2b2-1-0-0", "mine"]);
    assert!(disk.path("a1a1a1a1-1-0-0/f").exists());
    assert_eq!(read(&kept.parts.root, "f"), b"x");
    kept.release().unwrap();
}

#[test]
fn a_view_can_be_read_after_its_root_was_unmounted_and_then_the_root_is_not_there() {
    let Some(disk) = Disk::new() else { return };
    fs::create_dir(disk.path("work")).unwrap();
    fs::write(disk.path("work/f"), "x").unwrap();
    let frozen = freeze(&disk.path("work"), 1);
    run("umount", &[text(&disk.root)]).unwrap();
    assert_eq!(read(&frozen.parts.root, "f"), b"x");
    frozen.release().unwrap();
    let options = PlanOptions { one_filesystem: false, wanted: &|_| true };
    let missing = Freezer::new(MACHINE).plan(&disk.path("work"), FreezeId { run: 2, root: 0 }, &options);
    assert!(matches!(missing, Err(FreezeError::Root { .. })));
}

#[test]
fn a_root_in_a_mounted_subvolume_or_bound_directory_is_found_from_the_top() {
    let Some(disk) = Disk::new() else { return };
    disk.subvolume("outer");
    disk.subvolume("outer/@home");
    fs::create_dir_all(disk.path("outer/@home/a b/c")).unwrap();
    fs::write(disk.path("outer/@home/a b/c/f"), "x").unwrap();
    let bound = disk.base.path().join("bound");
    fs::create_dir(&bound).unwrap();
    run("mount", &["--bind", text(&disk.path("outer/@home/a b")), text(&bound)]).unwrap();
    let frozen = freeze(&bound.join("c"), 1);
    let _ = run("umount", &[text(&bound)]);
    assert_eq!(read(&frozen.parts.root, "f"), b"x");
    frozen.release().unwrap();
}

#[test]
fn another_mount_below_the_root_is_read_live_and_named() {
    let Some(disk) = Disk::new() else { return };
    let at = disk.path("other");
    fs::create_dir(&at).unwrap();
    run("mount", &["-t", "tmpfs", "rozen-test", text(&at)]).unwrap();
    fs::write(at.join("f"), "x").unwrap();
    let frozen = freeze(&disk.root, 1);
    assert!(!frozen.parts.frozen);
    assert_eq!(read(graft(&frozen, "other"), "f"), b"x");
    let problem = &frozen.not_covered[0];
    assert_eq!((problem.code, problem.path.as_str()), (ProblemCode::NotFrozen, text(&at)));
    frozen.release().unwrap();
    let options = PlanOptions { one_filesystem: true, wanted: &|_| true };
    let plan = Freezer::new(MACHINE).plan(&disk.root, FreezeId { run: 2, root: 0 }, &options).unwrap();
    let frozen = plan.create().unwrap();
    assert!(frozen.parts.frozen && frozen.parts.grafts.is_empty() && frozen.not_covered.is_empty());
    frozen.release().unwrap();
}

#[test]
fn a_nested_subvolume_that_cannot_be_frozen_is_read_live_and_named() {
    let Some(disk) = Disk::new() else { return };
    disk.subvolume("sub");
    disk.subvolume("sub/inner");
    fs::write(disk.path("sub/f"), "sub").unwrap();
    fs::write(disk.path("sub/inner/f"), "inner").unwrap();
    let plan = plan(&disk.root, 3);
    let names = plan.names();
    // The name is taken when the subvolume is to be frozen.
    fs::DirBuilder::new().mode(0o700).create(disk.path(FREEZE_DIR)).unwrap();
    fs::create_dir(disk.path(FREEZE_DIR).join(names[1].as_str())).unwrap();
    let frozen = plan.create().unwrap();
    assert_eq!(read(graft(&frozen, "sub"), "f"), b"sub");
    assert_eq!(read(graft(&frozen, "sub/inner"), "f"), b"inner");
    assert!(!frozen.parts.frozen && frozen.live.is_none());
    let [problem] = frozen.not_covered.as_slice() else { panic!("{:?}", frozen.not_covered) };
    assert_eq!((problem.code, problem.path.as_str()), (ProblemCode::NotFrozen, text(&disk.path("sub"))));
    assert_eq!(frozen.hold.names(), [names[0].clone(), names[2].clone()]);
    frozen.release().unwrap();
    assert_eq!(disk.freezes(), [names[1].to_string()]);
}

#[test]
fn a_mount_on_a_file_leaves_the_rest_frozen_and_is_named() {
    let Some(disk) = Disk::new() else { return };
    fs::write(disk.path("other"), "below").unwrap();
    let over = disk.base.path().join("over");
    fs::write(&over, "over").unwrap();
    run("mount", &["--bind", text(&over), text(&disk.path("other"))]).unwrap();
    let frozen = freeze(&disk.root, 1);
    assert!(frozen.parts.frozen && frozen.parts.grafts.is_empty());
    assert_eq!(frozen.not_covered[0].code, ProblemCode::NotCovered);
    assert_eq!(read(&frozen.parts.root, "other"), b"below");
    frozen.release().unwrap();
}

#[test]
fn where_freezing_fails_the_view_is_live_and_says_why() {
    let Some(disk) = Disk::new() else { return };
    fs::write(disk.path("f"), "x").unwrap();
    // Not a directory of ours: whoever made it could exchange what is in it.
    fs::create_dir(disk.path(FREEZE_DIR)).unwrap();
    fs::set_permissions(disk.path(FREEZE_DIR), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let frozen = plan(&disk.root, 1).create().unwrap();
    assert!(matches!(&frozen.live, Some(LiveReason::Failed(FreezeError::Directory { .. }))), "{:?}", frozen.live);
    assert_eq!(frozen.not_covered[0].code, ProblemCode::NotFrozen);
    assert!(!frozen.parts.frozen);
    assert_eq!(read(&frozen.parts.root, "f"), b"x");
    frozen.release().unwrap();
}

#[test]
fn other_filesystems_are_read_live_without_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    fs::File::create(dir.path().join("f")).unwrap().write_all(b"x").unwrap();
    let frozen = plan(dir.path(), 1).create().unwrap();
    if frozen.live.is_none() {
        eprintln!("skipped: the directory for temporary files is on btrfs");
        return frozen.release().unwrap();
    }
    assert!(frozen.not_covered.is_empty() && !frozen.parts.frozen);
    assert_eq!(read(&frozen.parts.root, "f"), b"x");
    assert_eq!(Freezer::new(MACHINE).reap(dir.path(), &[]).unwrap(), Reaped::default());
    assert!(Freezer::new(MACHINE).probe(dir.path()).unwrap().is_err());
}
