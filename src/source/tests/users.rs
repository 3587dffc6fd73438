//! As an ordinary user: what cannot be read or set is said, the rest is right.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::super::testing::{USER, as_user, own};
use super::super::{Destination, Disposition, MetadataWriter, Names, OwnerPolicy};
use super::{entry_of, is_root, restorable, root_of, skip};
use crate::model::{Entry, ProblemCode, RelPath, Xattr};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory that the user owns, with a file `f` of this owner and mode.
fn fixture(file_mode: u32) -> (tempfile::TempDir, Entry) {
    let dir = tempfile::tempdir().unwrap();
    own(dir.path());
    fs::write(dir.path().join("f"), b"content").unwrap();
    own(&dir.path().join("f"));
    mode(&dir.path().join("f"), file_mode);
    let entry = entry_of(&root_of(dir.path()), b"f");
    (dir, entry)
}

fn restore(dir: &Path, entry: &Entry) -> Vec<crate::model::Problem> {
    as_user(|| {
        let root = Destination::open(dir).unwrap().open_dir(&RelPath::root()).unwrap();
        let file = root.create_file(b"new").unwrap();
        let mut writer = MetadataWriter::new(OwnerPolicy::Ids);
        let mut problems = writer.prepare(file.target(), entry);
        file.write_at(0, b"content").unwrap();
        problems.extend(writer.apply(file.target(), entry).unwrap());
        problems
    })
}

#[test]
fn an_unreadable_file_keeps_its_metadata_and_says_what_is_missing() {
    if !is_root() {
        skip!("it needs two users");
    }
    let (dir, _) = fixture(0o600);
    std::os::unix::fs::chown(dir.path().join("f"), Some(0), Some(0)).unwrap();
    let (opened, (entry, problems)) = as_user(|| {
        let root = root_of(dir.path());
        let stat = root.stat(b"f").unwrap();
        let opened = root.open_file(b"f", &stat).unwrap_err();
        (opened, root.read_entry(b"f", &stat, &mut Names::new()).unwrap())
    });
    assert_eq!(opened.disposition(), Disposition::Unreadable);
    assert_eq!((entry.mode, entry.uid, entry.size), (0o600, 0, 7));
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, ProblemCode::Metadata);
}

#[test]
fn files_of_others_can_be_read_where_noatime_is_refused() {
    if !is_root() {
        skip!("it needs two users");
    }
    let (dir, _) = fixture(0o644);
    std::os::unix::fs::chown(dir.path().join("f"), Some(0), Some(0)).unwrap();
    as_user(|| {
        let root = root_of(dir.path());
        let mut reader = root.open_file(b"f", &root.stat(b"f").unwrap()).unwrap().into_reader();
        assert_eq!(reader.read(&mut Vec::new(), 100).unwrap(), 7);
    });
}

#[test]
fn own_files_come_back_exact_without_root() {
    if !is_root() {
        skip!("it needs two users");
    }
    for file_mode in [0o644, 0o400, 0o4711, 0o2750, 0] {
        let (dir, mut entry) = fixture(file_mode);
        entry.xattrs = Some(vec![Xattr { name: b"user.a".to_vec(), value: b"1".to_vec() }]);
        assert_eq!(restore(dir.path(), &entry), [], "{file_mode:o}");
        assert_eq!(restorable(entry_of(&root_of(dir.path()), b"new")), restorable(entry));
    }
}

