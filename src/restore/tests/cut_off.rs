//! What a restore that was cut off leaves, and how the next one tells it from what people made.

use rustix::fs::IFlags;

use super::*;
use crate::model::is_stage_name;
use crate::source::testing::Mounted;

const STAGE: &str = ".rozen-restore-0123456789abcdef0123456789abcdef";

/// In the kernel's own form: the owner, user 1234, the group's mask: read and write; the group and others: read.
pub(super) const ACL: &[u8] =
    b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x06\0\xd2\x04\0\0\x04\0\x04\0\xff\xff\xff\xff\
    \x10\0\x06\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";

pub(super) fn xattr(name: &[u8], value: &[u8]) -> crate::model::Xattr {
    crate::model::Xattr { name: name.to_vec(), value: value.to_vec() }
}

pub(super) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(super) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A file as a crash leaves it: created, half written.
pub(super) fn cut_off(path: &Path) {
    fs::write(path, b"cu").unwrap();
    chmod(path, 0o1200);
}

fn stages(dir: &Path) -> usize {
    let is_stage = |entry: &fs::DirEntry| is_stage_name(entry.file_name().as_encoded_bytes());
    fs::read_dir(dir).unwrap().filter(|entry| is_stage(entry.as_ref().unwrap())).count()
}

#[test]
fn an_unfinished_file_is_done_again_also_when_the_snapshot_has_it_with_the_sticky_bit() {
    let mut f = Fixture::new();
    let modes = [0o1644, 0o1600, 0o1200, 0o1000, 0o7777, 0o200, 0];
    for mode in modes {
        let content = f.repo.bundled(&[b"content"]).remove(0);
        f.add(&format!("f{mode:o}"), Entry { mode, content: Some(content), ..Entry::test_file(7) });
    }
    for _ in 0..2 {
        assert_eq!(f.restore().problems, []);
        for wanted in modes {
            let path = f.to().join(format!("f{wanted:o}"));
            assert_eq!((mode(&path), fs::metadata(&path).unwrap().len()), (wanted, 7));
            if wanted & 0o7577 != 0o1000 {
                cut_off(&path);
            }
        }
    }
    assert_eq!(f.restore().files, 5);
}

#[test]
fn a_file_of_which_all_but_the_mode_is_set_is_done_again() {
    let mut f = Fixture::new();
    f.file("x", b"content");
    f.restore();
    chmod(&f.to().join("x"), 0o1200);
    let report = f.restore();
    assert_eq!((report.files, report.problem_count, mode(&f.to().join("x"))), (1, 0, 0o644));
}

#[test]
fn a_sticky_file_of_the_user_is_kept_and_nothing_is_removed_before_it_can_be_replaced() {
    let mut f = Fixture::new();
    f.file("theirs", b"snapshot");
    f.file("ours", b"snapshot");
    let manifest = f.repo.commit(&f.entries);
    fs::create_dir(f.to()).unwrap();
    fs::write(f.to().join("theirs"), b"my work").unwrap();
    chmod(&f.to().join("theirs"), 0o1644);
    cut_off(&f.to().join("ours"));
    f.repo.change("/packs/", |bytes| bytes[300..].fill(0));
    let report = run(&f.repo.open().contents().unwrap(), &manifest, f.options(), &Progress::default()).unwrap();
    assert_eq!((f.read("theirs"), mode(&f.to().join("theirs"))), (b"my work".to_vec(), 0o1644));
    assert_eq!(report.kept, 1);
    let named: Vec<_> = report.problems.iter().map(|p| (p.path.as_str(), p.code)).collect();
    assert_eq!(named, [("/home/u/ours", ProblemCode::Damaged)]);
    assert!(mode(&f.to().join("ours")) == 0o1200 && stages(&f.to()) == 0, "it does not look complete");
}

#[test]
fn links_and_special_files_have_their_names_only_when_they_are_complete() {
    let mut f = Fixture::new();
    f.add("link", Entry::test_link(b"nowhere"));
    f.restore();
    assert_eq!((stages(&f.to()), f.restore().skipped), (0, 1));
}

#[test]
fn what_a_restore_that_died_left_under_other_names_is_removed_whatever_may_be_overwritten() {
    let mut f = Fixture::new();
    f.add("d", Entry::test_dir());
    f.file("d/x", b"content");
    f.file("y", b"content");
    f.restore();
    for dir in ["", "d"] {
        fs::write(f.to().join(dir).join(STAGE), b"half").unwrap();
        fs::write(f.to().join(dir).join(".rozen-restore-notes"), b"theirs").unwrap();
    }
    let report = f.restore();
    assert_eq!((report.files, report.problem_count), (0, 0));
    for dir in ["", "d"] {
        assert_eq!(stages(&f.to().join(dir)), 0);
        assert!(f.to().join(dir).join(".rozen-restore-notes").exists());
    }
}

