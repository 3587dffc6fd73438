//! Listing, statting and reading files, also those that change under our hands.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::super::{Disposition, FileReader, FileState, ReadFile, SourceError, View};
use super::places::Place;
use super::{entry_of, rel, root_of, skip};
use crate::model::{EntryKind, Extent};

fn reader(dir: &Path, name: &str) -> FileReader {
    let dir = root_of(dir);
    let stat = dir.stat(name.as_bytes()).unwrap();
    dir.open_file(name.as_bytes(), &stat).unwrap().into_reader()
}

fn read_all(mut reader: FileReader) -> (Vec<u8>, ReadFile) {
    let mut content = Vec::new();
    while reader.read(&mut content, 100_000).unwrap() > 0 {}
    (content, reader.finish().unwrap())
}

#[test]
fn names_of_any_bytes_are_listed_in_the_order_of_their_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let mut names: Vec<Vec<u8>> =
        vec![b"b".to_vec(), b"a\nb".to_vec(), b"\xff\xfe".to_vec(), vec![b'x'; 255], b"A".to_vec(), b" ".to_vec()];
    for name in &names {
        File::create(dir.path().join(std::ffi::OsStr::from_bytes(name))).unwrap();
    }
    let root = root_of(dir.path());
    let listing = root.list().unwrap();
    names.sort();
    assert!(listing.iter().map(|l| l.name).eq(names.iter().map(Vec::as_slice)));
    for name in &names {
        assert!(listing.contains(name));
        assert_eq!(root.stat(name).unwrap().kind, EntryKind::File);
    }
    assert!(!listing.contains(b"."));
}

#[test]
fn a_directory_of_100_000_names_is_listed_whole_and_again() {
    let dir = Place::fast();
    for i in 0..100_000 {
        File::create(dir.path().join(format!("file {i}"))).unwrap();
    }
    let root = root_of(dir.path());
    for _ in 0..2 {
        let listing = root.list().unwrap();
        assert_eq!(listing.len(), 100_000);
        assert!(listing.iter().zip(listing.iter().skip(1)).all(|(a, b)| a.name < b.name));
    }
}

#[test]
fn a_file_that_stays_as_it_is_is_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..1_000_000u32).map(|i| (i * 7 % 251) as u8).collect();
    fs::write(dir.path().join("f"), &content).unwrap();
    let (read, end) = read_all(reader(dir.path(), "f"));
    assert_eq!(read, content);
    assert_eq!(end, ReadFile { state: FileState::Unchanged, size: 1_000_000, data_len: 1_000_000, extents: None });
}

#[test]
fn an_empty_file_has_no_data_and_no_holes() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), b"").unwrap();
    let (read, end) = read_all(reader(dir.path(), "f"));
    assert_eq!((read.len(), end.size, end.extents, end.state), (0, 0, None, FileState::Unchanged));
}

#[test]
fn a_sparse_file_of_10_gib_costs_only_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("f")).unwrap();
    let mib = vec![7; 1 << 20];
    let at = [1 << 30, 5 << 30, (10 << 30) - (2 << 20)];
    file.set_len(10 << 30).unwrap();
    at.iter().for_each(|offset| file.write_all_at(&mib, *offset).unwrap());
    let (read, end) = read_all(reader(dir.path(), "f"));
    assert_eq!(read.len(), 3 << 20);
    assert_eq!((end.size, end.data_len, end.state), (10 << 30, 3 << 20, FileState::Unchanged));
    let expected: Vec<_> = at.iter().map(|offset| Extent { offset: *offset, len: 1 << 20 }).collect();
    assert_eq!(end.extents, Some(expected));
}

#[test]
fn a_file_that_is_one_hole_has_no_extent() {
    let dir = tempfile::tempdir().unwrap();
    File::create(dir.path().join("f")).unwrap().set_len(1 << 20).unwrap();
    let (read, end) = read_all(reader(dir.path(), "f"));
    assert_eq!((read.len(), end.size, end.extents), (0, 1 << 20, Some(vec![])));
}

#[test]
fn a_file_that_grows_is_read_to_its_old_end_and_called_changed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), b"old").unwrap();
    let reader = reader(dir.path(), "f");
    fs::write(dir.path().join("f"), b"old and new").unwrap();
    let (read, end) = read_all(reader);
    assert_eq!((read.as_slice(), end.size, end.state), (&b"old"[..], 3, FileState::Changed));
}

