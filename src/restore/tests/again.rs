//! What a restore finds that an earlier one made, and could not make as the snapshot has it; and what only looks like it.

use super::cut_off::{ACL, chmod, cut_off, mode, xattr};
use super::*;
use crate::source::OwnerPolicy;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn changed(f: &Fixture) -> RestoreOptions {
    RestoreOptions { overwrite: Overwrite::Changed, ..f.options() }
}

/// What is wrong, path by path.
fn told(report: &RestoreReport) -> Vec<(&str, ProblemCode)> {
    report.problems.iter().map(|problem| (problem.path.as_str(), problem.code)).collect()
}

/// A file and a folder with attributes, and a link, as a restore made them that could not set everything.
fn not_all_set() -> Fixture {
    let mut f = Fixture::new();
    let xattrs = Some(vec![xattr(b"user.a", b"1")]);
    let content = f.repo.bundled(&[b"data"]).remove(0);
    f.add("x", Entry { content: Some(content), xattrs: xattrs.clone(), ..Entry::test_file(4) });
    f.add("d", Entry { xattrs, ..Entry::test_dir() });
    f.add("link", Entry::test_link(b"x"));
    assert_eq!(f.restore().problems, []);
    rustix::fs::removexattr(f.to().join("x"), "user.a").unwrap();
    chmod(&f.to().join("d"), 0o700);
    f
}

#[test]
fn what_could_not_be_set_is_told_again_and_set_where_that_was_asked_for() {
    let mut f = not_all_set();
    for _ in 0..2 {
        let report = f.restore();
        assert_eq!(told(&report), [("/home/u/d", ProblemCode::Metadata), ("/home/u/x", ProblemCode::Metadata)]);
        assert!(report.problems[0].message.contains("another mode"), "{report:?}");
        assert!(report.problems[1].message.contains("extended attribute"), "{report:?}");
        assert_eq!((report.kept, report.files), (0, 0));
    }
    let options = changed(&f);
    let report = f.restore_with(options).unwrap();
    assert_eq!((report.problems.as_slice(), report.files), (&[][..], 0));
    assert_eq!((f.restore().problems, mode(&f.to().join("d"))), (vec![], 0o755));
}

#[test]
fn content_of_an_earlier_snapshot_is_told_of_each_time() {
    let mut f = Fixture::new();
    let content = f.repo.bundled(&[b"data"]).remove(0);
    let flags = EntryFlags::default().with(EntryFlags::UNREADABLE);
    f.add("x", Entry { content: Some(content), flags, ..Entry::test_file(4) });
    for _ in 0..2 {
        assert_eq!(told(&f.restore()), [("/home/u/x", ProblemCode::Unreadable)]);
    }
    assert_eq!(f.read("x"), b"data");
}

#[test]
fn owner_and_setuid_are_given_to_what_was_written_here_alone() {
    let mut f = Fixture::new();
    let content = f.repo.bundled(&[b"data", b"more"]);
    let mut of = |name: &str, mode, content: &Content| {
        f.add(name, Entry { mode, content: Some(content.clone()), ..Entry::test_file(4) });
    };
    of("other name", 0o600, &content[0]);
    of("setuid", 0o4755, &content[1]);
    fs::create_dir(f.to()).unwrap();
    let mine = f.dir.path().join("mine");
    for at in [&mine, &f.to().join("setuid")] {
        fs::write(at, b"evil").unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 123_456_789);
        fs::File::options().write(true).open(at).unwrap().set_modified(time).unwrap();
    }
    fs::hard_link(&mine, f.to().join("other name")).unwrap();
    let options = changed(&f);
    let report = f.restore_with(options).unwrap();
    assert_eq!((report.problems.as_slice(), report.files), (&[][..], 2));
    assert_eq!((f.read("other name"), f.read("setuid")), (b"data".to_vec(), b"more".to_vec()));
    assert_eq!((fs::read(&mine).unwrap(), mode(&mine)), (b"evil".to_vec(), 0o644));
    assert_eq!(mode(&f.to().join("setuid")), 0o4755);
}