#[test]
fn a_restore_that_ends_early_leaves_nothing_of_a_large_file() {
    let mut f = Fixture::new();
    fs::create_dir(f.to()).unwrap();
    let Some(_mounted) = Mounted::tmpfs_of(&f.to(), c"size=1m") else { return };
    f.chunked("large", &noise(3 << 20), 100_000);
    let options = f.options();
    let error = f.restore_with(options).unwrap_err();
    assert!(matches!(&error, RestoreError::Full { place, .. } if *place == f.to()), "{error:?}");
    assert_eq!(fs::read_dir(f.to()).unwrap().count(), 0);
}

/// `None` where the filesystem keeps no such flags, or nobody may set them.
fn flags(path: &Path) -> Option<IFlags> {
    rustix::fs::ioctl_getflags(fs::File::open(path).unwrap()).ok()
}

fn set_flags(path: &Path, flags: IFlags) -> bool {
    rustix::fs::ioctl_setflags(fs::File::open(path).unwrap(), flags).is_ok()
}

/// Takes protecting flags away when it goes, or the directory cannot be removed.
struct Unprotected(std::path::PathBuf);

impl Drop for Unprotected {
    fn drop(&mut self) {
        for path in ["d/x", "x", "d", ""] {
            let path = self.0.join(path);
            if let Some(now) = fs::File::open(&path).ok().and_then(|file| rustix::fs::ioctl_getflags(file).ok()) {
                set_flags(&path, now - IFlags::IMMUTABLE - IFlags::APPEND);
            }
        }
    }
}

fn protected_fixture() -> Option<(Fixture, Unprotected)> {
    let mut f = Fixture::new();
    let probe = tempfile::NamedTempFile::new_in(f.dir.path()).unwrap();
    let before = flags(probe.path())?;
    if !set_flags(probe.path(), before | IFlags::IMMUTABLE) {
        eprintln!("skipped: nobody may set flags here");
        return None;
    }
    set_flags(probe.path(), before);
    f.add("d", Entry { inode_flags: Some(IFlags::IMMUTABLE.bits()), ..Entry::test_dir() });
    for (name, flag) in [("x", IFlags::IMMUTABLE), ("d/x", IFlags::APPEND)] {
        let content = f.repo.bundled(&[b"snapshot"]).remove(0);
        f.add(name, Entry { content: Some(content), inode_flags: Some(flag.bits()), ..Entry::test_file(8) });
    }
    let unprotected = Unprotected(f.to());
    Some((f, unprotected))
}

fn assert_protected(f: &Fixture) {
    for (path, flag) in [("x", IFlags::IMMUTABLE), ("d/x", IFlags::APPEND), ("d", IFlags::IMMUTABLE)] {
        assert!(flags(&f.to().join(path)).unwrap().contains(flag), "{path}");
    }
}

#[test]
fn files_whose_flags_a_restore_did_not_come_to_are_protected_by_the_next_one() {
    let Some((mut f, unprotected)) = protected_fixture() else { return };
    assert_eq!(f.restore().problems, []);
    assert_protected(&f);
    // as a restore leaves them that was cut off before flags and directories
    drop(unprotected);
    chmod(&f.to().join("d"), 0o1700);
    let _unprotected = Unprotected(f.to());
    let report = f.restore();
    assert_eq!((report.problems.as_slice(), report.files), (&[][..], 0));
    assert_protected(&f);
}

#[test]
fn what_flags_protect_is_replaced_where_that_was_asked_for_and_gets_the_flags_of_the_snapshot() {
    let Some((mut f, _unprotected)) = protected_fixture() else { return };
    f.restore();
    let protect = |f: &Fixture| {
        for path in ["x", "d/x", "d"] {
            let path = f.to().join(path);
            let now = flags(&path).unwrap() - IFlags::IMMUTABLE - IFlags::APPEND;
            set_flags(&path, now);
            if path.is_file() {
                fs::write(&path, b"my longer work").unwrap();
            }
            set_flags(&path, now | IFlags::IMMUTABLE | IFlags::APPEND);
        }
    };
    for overwrite in [Overwrite::Changed, Overwrite::Always] {
        protect(&f);
        let report = f.restore_with(RestoreOptions { overwrite, ..f.options() }).unwrap();
        assert_eq!((report.problems.as_slice(), report.files), (&[][..], 2));
        assert_eq!((f.read("x"), f.read("d/x")), (b"snapshot".to_vec(), b"snapshot".to_vec()));
        assert_protected(&f);
        assert!(!flags(&f.to().join("x")).unwrap().contains(IFlags::APPEND));
    }
    protect(&f);
    assert_eq!(f.restore().kept, 2);
    assert_eq!(f.read("x"), b"my longer work");
}