#[test]
fn a_file_that_shrinks_ends_where_it_ends_and_is_called_changed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), vec![1; 300_000]).unwrap();
    let mut reader = reader(dir.path(), "f");
    assert_eq!(reader.read(&mut Vec::new(), 1000).unwrap(), 1000);
    File::options().write(true).open(dir.path().join("f")).unwrap().set_len(200_000).unwrap();
    let (read, end) = read_all(reader);
    assert_eq!(read.len(), 199_000);
    assert_eq!((end.size, end.data_len, end.extents, end.state), (200_000, 200_000, None, FileState::Changed));
}

#[test]
fn a_file_deleted_while_it_is_open_is_read_and_called_changed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), b"content").unwrap();
    let reader = reader(dir.path(), "f");
    fs::remove_file(dir.path().join("f")).unwrap();
    let (read, end) = read_all(reader);
    assert_eq!((read.as_slice(), end.state), (&b"content"[..], FileState::Changed));
}

#[test]
fn stopping_before_the_end_is_never_called_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), vec![1; 5000]).unwrap();
    let mut reader = reader(dir.path(), "f");
    reader.read(&mut Vec::new(), 1000).unwrap();
    let end = reader.finish().unwrap();
    assert_eq!((end.size, end.data_len, end.state), (1000, 1000, FileState::Changed));
}

#[test]
fn what_took_the_place_of_a_file_is_recognised_and_nothing_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let root = root_of(dir.path());
    let path = dir.path().join("f");
    let replace = |by: &dyn Fn()| {
        fs::write(&path, b"x").unwrap();
        let stat = root.stat(b"f").unwrap();
        // the old inode lives on under another name, so that its number is not used again
        fs::rename(&path, dir.path().join("old")).unwrap();
        by();
        let error = root.open_file(b"f", &stat).unwrap_err();
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
        error
    };
    let node = |kind| rustix::fs::mknodat(rustix::fs::CWD, &path, kind, Mode::RWXU, 0).unwrap();
    assert!(matches!(replace(&|| ()), SourceError::Vanished { .. }));
    assert!(matches!(replace(&|| fs::write(&path, b"y").unwrap()), SourceError::Replaced { .. }));
    assert!(matches!(replace(&|| symlink("old", &path).unwrap()), SourceError::Replaced { .. }));
    assert!(matches!(replace(&|| node(rustix::fs::FileType::Fifo)), SourceError::KindChanged { .. }));
    assert_eq!(replace(&|| node(rustix::fs::FileType::Socket)).disposition(), Disposition::Changed);
    assert_eq!(replace(&|| fs::create_dir(&path).unwrap()).disposition(), Disposition::Changed);
}

#[test]
fn a_damaged_disk_block_makes_the_file_unreadable_and_never_shorter() {
    let Some(place) = Place::image("btrfs", &["mkfs.btrfs", "-q", "-f"]) else { return };
    let mut content = vec![b'a'; 1 << 20];
    let mark = b"the block that will be damaged";
    content[512 << 10..][..mark.len()].copy_from_slice(mark);
    fs::write(place.path().join("f"), &content).unwrap();
    assert_eq!(place.damage(mark), 1);
    let mut reader = reader(place.path(), "f");
    let error = (0..100).find_map(|_| reader.read(&mut Vec::new(), 100_000).err()).expect("the damage is met");
    assert_eq!(error.disposition(), Disposition::Unreadable);
    assert_eq!(error.path(), Some(&rel("f")));
    assert!(matches!(error, SourceError::Io { action: "read", .. }), "{error}");
}

/// Of `<fcntl.h>`; the crate `libc` lacks it.
const F_SETSIG: libc::c_int = 10;

#[test]
fn a_file_under_a_lease_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), b"content").unwrap();
    let held = File::options().read(true).write(true).open(dir.path().join("f")).unwrap();
    let lease = |command, argument: libc::c_int| {
        // SAFETY: these commands of fcntl take a descriptor and a number
        unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&held), command, argument) }
    };
    // the signal that asks for the lease would end the process, unless it is one that is ignored
    if lease(F_SETSIG, libc::SIGURG) != 0 || lease(libc::F_SETLEASE, libc::F_WRLCK) != 0 {
        skip!("no leases on this filesystem");
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while lease(libc::F_GETLEASE, 0) == libc::F_WRLCK {
                std::thread::yield_now();
            }
            assert_eq!(lease(libc::F_SETLEASE, libc::F_UNLCK), 0);
        });
        assert_eq!(read_all(reader(dir.path(), "f")).0, b"content");
    });
}