#[test]
fn folders_above_what_was_asked_for_are_finished_by_the_next_restore() {
    let mut f = Fixture::new();
    for (dir, mode) in [("a", 0o750), ("a/b", 0o755), ("a/c", 0o755)] {
        f.add(dir, Entry { mode, ..Entry::test_dir() });
        f.file(&format!("{dir}/x"), b"x");
    }
    let options = RestoreOptions { paths: vec![b"a/b".to_vec(), b"a/c/x".to_vec()], ..f.options() };
    f.restore_with(options.clone()).unwrap();
    chmod(&f.to().join("a"), 0o1700);
    fs::remove_file(f.to().join("a/b/x")).unwrap();
    assert_eq!(f.restore_with(options.clone()).unwrap().problems, []);
    assert_eq!((mode(&f.to().join("a")), mtime(&f.to().join("a"))), (0o750, Entry::test_dir().mtime));
    chmod(&f.to().join("a"), 0o700);
    f.restore_with(options).unwrap();
    assert_eq!(mode(&f.to().join("a")), 0o700, "it is complete, and somebody's");
}

#[test]
fn folders_that_get_another_owner_by_name_are_finished_by_the_next_restore() {
    if !is_root() {
        return eprintln!("skipped: it needs root");
    }
    let mut f = Fixture::new();
    // whoever has number 1 here
    let Some(user) = crate::source::Names::new().user(1) else { return eprintln!("skipped: nobody has the number 1") };
    f.add("d", Entry { uid: 54_321, user: Some(user.to_string()), ..Entry::test_dir() });
    let options = RestoreOptions { owner: OwnerPolicy::Names, ..f.options() };
    for _ in 0..2 {
        assert_eq!(f.restore_with(options.clone()).unwrap().problems, []);
        let d = fs::metadata(f.to().join("d")).unwrap();
        assert_eq!((d.uid(), d.mode() & 0o7777), (1, 0o755));
        chmod(&f.to().join("d"), 0o1700);
    }
}

#[test]
fn an_unfinished_file_gives_way_to_the_folder_of_another_snapshot() {
    let mut f = Fixture::new();
    f.add("d", Entry::test_dir());
    f.file("d/x", b"x");
    fs::create_dir(f.to()).unwrap();
    cut_off(&f.to().join("d"));
    let report = f.restore();
    assert_eq!((report.problems.as_slice(), f.read("d/x")), (&[][..], b"x".to_vec()));
}

#[test]
fn metadata_of_the_root_that_is_left_out_is_counted_and_a_new_disk_is_empty() {
    let mut f = Fixture::new();
    f.entries.insert(vec![], Entry { mode: 0o700, ..Entry::test_dir() });
    f.file("x", b"x");
    fs::create_dir_all(f.to().join("theirs")).unwrap();
    chmod(&f.to(), 0o755);
    let report = f.restore();
    assert_eq!((report.kept, report.problem_count, mode(&f.to())), (1, 0, 0o755));
    fs::remove_dir(f.to().join("theirs")).unwrap();
    fs::remove_file(f.to().join("x")).unwrap();
    fs::create_dir(f.to().join("lost+found")).unwrap();
    let report = f.restore();
    assert_eq!((report.kept, report.problem_count, mode(&f.to())), (0, 0, 0o700));
}

#[test]
fn what_an_acl_took_the_mark_from_is_finished_and_a_persons_file_is_not() {
    let mut f = Fixture::new();
    let content = f.repo.bundled(&[b"data"]).remove(0);
    let xattrs = Some(vec![xattr(b"system.posix_acl_access", ACL)]);
    let of_acl = |kind: Entry| Entry { mode: 0o664, xattrs: xattrs.clone(), ..kind };
    f.add("x", Entry { content: Some(content), ..of_acl(Entry::test_file(4)) });
    f.add("d", Entry { mode: 0o664, ..of_acl(Entry::test_dir()) });
    if f.restore().problem_count > 0 {
        return eprintln!("skipped: no ACLs here");
    }
    // everything is set but the mode
    for path in ["x", "d"] {
        chmod(&f.to().join(path), 0o1664);
    }
    let report = f.restore();
    assert_eq!((report.problems.as_slice(), report.files, report.kept), (&[][..], 1, 0));
    for path in ["x", "d"] {
        assert_eq!(mode(&f.to().join(path)), 0o664, "{path}");
    }
    fs::write(f.to().join("x"), b"work").unwrap();
    chmod(&f.to().join("x"), 0o1664);
    assert_eq!((f.restore().kept, f.read("x")), (1, b"work".to_vec()));
}
