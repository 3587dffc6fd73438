//! What flags (immutable, append-only) forbid in what stands at the destination.

use rustix::fs::IFlags;

use super::*;

/// Takes protecting flags away when it goes, or the files cannot be removed.
struct Protected(std::path::PathBuf);

impl Protected {
    /// `None` where nobody may set flags.
    fn new(path: &Path, flag: IFlags) -> Option<Self> {
        let file = fs::File::open(path).unwrap();
        let set = rustix::fs::ioctl_getflags(&file).and_then(|now| rustix::fs::ioctl_setflags(&file, now | flag));
        match set {
            Ok(()) => Some(Self(path.to_path_buf())),
            Err(error) => {
                eprintln!("skipped: nobody may set flags here: {error}");
                None
            }
        }
    }

    fn has(&self, flag: IFlags) -> bool {
        rustix::fs::ioctl_getflags(fs::File::open(&self.0).unwrap()).unwrap().contains(flag)
    }
}

impl Drop for Protected {
    fn drop(&mut self) {
        let file = fs::File::open(&self.0).unwrap();
        if let Ok(now) = rustix::fs::ioctl_getflags(&file) {
            let _ = rustix::fs::ioctl_setflags(&file, now - IFlags::IMMUTABLE - IFlags::APPEND);
        }
    }
}

#[test]
fn parts_are_restored_below_a_protected_folder_where_differences_are_replaced_and_it_stays_protected() {
    let mut f = Fixture::new();
    for dir in ["p", "p/q", "z"] {
        f.add(dir, Entry::test_dir());
    }
    f.file("p/q/g", b"g");
    f.file("z/h", b"h");
    fs::create_dir_all(f.to().join("p")).unwrap();
    let Some(protected) = Protected::new(&f.to().join("p"), IFlags::IMMUTABLE) else { return };
    let paths = vec![b"p/q/g".to_vec(), b"z/h".to_vec()];
    let options = RestoreOptions { paths, overwrite: Overwrite::Changed, ..f.options() };
    let report = f.restore_with(options).unwrap();
    assert_eq!((report.problems.as_slice(), report.files), (&[][..], 2));
    assert!(protected.has(IFlags::IMMUTABLE));
}

#[test]
fn in_a_folder_that_is_append_only_nothing_is_begun_that_could_not_be_ended() {
    let mut f = Fixture::new();
    f.add("d", Entry::test_dir());
    f.add("d/link", Entry::test_link(b"x"));
    f.file("d/x", b"x");
    fs::create_dir_all(f.to().join("d")).unwrap();
    let Some(protected) = Protected::new(&f.to().join("d"), IFlags::APPEND) else { return };
    let report = f.restore();
    assert_eq!(report.problem_count, 2);
    assert!(report.problems.iter().all(|problem| problem.remedy.contains("chattr")), "{:?}", report.problems);
    assert_eq!(fs::read_dir(f.to().join("d")).unwrap().count(), 0);
    let report = f.restore_with(RestoreOptions { overwrite: Overwrite::Changed, ..f.options() }).unwrap();
    assert_eq!((report.problems.as_slice(), report.files, report.others), (&[][..], 1, 1));
    drop(protected);
}

#[test]
fn a_protected_file_gets_its_further_names_where_it_may_be_replaced() {
    let mut f = Fixture::new();
    let content = f.repo.bundled(&[b"one"]).remove(0);
    let inode_flags = Some(IFlags::IMMUTABLE.bits());
    let linked = Entry { content: Some(content), nlink: Some(2), ino: 9, inode_flags, ..Entry::test_file(3) };
    f.add("a", linked.clone());
    f.restore();
    let Some(protected) = Protected::new(&f.to().join("a"), IFlags::IMMUTABLE) else { return };
    f.add("b", linked);
    let report = f.restore_with(RestoreOptions { overwrite: Overwrite::Changed, ..f.options() }).unwrap();
    assert_eq!((report.problems.as_slice(), report.hard_links), (&[][..], 1));
    assert!(protected.has(IFlags::IMMUTABLE));
}
