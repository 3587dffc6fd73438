//! Trees whose paths are longer than the kernel takes.

use rustix::fs::{Mode, OFlags};

use super::super::{Destination, Dir, MetadataWriter, OwnerPolicy, View};
use super::places::Place;
use super::{entry_of, restorable, root_of};
use crate::model::{Entry, RelPath};

const LEVELS: usize = 3_000;
const NAME: &[u8] = b"dir";

/// Makes the levels and gives the path of the deepest.
fn make_deep(at: &std::path::Path) -> RelPath {
    let mut dir = rustix::fs::open(at, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let mut path = RelPath::root();
    for _ in 0..LEVELS {
        rustix::fs::mkdirat(&dir, NAME, Mode::RWXU).unwrap();
        dir = rustix::fs::openat(&dir, NAME, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        path = path.join(NAME);
    }
    rustix::fs::openat(&dir, "leaf", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR | Mode::WUSR).unwrap();
    path
}

/// `remove_dir_all` of the standard library holds a descriptor per level.
fn remove_deep(at: &std::path::Path, mut path: RelPath) {
    let destination = Destination::open(at).unwrap();
    destination.open_dir(&path).unwrap().remove(b"leaf").unwrap();
    while let Some(parent) = path.parent() {
        destination.open_dir(&parent).unwrap().remove(NAME).unwrap();
        path = parent;
    }
}

#[test]
fn a_tree_deeper_than_path_max_is_walked_and_restored() {
    let (source, copy) = (Place::fast(), Place::fast());
    let deepest = make_deep(source.path());
    assert!(deepest.as_bytes().len() > 6_000);
    let entries = walk_down(root_of(source.path()));
    assert_eq!(entries.len(), LEVELS);
    assert_eq!(View::live(source.path()).unwrap().open_dir(&deepest).unwrap().list().unwrap().len(), 1);

    restore(copy.path(), &entries);
    assert!(View::live(copy.path()).unwrap().open_dir(&deepest).unwrap().list().unwrap().contains(b"leaf"));
    let same = walk_down(root_of(copy.path())).into_iter().map(restorable).eq(entries.into_iter().map(restorable));
    assert!(same, "the copy differs");
    remove_deep(source.path(), deepest.clone());
    remove_deep(copy.path(), deepest);
}

/// One open directory at a time.
fn walk_down(mut dir: Dir) -> Vec<Entry> {
    let mut entries = Vec::new();
    while dir.list().unwrap().contains(NAME) {
        entries.push(entry_of(&dir, NAME));
        dir = dir.open_child(NAME).unwrap();
    }
    entries
}

fn restore(at: &std::path::Path, entries: &[Entry]) {
    let destination = Destination::open(at).unwrap();
    let mut dir = destination.open_dir(&RelPath::root()).unwrap();
    for _ in entries {
        dir = dir.create_dir(NAME).unwrap();
    }
    dir.create_file(b"leaf").unwrap();
    let mut writer = MetadataWriter::new(OwnerPolicy::Ids);
    let mut path = dir.path().clone();
    for entry in entries.iter().rev() {
        assert_eq!(writer.apply(destination.open_dir(&path).unwrap().target(), entry).unwrap(), []);
        path = path.parent().unwrap();
    }
}
