//! Read, restore, read again: the same on every filesystem.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, IFlags, Mode, Timespec, Timestamps, Uid, XattrFlags, chownat, ioctl_getflags,
    ioctl_setflags, lsetxattr, makedev, mknodat, utimensat,
};

use super::super::{DestDir, Destination, Dir, LinkSource, MetadataWriter, OwnerPolicy};
use super::places::Place;
use super::{entry_of, is_root, restorable, root_of, skip};
use crate::model::{Entry, EntryKind, RelPath, Timestamp, Xattr};

/// ACL in the kernel's own form: user 1234 may read and write, the mask says so too.
const ACL: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x06\0\xd2\x04\0\0\x04\0\x04\0\xff\xff\xff\xff\
    \x10\0\x06\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";
/// CAP_NET_RAW, permitted and effective.
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

struct Made<'a> {
    at: &'a Path,
    xattrs: bool,
}

impl Made<'_> {
    fn file(&self, name: &str, mode: u32) {
        fs::write(self.at.join(name), b"content").unwrap();
        self.chmod(name, mode);
    }

    fn chmod(&self, name: &str, mode: u32) {
        rustix::fs::chmod(self.at.join(name), Mode::from_raw_mode(mode)).unwrap();
    }

    fn own(&self, name: &str, uid: u32, gid: u32) {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chownat(CWD, self.at.join(name), uid, gid, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    fn node(&self, name: &str, kind: FileType, device: u64) {
        mknodat(CWD, self.at.join(name), kind, Mode::RUSR | Mode::WUSR, device).unwrap();
    }

    fn time(&self, name: &str, secs: i64, nanos: i64) {
        let time = Timespec { tv_sec: secs, tv_nsec: nanos };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, self.at.join(name), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    fn xattr(&self, name: &str, key: &str, value: &[u8]) {
        if self.xattrs {
            lsetxattr(self.at.join(name), key, value, XattrFlags::empty()).unwrap();
        }
    }

    fn flags(&self, name: &str, flags: IFlags) {
        let file = fs::File::open(self.at.join(name)).unwrap();
        // not every filesystem has them
        if let Ok(now) = ioctl_getflags(&file) {
            let _ = ioctl_setflags(&file, now | flags);
        }
    }
}

/// One of everything, below `at`.
fn make_tree(at: &Path, xattrs: bool) {
    let made = Made { at, xattrs };
    make_files(&made);
    make_specials(&made);
    fs::create_dir(at.join("dir")).unwrap();
    made.own("dir", 3, 4);
    made.xattr("dir", "system.posix_acl_access", ACL);
    made.xattr("dir", "system.posix_acl_default", ACL);
    made.chmod("dir", 0o3771);
    made.flags("dir", IFlags::NODUMP | IFlags::NOATIME);
    made.file("dir/inside", 0o644);
    fs::create_dir(at.join("closed")).unwrap();
    made.file("closed/inside", 0);
    made.chmod("closed", 0);
    made.time("closed", 12, 34);
    made.time("dir", 1, 999_999_999);
}

fn make_files(made: &Made<'_>) {
    made.file("plain", 0o644);
    made.file("line\nbreak", 0o600);
    made.file("setuid", 0o644);
    made.own("setuid", 1, 2);
    made.chmod("setuid", 0o6755);
    made.file("before 1970", 0o444);
    made.time("before 1970", -1, 999_999_999);
    made.file("after 2038", 0o000);
    made.time("after 2038", 1 << 33, 123_456_789);
    made.file("acl", 0o640);
    made.own("acl", 5, 6);
    made.xattr("acl", "system.posix_acl_access", ACL);
    made.file("capable", 0o755);
    made.own("capable", 7, 8);
    made.xattr("capable", "security.capability", CAPABILITY);
    made.file("attributes", 0o444);
    made.xattr("attributes", "trusted.secret", &[0, 1, 2, 255]);
    for i in 0..20 {
        made.xattr("attributes", &format!("user.with a rather long name, number {i}"), b"\0value");
    }
    made.xattr("attributes", "user.large", &vec![7; 1500]);
    made.file("flags", 0o644);
    made.flags("flags", IFlags::NODUMP | IFlags::NOATIME);
    fs::hard_link(made.at.join("plain"), made.at.join("plain's other name")).unwrap();
}

fn make_specials(made: &Made<'_>) {
    symlink("nowhere/at all", made.at.join("link")).unwrap();
    made.own("link", 9, 10);
    made.time("link", -5, 7);
    made.xattr("link", "trusted.on a link", b"x");
    made.node("fifo", FileType::Fifo, 0);
    made.chmod("fifo", 0o620);
    made.time("fifo", 77, 0);
    made.node("socket", FileType::Socket, 0);
    made.own("socket", 11, 12);
    made.node("char", FileType::CharacterDevice, makedev(1, 3));
    made.chmod("char", 0o666);
    made.node("block", FileType::BlockDevice, makedev(7, 300));
    made.xattr("block", "trusted.on a device", b"y");
}

/// Files first, a directory's own metadata when all in it is done.
fn copy(from: &Dir, to: &DestDir, writer: &mut MetadataWriter) {
    for listed in from.list().unwrap().iter() {
        let entry = entry_of(from, listed.name);
        let problems = match entry.kind {
            EntryKind::Dir => {
                let dir = to.create_dir(listed.name).unwrap();
                copy(&from.open_child(listed.name).unwrap(), &dir, writer);
                writer.apply(dir.target(), &entry).unwrap()
            }
            EntryKind::File => copy_file(from, to, listed.name, &entry, writer),
            _ => writer.apply(to.create_node(listed.name, &entry).unwrap().target(), &entry).unwrap(),
        };
        assert_eq!(problems, [], "{:?}", String::from_utf8_lossy(listed.name));
    }
}

fn copy_file(
    from: &Dir,
    to: &DestDir,
    name: &[u8],
    entry: &Entry,
    writer: &mut MetadataWriter,
) -> Vec<crate::model::Problem> {
    if name == b"plain's other name" {
        let first = LinkSource::new(to.path().join(b"plain"), &to.stat(b"plain").unwrap().unwrap());
        to.hard_link(name, &first).unwrap();
        return Vec::new();
    }
    let file = to.create_file(name).unwrap();
    let mut problems = writer.prepare(file.target(), entry);
    let mut reader = from.open_file(name, &from.stat(name).unwrap()).unwrap().into_reader();
    let mut content = Vec::new();
    reader.read(&mut content, 1 << 16).unwrap();
    file.write_at(0, &content).unwrap();
    problems.extend(writer.apply(file.target(), entry).unwrap());
    problems
}

fn assert_same(a: &Dir, b: &Dir, place: &str) {
    let (names, others) = (a.list().unwrap(), b.list().unwrap());
    assert!(names.iter().eq(others.iter()), "{place}");
    for listed in names.iter() {
        let (one, other) = (restorable(entry_of(a, listed.name)), restorable(entry_of(b, listed.name)));
        assert_eq!(one, other, "{place}: {:?}", String::from_utf8_lossy(listed.name));
        if one.kind == EntryKind::Dir {
            assert_same(&a.open_child(listed.name).unwrap(), &b.open_child(listed.name).unwrap(), place);
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    let destination = Destination::open(to).unwrap();
    let root = destination.open_dir(&RelPath::root()).unwrap();
    copy(&root_of(from), &root, &mut MetadataWriter::new(OwnerPolicy::Ids));
    destination.sync().unwrap();
}

#[test]
fn every_kind_of_file_comes_back_with_all_its_metadata() {
    if !is_root() {
        skip!("devices, foreign owners and trusted attributes need root");
    }
    for place in Place::all() {
        let (from, to) = (place.dir("from"), place.dir("to"));
        make_tree(&from, true);
        copy_tree(&from, &to);
        assert_same(&root_of(&from), &root_of(&to), place.kind);
    }
}

#[test]
fn what_a_destination_hands_down_does_not_stay_on_restored_files() {
    if !is_root() {
        skip!("devices and foreign owners need root");
    }
    for place in Place::all() {
        let (from, to) = (place.dir("from"), place.dir("to"));
        make_tree(&from, true);
        let made = Made { at: place.path(), xattrs: true };
        made.xattr("to", "system.posix_acl_default", ACL);
        made.flags("to", IFlags::NODUMP | IFlags::NOATIME | IFlags::NOCOW);
        made.flags("to", IFlags::NODUMP | IFlags::NOATIME);
        made.own("to", 0, 77);
        made.chmod("to", 0o2777);
        copy_tree(&from, &to);
        assert_same(&root_of(&from), &root_of(&to), place.kind);
    }
}

#[test]
fn what_is_below_a_new_root_is_spread_until_the_root_gets_its_flags() {
    for place in Place::all() {
        let at = place.dir("at");
        let flags = |path: &Path| ioctl_getflags(File::open(path).unwrap()).map_or(0, |flags| flags.bits());
        let before = flags(&at);
        let destination = Destination::open(&at).unwrap();
        destination.begin_root();
        let root = destination.open_dir(&RelPath::root()).unwrap();
        if place.kind == "ext4" {
            assert_eq!(flags(&at), before | IFlags::TOPDIR.bits());
        }
        root.create_dir(b"child").unwrap();
        root.create_file(b"file").unwrap();
        for name in ["child", "file"] {
            assert_eq!(flags(&at.join(name)) & IFlags::TOPDIR.bits(), 0, "{name} on {}", place.kind);
        }
        let entry = Entry { mode: 0o700, ..Entry::test_dir() };
        MetadataWriter::new(OwnerPolicy::Keep).apply(root.target(), &entry).unwrap();
        assert_eq!(flags(&at), before, "{}", place.kind);
    }
}

#[test]
fn metadata_of_what_is_there_already_becomes_exact() {
    if !is_root() {
        skip!("foreign owners and trusted attributes need root");
    }
    for place in Place::all() {
        let at = place.dir("at");
        let made = Made { at: &at, xattrs: true };
        make_files(&made);
        let dir = root_of(&at);
        let wanted = entry_of(&dir, b"before 1970");
        let destination = Destination::open(&at).unwrap().open_dir(&RelPath::root()).unwrap();
        let mut writer = MetadataWriter::new(OwnerPolicy::Ids);
        for name in ["setuid", "acl", "capable", "attributes", "flags"] {
            let file = destination.open_file(name.as_bytes()).unwrap();
            assert_eq!(writer.apply(file.target(), &wanted).unwrap(), [], "{name} on {}", place.kind);
            assert_eq!(restorable(entry_of(&dir, name.as_bytes())), restorable(wanted.clone()), "{name}");
        }
    }
}

#[test]
fn an_immutable_file_gets_all_its_names_before_it_is_protected() {
    if !is_root() {
        skip!("immutable files need root");
    }
    let Some(place) = Place::image("ext4", &["mkfs.ext4", "-q", "-F", "-b", "4096"]) else { return };
    let (from, to) = (place.dir("from"), place.dir("to"));
    let made = Made { at: &from, xattrs: true };
    made.file("fixed", 0o644);
    made.time("fixed", 5, 5);
    made.flags("fixed", IFlags::IMMUTABLE | IFlags::NODUMP);
    let entry = entry_of(&root_of(&from), b"fixed");
    assert_eq!(entry.inode_flags, Some((IFlags::IMMUTABLE | IFlags::NODUMP).bits()));

    let dir = Destination::open(&to).unwrap().open_dir(&RelPath::root()).unwrap();
    let mut writer = MetadataWriter::new(OwnerPolicy::Ids);
    let file = dir.create_file(b"fixed").unwrap();
    assert_eq!(writer.prepare(file.target(), &entry), []);
    file.write_at(0, b"content").unwrap();
    assert_eq!(writer.apply(file.target(), &entry).unwrap(), []);
    dir.hard_link(b"second name", &LinkSource::new(file.path().clone(), &file.stat().unwrap())).unwrap();
    assert_eq!(writer.protect(file.target(), &entry), []);
    let mut restored = restorable(entry_of(&root_of(&to), b"second name"));
    assert_eq!(restored.nlink.take(), Some(2));
    assert_eq!(restored, restorable(entry));
    assert!(fs::remove_file(to.join("fixed")).is_err());
}

#[test]
fn compression_and_copy_on_write_come_back_on_btrfs() {
    let Some(place) = Place::image("btrfs", &["mkfs.btrfs", "-q", "-f"]) else { return };
    let (from, to) = (place.dir("from"), place.dir("to"));
    let made = Made { at: &from, xattrs: true };
    fs::create_dir(from.join("dir")).unwrap();
    for name in ["zstd", "dir"] {
        if name != "dir" {
            made.file(name, 0o644);
        }
        made.flags(name, IFlags::NODUMP);
        made.xattr(name, "btrfs.compression", b"zstd");
    }
    fs::File::create(from.join("nocow")).unwrap();
    made.flags("nocow", IFlags::NOCOW);
    fs::write(from.join("nocow"), b"content").unwrap();
    let stored = |name: &[u8]| entry_of(&root_of(&from), name).inode_flags.unwrap();
    assert_eq!(stored(b"nocow"), IFlags::NOCOW.bits());
    assert_eq!(stored(b"zstd"), (IFlags::COMPRESSED | IFlags::NODUMP).bits());
    copy_tree(&from, &to);
    assert_same(&root_of(&from), &root_of(&to), place.kind);
}

#[test]
fn a_time_that_the_filesystem_cannot_keep_is_reported() {
    let Some(place) = Place::image("ext4 with small inodes", &["mkfs.ext4", "-q", "-F", "-I", "128"]) else { return };
    fs::write(place.path().join("f"), b"").unwrap();
    let mut entry = entry_of(&root_of(place.path()), b"f");
    entry.mtime = Timestamp::new(1 << 33, 0);
    let dir = Destination::open(place.path()).unwrap().open_dir(&RelPath::root()).unwrap();
    let file = dir.create_file(b"g").unwrap();
    let problems = MetadataWriter::new(OwnerPolicy::Ids).apply(file.target(), &entry).unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn attributes_that_fit_in_one_order_alone_are_all_set() {
    let mut tried = 0;
    for place in Place::all() {
        let at = place.dir("at");
        let value = |len: usize| vec![b'v'; len];
        let names = [(&b"user.a"[..], 16), (b"user.b", 4000), (b"user.x", 60)];
        fs::write(at.join("from"), b"").unwrap();
        let from = File::open(at.join("from")).unwrap();
        let by_size = [1, 2, 0].map(|at: usize| names[at]);
        let set = |(name, len): &(&[u8], usize)| rustix::fs::fsetxattr(&from, *name, &value(*len), XattrFlags::empty());
        if !by_size.iter().all(|xattr| set(xattr).is_ok()) {
            eprintln!("left out: {} holds less", place.kind);
            continue;
        }
        tried += 1;
        let entry = entry_of(&root_of(&at), b"from");
        let dir = Destination::open(&at).unwrap().open_dir(&RelPath::root()).unwrap();
        let file = dir.create_file(b"to").unwrap();
        let problems = MetadataWriter::new(OwnerPolicy::Ids).apply(file.target(), &entry).unwrap();
        assert_eq!(problems, [], "{}", place.kind);
        assert_eq!(entry_of(&root_of(&at), b"to").xattrs, entry.xattrs, "{}", place.kind);
    }
    if tried == 0 {
        skip!("no filesystem here holds so much");
    }
}

#[test]
fn where_an_acl_cannot_be_set_the_group_may_do_what_it_may_without_it() {
    let Some(place) = Place::ramfs() else { return };
    fs::write(place.path().join("f"), b"content").unwrap();
    let mut entry = entry_of(&root_of(place.path()), b"f");
    let dir = Destination::open(place.path()).unwrap().open_dir(&RelPath::root()).unwrap();
    // the group may read, the mask lets others do more
    for (mode, acl, wanted) in [(0o660, ACL, 0o640), (0o670, &b"no ACL"[..], 0o600)] {
        entry.mode = mode;
        entry.xattrs = Some(vec![Xattr { name: b"system.posix_acl_access".to_vec(), value: acl.to_vec() }]);
        let name = format!("{mode:o}");
        let file = dir.create_file(name.as_bytes()).unwrap();
        let problems = MetadataWriter::new(OwnerPolicy::Ids).apply(file.target(), &entry).unwrap();
        assert_eq!((problems.len(), file.stat().unwrap().mode), (1, wanted), "{problems:?}");
    }
}

#[test]
fn where_the_disk_is_full_metadata_is_an_error_and_not_a_problem_of_the_file() {
    let Some(place) = Place::image("ext4", &["mkfs.ext4", "-q", "-F", "-b", "4096"]) else { return };
    let dir = Destination::open(place.path()).unwrap().open_dir(&RelPath::root()).unwrap();
    let file = dir.create_file(b"f").unwrap();
    let mut entry = entry_of(&root_of(place.path()), b"f");
    let of_size = |size| Some(vec![Xattr { name: b"user.big".to_vec(), value: vec![7; size] }]);
    entry.xattrs = of_size(60_000);
    let problems = MetadataWriter::new(OwnerPolicy::Ids).apply(file.target(), &entry).unwrap();
    assert_eq!(problems.len(), 1, "more than one file can have");

    let filler = File::create(place.path().join("filler")).unwrap();
    let (mut at, mut size) = (0, 1 << 26);
    while size >= 4096 {
        match rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), at, size) {
            Ok(()) => at += size,
            Err(_) => size /= 2,
        }
    }
    entry.xattrs = of_size(3000);
    let error = MetadataWriter::new(OwnerPolicy::Ids).apply(file.target(), &entry).unwrap_err();
    assert!(error.is_full(), "{error}");
}

#[test]
fn times_in_coarse_steps_are_told_once_and_still_known_again() {
    let Some(place) = Place::image("ext4 with small inodes", &["mkfs.ext4", "-q", "-F", "-I", "128"]) else { return };
    fs::write(place.path().join("f"), b"").unwrap();
    let mut entry = entry_of(&root_of(place.path()), b"f");
    entry.mtime = Timestamp::new(1_001, 123_456_789);
    let dir = Destination::open(place.path()).unwrap().open_dir(&RelPath::root()).unwrap();
    let mut writer = MetadataWriter::new(OwnerPolicy::Ids);
    let told = [&b"a"[..], b"b"].map(|name| {
        let file = dir.create_file(name).unwrap();
        let problems = writer.apply(file.target(), &entry).unwrap();
        let found = file.stat().unwrap();
        assert!(found.mtime == Timestamp::new(1_001, 0) && found.has_time(entry.mtime));
        assert_eq!(writer.differences(file.target(), &found, &entry), Vec::<&str>::new());
        problems.into_iter().map(|problem| problem.message).collect::<String>()
    });
    assert!(told[0].contains("steps of 1s") && told[1].is_empty(), "{told:?}");
}
