//! Several names of one file, where the destination cannot have them so.

use super::*;
use crate::source::testing::Mounted;

#[test]
fn names_that_cannot_be_one_file_at_the_destination_are_files_of_their_own_and_named() {
    let mut f = Fixture::new();
    let content = f.repo.bundled(&[b"one"]).remove(0);
    let linked = Entry { content: Some(content), nlink: Some(4), ino: 9, ..Entry::test_file(3) };
    f.add("below", Entry::test_dir());
    for name in ["a", "b", "below/a", "below/b"] {
        f.add(name, linked.clone());
    }
    fs::create_dir_all(f.to().join("below")).unwrap();
    let Some(_mounted) = Mounted::tmpfs(&f.to().join("below")) else { return };
    let ino = |f: &Fixture, path: &str| fs::metadata(f.to().join(path)).unwrap().ino();
    for (overwrite, files, links) in [(Overwrite::Never, 2, 2), (Overwrite::Never, 0, 0), (Overwrite::Changed, 0, 0)] {
        let report = f.restore_with(RestoreOptions { overwrite, ..f.options() }).unwrap();
        let told: Vec<_> = report.problems.iter().map(|p| (p.code, p.path.as_str())).collect();
        assert_eq!(told, [(ProblemCode::Metadata, "/home/u/below/a")], "{overwrite:?}");
        assert!(report.problems[0].message.contains("a file of its own"), "{:?}", report.problems);
        assert_eq!((report.files, report.hard_links), (files, links), "{overwrite:?}");
        assert_eq!((ino(&f, "a"), ino(&f, "below/a")), (ino(&f, "b"), ino(&f, "below/b")));
        assert_eq!((f.read("b"), f.read("below/b")), (b"one".to_vec(), b"one".to_vec()));
    }
}