#[test]
fn setuid_of_an_owner_that_could_not_be_set_is_withheld_and_said() {
    if !is_root() {
        skip!("it needs two users");
    }
    let (dir, mut entry) = fixture(0o644);
    (entry.uid, entry.gid, entry.mode) = (0, 0, 0o6755);
    entry.xattrs = Some(vec![Xattr { name: b"trusted.a".to_vec(), value: b"1".to_vec() }]);
    let problems = restore(dir.path(), &entry);
    let new = fs::metadata(dir.path().join("new")).unwrap();
    assert_eq!((new.uid(), new.mode() & 0o7777, new.mtime()), (USER, 0o755, entry.mtime.secs));
    let messages: Vec<_> = problems.iter().map(|p| p.message.as_str()).collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(problems.iter().all(|p| p.code == ProblemCode::Metadata && p.remedy.contains("root")));
    for (message, word) in messages.iter().zip(["owner 0:0", "trusted.a", "setuid"]) {
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn a_file_is_never_open_to_others_before_it_has_its_owner() {
    if !is_root() {
        skip!("it needs a foreign owner");
    }
    let (dir, mut entry) = fixture(0o644);
    entry.mode = 0o666;
    let root = Destination::open(dir.path()).unwrap().open_dir(&RelPath::root()).unwrap();
    assert_eq!(root.create_file(b"new").unwrap().stat().unwrap().mode, 0o1200);
}

#[test]
fn by_names_the_owner_is_who_has_the_name_here() {
    if !is_root() {
        skip!("it needs root");
    }
    let (dir, mut entry) = fixture(0o644);
    (entry.user, entry.group) = (Some("root".to_owned()), Some("no such group".to_owned()));
    let root = Destination::open(dir.path()).unwrap().open_dir(&RelPath::root()).unwrap();
    let file = root.create_file(b"new").unwrap();
    assert_eq!(MetadataWriter::new(OwnerPolicy::Names).apply(file.target(), &entry).unwrap(), []);
    let stat = file.stat().unwrap();
    assert_eq!((stat.uid, stat.gid), (0, USER));
}

/// In the kernel's own form.
fn acl(entries: &[(u16, u16)]) -> Vec<u8> {
    let entry = |(tag, perm): &(u16, u16)| {
        let id = if *tag == 2 { 1234u32 } else { u32::MAX };
        [&tag.to_le_bytes()[..], &perm.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    [&[2, 0, 0, 0][..], &entries.iter().flat_map(entry).collect::<Vec<u8>>()].concat()
}

fn xattr(name: &str, value: &[u8]) -> Xattr {
    Xattr { name: name.into(), value: value.to_vec() }
}

#[test]
fn what_its_owner_may_not_write_to_gets_its_attributes_before_its_acl() {
    if !is_root() {
        skip!("it needs two users");
    }
    let (dir, mut entry) = fixture(0o460);
    let acl = acl(&[(1, 4), (2, 6), (4, 0), (16, 6), (32, 0)]);
    entry.xattrs = Some(vec![xattr("system.posix_acl_access", &acl), xattr("user.a", b"1")]);
    assert_eq!(restore(dir.path(), &entry), []);
    assert_eq!(restorable(entry_of(&root_of(dir.path()), b"new")), restorable(entry.clone()));
    // once more, on what has all of it
    entry.xattrs = Some(vec![xattr("system.posix_acl_access", &acl), xattr("user.a", b"2")]);
    let problems = as_user(|| {
        let root = Destination::open(dir.path()).unwrap().open_dir(&RelPath::root()).unwrap();
        MetadataWriter::new(OwnerPolicy::Ids).apply(root.open_file(b"new").unwrap().target(), &entry).unwrap()
    });
    assert_eq!(problems, []);
    assert_eq!(restorable(entry_of(&root_of(dir.path()), b"new")), restorable(entry));
}

#[test]
fn a_folder_that_hands_down_closed_modes_is_filled_all_the_same() {
    if !is_root() {
        skip!("it needs two users");
    }
    let (dir, mut entry) = fixture(0o644);
    entry.xattrs = Some(vec![xattr("user.a", b"1")]);
    let closed = acl(&[(1, 0), (4, 0), (32, 0)]);
    rustix::fs::setxattr(dir.path(), "system.posix_acl_default", &closed, rustix::fs::XattrFlags::empty()).unwrap();
    let problems = as_user(|| {
        let root = Destination::open(dir.path()).unwrap().open_dir(&RelPath::root()).unwrap();
        let child = root.create_dir(b"child").unwrap();
        let file = child.create_file(b"new").unwrap();
        file.write_at(0, b"content").unwrap();
        MetadataWriter::new(OwnerPolicy::Ids).apply(file.target(), &entry).unwrap()
    });
    assert_eq!(problems, []);
    assert_eq!(restorable(entry_of(&root_of(&dir.path().join("child")), b"new")), restorable(entry));
}
