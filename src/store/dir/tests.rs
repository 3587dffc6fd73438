//! What only a directory can do: die in the middle, fill up, vanish.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::model::StorageClass;
use crate::store::{Disposition, ObjectName, PutOutcome, PutSource, Store, StoreError, StoreUrl};

const CHILD: &str = "ROZEN_TEST_STORE_DIR";
const SIZE: usize = 1_000_000;

fn create(dir: &Path) -> Store {
    Store::create(&StoreUrl::from_path(dir).unwrap()).unwrap()
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files_below(&path) } else { vec![path] }
        })
        .collect()
}

fn make_old(path: &Path) {
    let old = SystemTime::now() - Duration::from_secs(7200);
    File::open(path).unwrap().set_modified(old).unwrap();
}

/// The put that the child dies in.
fn put_both_ways(dir: &Path) {
    let store = create(&dir.join("repo"));
    store.put_if_absent(&name("packs/copied"), PutSource::Bytes(&[7; SIZE]), StorageClass::Standard).unwrap();
    let spooled = dir.join("spooled");
    fs::write(&spooled, [8; SIZE]).unwrap();
    let source = PutSource::File { path: &spooled, may_move: true };
    store.put_if_absent(&name("packs/moved"), source, StorageClass::Standard).unwrap();
}

#[test]
fn a_put_that_dies_at_any_point_leaves_the_object_whole_or_absent_and_can_be_repeated() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return put_both_ways(Path::new(&dir));
    }
    let points = ["temp-created:1", "temp-half:1", "temp-half:3", "temp-synced:1", "linked:1", "placed:1", "linked:2"];
    for point in points {
        let dir = tempfile::tempdir().unwrap();
        let this =
            "store::dir::tests::a_put_that_dies_at_any_point_leaves_the_object_whole_or_absent_and_can_be_repeated";
        let child = Command::new(std::env::current_exe().unwrap())
            .args([this, "--exact"])
            .env(CHILD, dir.path())
            .env("ROZEN_CRASH_AT", format!("store.{point}"))
            .output();
        assert!(!child.unwrap().status.success(), "{point} did not strike");
        let store = create(&dir.path().join("repo"));
        for listed in store.list("").unwrap() {
            assert_eq!(listed.size, SIZE as u64, "{point}: {:?}", listed.name);
        }
        let has_copy = store.head(&name("packs/copied")).unwrap().is_some();
        assert_eq!(has_copy, point.starts_with("linked") || point.starts_with("placed"), "{point}");
        files_below(&dir.path().join("repo/tmp")).iter().for_each(|temp| make_old(temp));
        put_both_ways(dir.path());
        assert_eq!(files_below(&dir.path().join("repo")).len(), 2, "{point}");
        assert!(store.get(&name("packs/copied"), SIZE as u64).unwrap() == [7; SIZE]);
        assert!(store.get(&name("packs/moved"), SIZE as u64).unwrap() == [8; SIZE]);
    }
}

#[test]
fn temporary_files_are_removed_only_when_old_and_without_a_living_owner() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("tmp")).unwrap();
    let temp = |text: &str| dir.path().join("tmp").join(text);
    let [young, old, locked] = ["1-00000000000000aa", "22-00000000000000bb", "333-00000000000000cc"].map(temp);
    let foreign = ["thesis", "1-notes", "x-00000000000000dd", "1-00000000000000DD"].map(temp);
    [&young, &old, &locked].into_iter().chain(&foreign).for_each(|path| fs::write(path, b"x").unwrap());
    [&old, &locked].into_iter().chain(&foreign).for_each(|path| make_old(path));
    let owner = File::open(&locked).unwrap();
    rustix::fs::flock(&owner, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let store = create(dir.path());
    assert!(old.exists(), "opening writes nothing");
    store.put_if_absent(&name("a"), PutSource::Bytes(b"x"), StorageClass::Standard).unwrap();
    assert!(young.exists() && locked.exists() && !old.exists());
    assert!(foreign.iter().all(|path| path.exists()), "what is not ours stays");
    assert_eq!(store.list("").unwrap().len(), 1);
}

#[test]
fn a_moved_file_is_not_copied() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let spooled = dir.path().join("spooled");
    fs::write(&spooled, b"x").unwrap();
    let inode = fs::metadata(&spooled).unwrap().ino();
    let source = PutSource::File { path: &spooled, may_move: true };
    create(&dir.path().join("repo")).put_if_absent(&name("a/b"), source, StorageClass::Standard).unwrap();
    assert_eq!(fs::metadata(dir.path().join("repo/a/b")).unwrap().ino(), inode);
}

#[test]
fn a_target_that_was_removed_is_no_empty_target() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    let store = create(&repo);
    fs::remove_dir(&repo).unwrap();
    fs::create_dir(&repo).unwrap();
    let gone = |error: StoreError| assert!(matches!(error, StoreError::TargetGone { .. }), "{error}");
    gone(store.put_if_absent(&name("a"), PutSource::Bytes(b"x"), StorageClass::Standard).unwrap_err());
    gone(store.get(&name("a"), 9).unwrap_err());
    gone(store.get_range(&name("a"), 0, 1).unwrap_err());
    gone(store.head(&name("a")).unwrap_err());
    gone(store.list("").unwrap_err());
    gone(store.delete(&name("a")).unwrap_err());
    assert_eq!(files_below(&repo), Vec::<PathBuf>::new());
}

#[test]
fn what_cannot_be_opened_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"x").unwrap();
    let open = |path: &Path| Store::open(&StoreUrl::from_path(path).unwrap()).unwrap_err();
    assert!(matches!(open(&dir.path().join("no")), StoreError::TargetGone { .. }));
    assert!(matches!(open(&file), StoreError::NotADirectory { .. }));
    let below_file = StoreUrl::from_path(&file.join("below")).unwrap();
    assert!(matches!(Store::create(&below_file).unwrap_err(), StoreError::NotADirectory { .. }));
}