#[test]
fn a_removed_directory_is_not_an_empty_one() {
    for dir in [Place::fast(), tempfile::tempdir().unwrap()] {
        let root = root_of(dir.path());
        fs::create_dir(dir.path().join("d")).unwrap();
        let child = root.open_child(b"d").unwrap();
        assert!(child.list().unwrap().is_empty());
        fs::remove_dir(dir.path().join("d")).unwrap();
        assert_eq!(child.list().err().unwrap().disposition(), Disposition::Vanished);
        fs::remove_dir(dir.path()).unwrap();
        assert_eq!(root.list().err().unwrap().disposition(), Disposition::StopRun);
    }
}

#[test]
fn a_link_in_the_way_of_a_directory_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("real/below")).unwrap();
    symlink("real", dir.path().join("link")).unwrap();
    let root = root_of(dir.path());
    assert_eq!(root.open_child(b"link").unwrap_err().disposition(), Disposition::Changed);
    let error = root.view().open_dir(&rel("link/below")).unwrap_err();
    assert_eq!(error.disposition(), Disposition::Changed);
    assert!(root.view().open_dir(&rel("real/below")).is_ok());
}

#[test]
fn a_missing_root_stops_the_run_and_a_missing_file_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let missing = View::live(&dir.path().join("none")).unwrap_err();
    assert_eq!(missing.disposition(), Disposition::StopRun);
    let error = root_of(dir.path()).stat(b"none").unwrap_err();
    assert_eq!(error.disposition(), Disposition::Vanished);
    assert!(error.to_problem().message.contains("none"), "{error}");
}

#[test]
fn reading_leaves_the_access_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, b"content").unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    File::options().write(true).open(&path).unwrap().set_times(fs::FileTimes::new().set_accessed(old)).unwrap();
    read_all(reader(dir.path(), "f"));
    entry_of(&root_of(dir.path()), b"f");
    assert_eq!(fs::metadata(&path).unwrap().atime(), 1_000_000);
}

#[test]
fn a_graft_is_read_in_the_place_of_its_stub() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("root/a/stub")).unwrap();
    fs::create_dir_all(dir.path().join("other/inner")).unwrap();
    let open =
        |name| rustix::fs::open(dir.path().join(name), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let view = View::from_parts(open("root"), vec![(rel("a/stub"), open("other"))], true);
    let other = root_of(dir.path()).stat(b"other").unwrap();
    let a = view.open_dir(&rel("a")).unwrap();
    assert_eq!(a.stat(b"stub").unwrap().ino, other.ino);
    assert_eq!(entry_of(&a, b"stub").ino, other.ino);
    assert!(a.open_child(b"stub").unwrap().list().unwrap().contains(b"inner"));
    assert!(view.open_dir(&rel("a/stub/inner")).is_ok());
}

/// Bytes of a file in memory, as a program has them that writes through a mapping.
struct Mapping(*mut u8);

impl Mapping {
    const LEN: usize = 4096;

    fn of(file: &File) -> Self {
        use std::os::fd::AsRawFd;
        let (both, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping of a descriptor that is open; the result is checked.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), Self::LEN, both, shared, file.as_raw_fd(), 0) };
        assert_ne!(at, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        Self(at.cast())
    }

    fn store(&self, byte: u8) {
        // SAFETY: the first byte of a mapping that lives as long as `self`.
        unsafe { self.0.write_volatile(byte) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: what `of` mapped, once.
        unsafe { libc::munmap(self.0.cast(), Self::LEN) };
    }
}

/// Only the first store into a page since it went to the disk sets the times of its file.
#[test]
fn what_is_stored_through_a_mapping_after_the_reading_shows_in_the_times() {
    for place in Place::all().into_iter().filter(|place| place.kind != "tmpfs") {
        let (at, clock) = (place.path().join("mapped"), place.path().join("clock"));
        fs::write(&at, vec![0; Mapping::LEN]).unwrap();
        let file = File::options().read(true).write(true).open(&at).unwrap();
        let mapping = Mapping::of(&file);
        mapping.store(1);
        let reader = reader(place.path(), "mapped");
        let before = reader.stat().ctime;
        let (data, read) = read_all(reader);
        assert_eq!((data[0], read.state), (1, FileState::Unchanged), "{}", place.kind);
        // until the clock of the filesystem has moved on
        let ticked = || {
            fs::write(&clock, "").unwrap();
            let now = fs::metadata(&clock).unwrap();
            (now.ctime(), now.ctime_nsec()) > (before.secs, i64::from(before.nanos))
        };
        while !ticked() {}
        mapping.store(2);
        let after = root_of(place.path()).stat(b"mapped").unwrap().ctime;
        assert!(after > before, "{}: {before:?} {after:?}", place.kind);
    }
}
