//! Hostile snapshots and hostile neighbours: nothing leaves the destination.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::super::testing::Mounted;
use super::super::{DestDir, Destination, DestinationError, LinkSource, MetadataWriter, OwnerPolicy};
use super::places::Place;
use super::{entry_of, rel, root_of};
use crate::model::{Entry, EntryKind, RelPath};

struct Fixture {
    dir: tempfile::TempDir,
    destination: Destination,
    root: DestDir,
    entry: Entry,
}

/// A destination `to`, and beside it `outside` with a file `secret`.
fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("outside")).unwrap();
    fs::write(dir.path().join("outside/secret"), b"secret").unwrap();
    let entry = entry_of(&root_of(&dir.path().join("outside")), b"secret");
    let destination = Destination::create(&dir.path().join("some/where/to")).unwrap();
    let root = destination.open_dir(&RelPath::root()).unwrap();
    Fixture { dir, destination, root, entry }
}

impl Fixture {
    fn to(&self) -> std::path::PathBuf {
        self.dir.path().join("some/where/to")
    }

    fn outside(&self) -> std::path::PathBuf {
        self.dir.path().join("outside")
    }

    fn assert_outside_untouched(&self) {
        assert_eq!(fs::read(self.outside().join("secret")).unwrap(), b"secret");
        assert_eq!(fs::read_dir(self.outside()).unwrap().count(), 1);
        assert_eq!(fs::metadata(self.outside().join("secret")).unwrap().nlink(), 1);
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let f = fixture();
    for name in [&b""[..], b".", b"..", b"../outside", b"/etc", b"a/b", b"nul\0"] {
        let refused = |result: Result<(), DestinationError>| matches!(result, Err(DestinationError::BadName { .. }));
        assert!(refused(f.root.create_file(name).map(drop)), "{name:?}");
        assert!(refused(f.root.create_dir(name).map(drop)) && refused(f.root.open_child(name).map(drop)));
        assert!(refused(f.root.remove(name)) && refused(f.root.stat(name).map(drop)));
        let link = Entry { kind: EntryKind::Symlink, target: Some(b"x".to_vec()), ..f.entry.clone() };
        assert!(refused(f.root.create_node(name, &link).map(drop)));
    }
}

#[test]
fn a_link_that_was_restored_or_swapped_in_is_not_followed() {
    let f = fixture();
    let link = Entry { kind: EntryKind::Symlink, target: Some(b"../../../outside".to_vec()), ..f.entry.clone() };
    f.root.create_node(b"link", &link).unwrap();
    assert!(f.to().join("link/secret").exists(), "the link leads outside");
    let in_the_way = |result: Result<DestDir, _>| matches!(result, Err(DestinationError::InTheWay { .. }));
    assert!(in_the_way(f.root.open_child(b"link")));
    assert!(in_the_way(f.destination.open_dir(&rel("link"))));
    assert!(f.destination.open_dir(&rel("link/below")).is_err());
    assert!(matches!(f.root.open_file(b"link"), Err(DestinationError::InTheWay { .. })));
    assert!(matches!(f.root.create_file(b"link"), Err(DestinationError::Exists { .. })));
    assert!(matches!(f.root.create_dir(b"link"), Err(DestinationError::Exists { .. })));
    f.root.remove(b"link").unwrap();
    f.assert_outside_untouched();
}

#[test]
fn a_directory_swapped_for_a_link_while_it_is_filled_keeps_what_is_written() {
    let f = fixture();
    let dir = f.root.create_dir(b"dir").unwrap();
    fs::rename(f.to().join("dir"), f.to().join("moved")).unwrap();
    symlink(f.outside(), f.to().join("dir")).unwrap();
    dir.create_file(b"new").unwrap().write_at(0, b"x").unwrap();
    assert_eq!(fs::read(f.to().join("moved/new")).unwrap(), b"x");
    assert!(f.root.open_child(b"dir").is_err());
    f.assert_outside_untouched();
}

fn source_of(f: &Fixture, name: &str) -> LinkSource {
    LinkSource::new(rel(name), &f.root.stat(name.as_bytes()).unwrap().unwrap())
}

#[test]
fn a_hard_link_is_made_only_to_the_inode_that_was_restored() {
    let f = fixture();
    f.root.create_file(b"first").unwrap();
    let first = source_of(&f, "first");
    f.root.hard_link(b"second", &first).unwrap();
    assert_eq!(fs::metadata(f.to().join("second")).unwrap().nlink(), 2);
    assert!(matches!(f.root.hard_link(b"second", &first), Err(DestinationError::Exists { .. })));

    fs::remove_file(f.to().join("first")).unwrap();
    symlink(f.outside().join("secret"), f.to().join("first")).unwrap();
    assert!(matches!(f.root.hard_link(b"third", &first), Err(DestinationError::Replaced { .. })));
    fs::remove_file(f.to().join("first")).unwrap();
    assert!(matches!(f.root.hard_link(b"third", &first), Err(DestinationError::Missing { .. })));
    f.assert_outside_untouched();
}

#[test]
fn a_link_with_two_names_stays_one_link() {
    let f = fixture();
    let link = Entry { kind: EntryKind::Symlink, target: Some(b"nowhere".to_vec()), ..f.entry.clone() };
    f.root.create_node(b"one", &link).unwrap();
    let first = source_of(&f, "one");
    f.root.hard_link(b"two", &first).unwrap();
    let (one, two) = (f.root.stat(b"one").unwrap().unwrap(), f.root.stat(b"two").unwrap().unwrap());
    assert_eq!((two.kind, two.ino, two.nlink), (EntryKind::Symlink, one.ino, 2));
}

#[test]
fn metadata_of_a_link_stays_on_the_link() {
    let f = fixture();
    let target = f.outside().join("secret").into_os_string().into_encoded_bytes();
    let before = restored_view(&f);
    let mut link = Entry { kind: EntryKind::Symlink, target: Some(target), mode: 0o777, ..f.entry.clone() };
    link.mtime = crate::model::Timestamp::new(1, 2);
    let node = f.root.create_node(b"link", &link).unwrap();
    assert_eq!(MetadataWriter::new(OwnerPolicy::Ids).apply(node.target(), &link).unwrap(), []);
    assert_eq!(node.stat().unwrap().mtime, link.mtime);
    assert_eq!(restored_view(&f), before);
}

fn restored_view(f: &Fixture) -> Entry {
    entry_of(&root_of(&f.outside()), b"secret")
}

#[test]
fn an_entry_that_lacks_what_its_kind_needs_is_refused() {
    let f = fixture();
    let bad = |kind, target: Option<&[u8]>| {
        let entry = Entry { kind, target: target.map(<[u8]>::to_vec), device: None, ..f.entry.clone() };
        matches!(f.root.create_node(b"x", &entry), Err(DestinationError::BadEntry { .. }))
    };
    assert!(
        bad(EntryKind::Symlink, None) && bad(EntryKind::Symlink, Some(b"")) && bad(EntryKind::Symlink, Some(b"\0"))
    );
    assert!(bad(EntryKind::CharDevice, None) && bad(EntryKind::BlockDevice, None));
    assert!(bad(EntryKind::File, None) && bad(EntryKind::Dir, None));
    assert!(f.root.list().unwrap().is_empty());
}

#[test]
fn removing_takes_files_links_and_empty_directories_alone() {
    let f = fixture();
    f.root.create_dir(b"dir").unwrap().create_file(b"file").unwrap();
    assert!(matches!(f.root.remove(b"dir"), Err(DestinationError::NotEmpty { .. })));
    f.root.open_child(b"dir").unwrap().remove(b"file").unwrap();
    f.root.remove(b"dir").unwrap();
    assert_eq!(f.root.stat(b"dir").unwrap(), None);
    assert!(matches!(f.root.remove(b"dir"), Err(DestinationError::Missing { .. })));
}

#[test]
fn a_sparse_file_is_sparse_again() {
    let f = fixture();
    let file = f.root.create_file(b"sparse").unwrap();
    file.set_len(1 << 30).unwrap();
    file.write_at(1 << 29, &[1; 4096]).unwrap();
    let stat = file.stat().unwrap();
    assert_eq!(stat.size, 1 << 30);
    assert!(stat.blocks * 512 < 1 << 20, "{} blocks", stat.blocks);
    let mut back = [0; 8192];
    assert_eq!(file.read_at((1 << 29) - 4096, &mut back).unwrap(), 8192);
    assert_eq!((back[0], back[4095], back[4096], back[8191]), (0, 0, 1, 1));
}

#[test]
fn a_full_destination_says_that_it_is_full() {
    let Some(place) = Place::tmpfs("256k") else { return };
    let root = Destination::open(place.path()).unwrap().open_dir(&RelPath::root()).unwrap();
    let error = root.create_file(b"f").unwrap().write_at(0, &vec![1; 1 << 20]).unwrap_err();
    assert!(error.is_full(), "{error}");
}

#[test]
fn what_one_filesystem_keeps_says_nothing_about_one_that_is_mounted_below() {
    let f = fixture();
    f.root.create_dir(b"below").unwrap();
    let Some(_mounted) = Mounted::tmpfs(&f.to().join("below")) else { return };
    f.root.create_file(b"x").unwrap();
    let below = [f.root.open_child(b"below").unwrap(), f.destination.open_dir(&rel("below")).unwrap()];
    assert!(f.root.keeps_marks() && f.root.create_dir(b"new").unwrap().keeps_marks());
    assert!(!below.iter().any(DestDir::keeps_marks));
    below[0].create_dir(b"new").unwrap().create_file(b"x").unwrap();
    assert!(below.iter().all(DestDir::keeps_marks));
}
