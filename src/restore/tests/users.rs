//! Restores by an ordinary user, of his own files.

use super::cut_off::{chmod, mode};
use super::*;
use crate::source::testing::{USER, as_user, own};

/// A destination of the user in a directory that he may search; `None` where nobody can become him.
fn fixture() -> Option<Fixture> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: it needs two users");
        return None;
    }
    let mut f = Fixture::new();
    chmod(f.dir.path(), 0o755);
    fs::create_dir(f.to()).unwrap();
    own(&f.to());
    f.add("", Entry::test_dir());
    for (dir, mode) in [("none", 0), ("blind", 0o300), ("fixed", 0o555)] {
        f.add(dir, Entry { mode, ..Entry::test_dir() });
        f.file(&format!("{dir}/x"), b"data");
    }
    f.file("closed", b"data");
    f.entries.get_mut(&b"closed"[..]).unwrap().mode = 0;
    for entry in f.entries.values_mut() {
        (entry.uid, entry.gid) = (USER, USER);
    }
    Some(f)
}

#[test]
fn what_an_ordinary_user_restored_can_be_restored_again_also_into_closed_folders() {
    let Some(mut f) = fixture() else { return };
    let manifest = f.repo.commit(&f.entries);
    let contents = f.repo.open().contents().unwrap();
    let restored = |overwrite| {
        let options = RestoreOptions { overwrite, ..f.options() };
        let report = as_user(|| run(&contents, &manifest, options, &Progress::default()).unwrap());
        assert_eq!(report.problems, [], "{overwrite:?}");
        for (dir, wanted) in [("none", 0), ("blind", 0o300), ("fixed", 0o555), ("", 0o755)] {
            let dir = f.to().join(dir);
            assert_eq!((mode(&dir), mtime(&dir)), (wanted, Entry::test_dir().mtime), "{dir:?}");
        }
        report.files
    };
    assert_eq!(restored(Overwrite::Never), 4);
    assert_eq!((restored(Overwrite::Never), restored(Overwrite::Changed)), (0, 0));
    assert_eq!(restored(Overwrite::Always), 4);
    assert_eq!(f.read("fixed/x"), b"data");
}