#[test]
fn what_lies_around_in_a_target_is_no_object() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path());
    store.put_if_absent(&name("a/b"), PutSource::Bytes(b"x"), StorageClass::Standard).unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    fs::write(dir.path().join("a/.DS_Store"), b"x").unwrap();
    fs::write(dir.path().join("a/with space"), b"x").unwrap();
    assert_eq!(store.list("").unwrap().len(), 1);
}

#[test]
fn an_object_that_cannot_be_looked_at_is_in_the_list_and_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path());
    store.put_if_absent(&name("a/m/b"), PutSource::Bytes(b"x"), StorageClass::Standard).unwrap();
    for (link, to) in [("a/m/loop", "loop"), ("a/m/nowhere", "/nowhere/at/all"), ("a/junk", "junk")] {
        std::os::unix::fs::symlink(to, dir.path().join(link)).unwrap();
    }
    let listed: Vec<_> = store.list("a/m/").unwrap().into_iter().map(|o| (o.name.to_string(), o.size)).collect();
    assert_eq!(listed, [("a/m/b".into(), 1), ("a/m/loop".into(), 0), ("a/m/nowhere".into(), 0)]);
    assert_eq!(store.folders("a/").unwrap(), ["m"]);
    let error = store.get(&name("a/m/loop"), 9).unwrap_err();
    assert!(error.is_of_object(), "{error:?}");
    // a folder that leads nowhere is no empty folder
    std::os::unix::fs::symlink("/nowhere/at/all", dir.path().join("disk")).unwrap();
    assert!(matches!(store.list("disk/").unwrap_err(), StoreError::Io { .. }));
}

#[test]
fn what_is_no_file_is_no_object_and_is_told_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path());
    rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(store.get(&name("fifo"), 9).unwrap_err().to_string(), "fifo is no regular file");
}

#[test]
fn what_is_no_file_and_stands_where_an_object_was_is_in_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path());
    for object in ["m/s/1", "m/s/2", "m/s/3", "m/s/4", "m/s/5"] {
        store.put_if_absent(&name(object), PutSource::Bytes(b"x"), StorageClass::Standard).unwrap();
    }
    let at = |text: &str| dir.path().join("m/s").join(text);
    ["2", "3", "4", "5"].iter().for_each(|leaf| fs::remove_file(at(leaf)).unwrap());
    fs::create_dir(at("2")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, at("3"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    std::os::unix::fs::symlink("/dev/null", at("4")).unwrap();
    fs::create_dir(at("elsewhere")).unwrap();
    fs::write(at("elsewhere/junk that is no object"), b"x").unwrap();
    std::os::unix::fs::symlink("elsewhere", at("5")).unwrap();
    let listed: Vec<_> = store.list("m/s/").unwrap().into_iter().map(|o| (o.name.to_string(), o.size)).collect();
    let expected = [("m/s/1", 1), ("m/s/2", 0), ("m/s/3", 0), ("m/s/4", 0), ("m/s/5", 0), ("m/s/elsewhere", 0)];
    assert_eq!(listed, expected.map(|(name, size)| (name.to_owned(), size)));
    for object in ["m/s/2", "m/s/3", "m/s/4", "m/s/5"] {
        assert_eq!(store.get(&name(object), 9).unwrap_err().to_string(), format!("{object} is no regular file"));
    }
}

/// A small filesystem of its own, gone when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "rozen-test"]).arg(dir.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(dir)),
            _ => {
                eprintln!("skipped: mounting a tmpfs needs root");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(self.0.path()).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_target_that_fills_up_keeps_no_half_object_and_goes_on_when_there_is_space() {
    let Some(disk) = SmallDisk::mount("size=2m") else { return };
    let store = create(disk.0.path());
    store.put_if_absent(&name("first"), PutSource::Bytes(&[1; SIZE]), StorageClass::Standard).unwrap();
    let spool = tempfile::NamedTempFile::new().unwrap();
    fs::write(spool.path(), vec![2; 3 * SIZE / 2]).unwrap();
    let put = || {
        store.put_if_absent(
            &name("second"),
            PutSource::File { path: spool.path(), may_move: true },
            StorageClass::Standard,
        )
    };
    let error = put().unwrap_err();
    assert_eq!(error.disposition(), Disposition::Full, "{error:?}");
    assert!(error.remedy().contains("space"));
    assert_eq!(store.head(&name("second")).unwrap(), None);
    assert_eq!(files_below(disk.0.path()).len(), 1);
    disk.remount("size=8m");
    assert_eq!(put().unwrap(), PutOutcome::Created);
    assert!(store.get(&name("second"), u64::MAX).unwrap() == vec![2; 3 * SIZE / 2]);
}

#[test]
fn a_read_only_target_can_be_read_and_says_that_it_cannot_be_written() {
    let Some(disk) = SmallDisk::mount("size=2m") else { return };
    create(disk.0.path()).put_if_absent(&name("a"), PutSource::Bytes(b"x"), StorageClass::Standard).unwrap();
    disk.remount("ro");
    let store = Store::open(&StoreUrl::from_path(disk.0.path()).unwrap()).unwrap();
    assert_eq!(store.get(&name("a"), 9).unwrap(), b"x");
    assert_eq!(store.list("").unwrap().len(), 1);
    let error = store.put_if_absent(&name("b"), PutSource::Bytes(b"x"), StorageClass::Standard).unwrap_err();
    assert_eq!(error.disposition(), Disposition::ReadOnly, "{error:?}");
}
