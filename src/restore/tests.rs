//! The room as a whole: small repositories made by hand, restored to a real filesystem.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::model::{Content, Entry, EntryFlags, EntryKind, Extent, ProblemCode, RelPath, Timestamp};
use crate::repo::testing::{Entries, TestRepo};

mod again;
mod cut_off;
mod flags;
mod links;
mod open_files;
mod places;
mod users;

struct Fixture {
    repo: TestRepo,
    entries: Entries,
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let entries = Entries::from([(vec![], Entry::test_dir())]);
        Self { repo: TestRepo::new(), entries, dir: tempfile::tempdir().unwrap() }
    }

    fn add(&mut self, path: &str, entry: Entry) {
        self.entries.insert(path.as_bytes().to_vec(), entry);
    }

    fn file(&mut self, path: &str, data: &[u8]) {
        let content = self.repo.bundled(&[data]).remove(0);
        self.add(path, Entry { content: Some(content), ..Entry::test_file(data.len() as u64) });
    }

    fn chunked(&mut self, path: &str, data: &[u8], chunk: usize) {
        let content = self.repo.chunked(data, chunk);
        self.add(path, Entry { content: Some(content), ..Entry::test_file(data.len() as u64) });
    }

    fn to(&self) -> std::path::PathBuf {
        self.dir.path().join("to")
    }

    fn options(&self) -> RestoreOptions {
        RestoreOptions::new(RestoreTo::Dir(self.to()))
    }

    fn restore(&mut self) -> RestoreReport {
        let options = self.options();
        self.restore_with(options).unwrap()
    }

    fn restore_with(&mut self, options: RestoreOptions) -> Result<RestoreReport, RestoreError> {
        let manifest = self.repo.commit(&self.entries);
        run(&self.repo.open().contents().unwrap(), &manifest, options, &Progress::default())
    }

    fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.to().join(path)).unwrap()
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn mtime(path: &Path) -> Timestamp {
    let meta = fs::symlink_metadata(path).unwrap();
    Timestamp::new(meta.mtime(), meta.mtime_nsec() as u32)
}

#[test]
fn a_tree_comes_back_with_its_content_kinds_and_times() {
    let mut f = Fixture::new();
    let large = noise(200_000);
    f.file("a/small", b"small");
    f.add("a", Entry { mode: 0o500, ..Entry::test_dir() });
    f.add("a/empty", Entry::test_file(0));
    f.add("a/deep", Entry::test_dir());
    f.chunked("a/deep/large", &large, 1000);
    f.add("link", Entry::test_link(b"a/small"));
    f.add("fifo", Entry { kind: EntryKind::Fifo, ..Entry::test_file(0) });
    let report = f.restore();
    assert_eq!(report.problems, []);
    assert_eq!((report.files, report.dirs, report.others, report.bytes), (3, 3, 2, 200_005));
    assert_eq!(f.read("a/small"), b"small");
    assert_eq!(f.read("a/deep/large"), large);
    assert_eq!(fs::read_link(f.to().join("link")).unwrap(), Path::new("a/small"));
    for path in ["", "a", "a/small", "a/empty", "a/deep", "a/deep/large", "link", "fifo"] {
        assert_eq!(mtime(&f.to().join(path)), Entry::test_file(0).mtime, "{path}");
    }
    let mode = |path| fs::symlink_metadata(f.to().join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("a"), mode("a/small"), mode("a/empty")), (0o500, 0o644, 0o644));
}

#[test]
fn sparse_files_are_sparse_again_and_hold_their_data_where_it_was() {
    let mut f = Fixture::new();
    let data = noise(300_000);
    let extents = vec![Extent { offset: 1 << 20, len: 100_000 }, Extent { offset: 5 << 30, len: 200_000 }];
    let content = f.repo.mapped(&data, 4096, Some(extents));
    f.add("sparse", Entry { content: Some(content), ..Entry::test_file(10 << 30) });
    f.add("hole", Entry { extents: Some(vec![]), ..Entry::test_file(1 << 30) });
    let report = f.restore();
    assert_eq!(report.problems, []);
    let meta = fs::metadata(f.to().join("sparse")).unwrap();
    assert_eq!(meta.len(), 10 << 30);
    assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
    let file = fs::File::open(f.to().join("sparse")).unwrap();
    let (mut first, mut second) = (vec![0; 100_000], vec![0; 200_000]);
    file.read_exact_at(&mut first, 1 << 20).unwrap();
    file.read_exact_at(&mut second, 5 << 30).unwrap();
    assert!([first, second].concat() == data);
    assert_eq!(fs::metadata(f.to().join("hole")).unwrap().len(), 1 << 30);
}

#[test]
fn names_of_one_file_are_one_file_again_and_files_that_differ_are_not_joined() {
    let mut f = Fixture::new();
    let contents = f.repo.bundled(&[b"one", b"two"]);
    let linked =
        |content: &Content| Entry { content: Some(content.clone()), nlink: Some(3), ino: 9, ..Entry::test_file(3) };
    f.add("d", Entry::test_dir());
    f.add("d/x", linked(&contents[0]));
    f.add("y", linked(&contents[0]));
    f.add("z", linked(&contents[1]));
    let report = f.restore();
    assert_eq!((report.files, report.hard_links, report.problem_count), (2, 1, 0));
    let ino = |path| fs::metadata(f.to().join(path)).unwrap().ino();
    assert_eq!(ino("d/x"), ino("y"));
    assert_ne!(ino("y"), ino("z"));
    assert_eq!((f.read("y"), f.read("z")), (b"one".to_vec(), b"two".to_vec()));
}

#[test]
fn a_restore_that_was_cut_off_goes_on_and_does_unfinished_files_again() {
    let mut f = Fixture::new();
    f.file("done", b"done");
    f.file("cut", b"cut off");
    assert_eq!(f.restore().files, 2);
    // as a crash leaves a file: created with its mark, half written
    fs::write(f.to().join("cut"), b"cut").unwrap();
    fs::set_permissions(f.to().join("cut"), fs::Permissions::from_mode(0o1200)).unwrap();
    let report = f.restore();
    assert_eq!((report.files, report.skipped, report.kept, report.problem_count), (1, 1, 0, 0));
    assert_eq!(f.read("cut"), b"cut off");
}

#[test]
fn a_file_that_is_there_already_is_replaced_only_when_that_was_asked_for() {
    let mut f = Fixture::new();
    f.file("x", b"snapshot");
    f.file("same", b"same");
    f.restore();
    fs::write(f.to().join("x"), b"my work").unwrap();
    let report = f.restore();
    assert_eq!((report.kept, report.skipped, report.files), (1, 1, 0));
    assert_eq!(f.read("x"), b"my work");
    let changed = RestoreOptions { overwrite: Overwrite::Changed, ..f.options() };
    let report = f.restore_with(changed).unwrap();
    assert_eq!((report.kept, report.skipped, report.files), (0, 1, 1));
    assert_eq!(f.read("x"), b"snapshot");
    let always = RestoreOptions { overwrite: Overwrite::Always, ..f.options() };
    assert_eq!(f.restore_with(always).unwrap().files, 2);
    assert_eq!(fs::read_dir(f.to()).unwrap().count(), 2, "no staged file is left");
}

#[test]
fn what_was_to_be_replaced_stays_when_the_new_content_is_damaged() {
    let mut f = Fixture::new();
    f.file("x", b"snapshot");
    let manifest = f.repo.commit(&f.entries);
    fs::create_dir(f.to()).unwrap();
    fs::write(f.to().join("x"), b"my work").unwrap();
    f.repo.change("/packs/", |bytes| bytes[300..].fill(0));
    let options = RestoreOptions { overwrite: Overwrite::Always, ..f.options() };
    let report = run(&f.repo.open().contents().unwrap(), &manifest, options, &Progress::default()).unwrap();
    assert_eq!(report.problems[0].code, ProblemCode::Damaged);
    assert_eq!(f.read("x"), b"my work");
    assert_eq!(fs::read_dir(f.to()).unwrap().count(), 1, "no staged file is left");
}

#[test]
fn a_damaged_chunk_costs_only_its_files_and_none_of_them_looks_complete() {
    let mut f = Fixture::new();
    let parts: Vec<Vec<u8>> = noise(360_000).chunks(40_000).map(<[u8]>::to_vec).collect();
    for (n, data) in parts.iter().enumerate() {
        f.chunked(&format!("f{n}"), data, 1000);
    }
    let manifest = f.repo.commit(&f.entries);
    f.repo.damage("/packs/");
    let report = run(&f.repo.open().contents().unwrap(), &manifest, f.options(), &Progress::default()).unwrap();
    let lost: Vec<_> = report.problems.iter().map(|p| p.path.clone()).collect();
    assert!(!lost.is_empty() && lost.len() < 9, "{lost:?}");
    for (n, data) in parts.iter().enumerate() {
        let path = f.to().join(format!("f{n}"));
        match lost.contains(&format!("/home/u/f{n}")) {
            true => assert!(!path.exists(), "f{n}"),
            false => assert!(fs::read(path).unwrap() == *data, "f{n}"),
        }
    }
}

#[test]
fn a_damaged_tree_node_costs_only_its_entries() {
    let mut f = Fixture::new();
    for n in 0..3000 {
        f.add(&format!("d{}/f{n:04}", n % 10), Entry::test_file(0));
    }
    (0..10).for_each(|n| f.add(&format!("d{n}"), Entry::test_dir()));
    let manifest = f.repo.commit(&f.entries);
    f.repo.damage("/trees/");
    let report = run(&f.repo.open().contents().unwrap(), &manifest, f.options(), &Progress::default()).unwrap();
    assert!(report.problems.iter().any(|p| p.message.contains("is lost")), "{:?}", report.problems);
    assert!(report.files > 1000 && report.files < 3000, "{}", report.files);
}

#[test]
fn nothing_is_written_outside_whatever_the_tree_says() {
    let mut f = Fixture::new();
    let outside = f.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let target = outside.to_str().unwrap().to_owned();
    f.add("evil", Entry::test_link(target.as_bytes()));
    f.file("evil/file", b"x");
    f.add("evil/dir", Entry::test_dir());
    f.file("good", b"good");
    let options = RestoreOptions { overwrite: Overwrite::Always, ..f.options() };
    for options in [f.options(), options] {
        f.restore_with(options).unwrap();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert_eq!(f.read("good"), b"good");
    }
}

#[test]
fn a_link_that_waits_in_the_destination_is_not_followed() {
    let mut f = Fixture::new();
    let outside = f.dir.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::create_dir(f.to()).unwrap();
    symlink(&outside, f.to().join("d")).unwrap();
    f.add("d", Entry::test_dir());
    f.file("d/file", b"x");
    let report = f.restore();
    assert!(report.problem_count > 0);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    let options = RestoreOptions { overwrite: Overwrite::Changed, ..f.options() };
    assert_eq!(f.restore_with(options).unwrap().problems, []);
    assert_eq!(f.read("d/file"), b"x");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn single_files_and_folders_come_with_the_directories_above_them_alone() {
    let mut f = Fixture::new();
    for dir in ["a", "a/b", "c"] {
        f.add(dir, Entry::test_dir());
    }
    for file in ["a/b/x", "a/y", "c/z"] {
        f.file(file, file.as_bytes());
    }
    let paths = vec![b"/home/u/a/b".to_vec(), b"c/z".to_vec()];
    let report = f.restore_with(RestoreOptions { paths, ..f.options() }).unwrap();
    assert_eq!((report.files, report.problem_count), (2, 0));
    assert_eq!((f.read("a/b/x"), f.read("c/z")), (b"a/b/x".to_vec(), b"c/z".to_vec()));
    assert!(!f.to().join("a/y").exists());
    assert_eq!(mtime(&f.to().join("a")), Entry::test_dir().mtime);
    let missing = RestoreOptions { paths: vec![b"a/y".to_vec(), b"c/nothing".to_vec()], ..f.options() };
    let error = f.restore_with(missing).unwrap_err();
    assert!(matches!(&error, RestoreError::NotInSnapshot(path) if path == "c/nothing"), "{error:?}");
    assert!(!f.to().join("a/y").exists(), "nothing is written when a path is mistyped");
}

#[test]
fn what_was_unreadable_or_contradicts_itself_is_named_and_not_made_up() {
    let mut f = Fixture::new();
    f.add("unread", Entry { flags: EntryFlags::default().with(EntryFlags::UNREADABLE), ..Entry::test_file(5) });
    let contents = f.repo.bundled(&[b"first", b"other"]);
    let Content::Bundled { id, bundle, len, .. } = contents[0].clone() else { panic!() };
    let wrong = Content::Bundled { id, bundle, offset: 5, len };
    f.add("wrong", Entry { content: Some(wrong), ..Entry::test_file(5) });
    f.add("short", Entry { content: Some(contents[1].clone()), ..Entry::test_file(6) });
    let report = f.restore();
    let codes: Vec<_> = report.problems.iter().map(|p| (p.path.as_str(), p.code)).collect();
    use ProblemCode::*;
    assert_eq!(codes, [("/home/u/short", Damaged), ("/home/u/unread", Unreadable), ("/home/u/wrong", Damaged)]);
    assert_eq!(fs::read_dir(f.to()).unwrap().count(), 0);
}

#[test]
fn several_roots_go_into_directories_of_their_own_and_a_stopped_restore_says_so() {
    let mut f = Fixture::new();
    f.file("x", b"x");
    let manifest = f.repo.commit_roots(&[("one", "/one", &f.entries), ("two", "/two", &f.entries)]);
    let progress = Progress::default();
    let report = run(&f.repo.open().contents().unwrap(), &manifest, f.options(), &progress).unwrap();
    assert_eq!(report.files, 2);
    assert_eq!((f.read("one/x"), f.read("two/x")), (b"x".to_vec(), b"x".to_vec()));
    assert_eq!(progress.now().entries, 4);
    progress.stop();
    assert!(matches!(
        run(&f.repo.open().contents().unwrap(), &manifest, f.options(), &progress),
        Err(RestoreError::Interrupted)
    ));
}

#[test]
fn what_a_restore_reads_is_told_pack_by_pack_and_each_chunk_once() {
    let mut f = Fixture::new();
    f.add("a", Entry::test_dir());
    f.chunked("a/large", &noise(200_000), 50_000);
    f.chunked("same", &noise(200_000), 50_000);
    f.file("small", b"small");
    f.add("link", Entry::test_link(b"small"));
    let manifest = f.repo.commit(&f.entries);
    let needed = |paths: &[&str]| {
        let paths = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
        needed_packs(&f.repo.open().contents().unwrap(), &manifest, &RestoreOptions { paths, ..f.options() }).unwrap()
    };
    let sums = |needed: &NeededPacks| {
        let sum = |of: fn(&NeededPack) -> u64| needed.packs.iter().map(of).sum::<u64>();
        (sum(|pack| pack.frames), sum(|pack| pack.bytes), needed.lost)
    };
    let all = needed(&[]);
    assert!(all.packs.iter().all(|pack| pack.bytes < pack.size && !pack.pack.is_tree), "{all:?}");
    let (frames, bytes, lost) = sums(&all);
    assert_eq!((frames, lost), (5, 0));
    assert!((200_000..220_000).contains(&bytes), "{bytes}");
    assert_eq!(sums(&needed(&["a"])), sums(&needed(&["same"])), "the same content");
    assert_eq!(sums(&needed(&["small"])).0, 1);
    assert_eq!(needed(&["link"]), NeededPacks::default());
}

#[test]
fn a_plan_counts_and_writes_nothing() {
    let mut f = Fixture::new();
    f.file("x", b"four");
    f.add("d", Entry::test_dir());
    let manifest = f.repo.commit(&f.entries);
    let plan = plan(&f.repo.open().contents().unwrap(), &manifest, &f.options()).unwrap();
    assert_eq!(plan.totals, Some(PlanTotals { dirs: 2, files: 1, bytes: 4, ..PlanTotals::default() }));
    assert_eq!(plan.moves()[0].0, std::path::PathBuf::from("/home/u"));
    assert_eq!(plan.roots[0].wanted, [RelPath::root()]);
    assert!(!f.to().exists());
}

#[test]
fn a_plan_counts_what_stands_at_the_destination() {
    let mut f = Fixture::new();
    for name in ["same", "differs", "free"] {
        f.file(name, b"four");
    }
    f.add("d", Entry::test_dir());
    f.file("d/same", b"x");
    f.restore();
    fs::write(f.to().join("differs"), b"longer").unwrap();
    fs::remove_file(f.to().join("free")).unwrap();
    let manifest = f.repo.commit(&f.entries);
    let counted = |overwrite| {
        let options = RestoreOptions { overwrite, ..f.options() };
        let totals = plan(&f.repo.open().contents().unwrap(), &manifest, &options).unwrap().totals.unwrap();
        (totals.files, totals.there, totals.kept, totals.replaced)
    };
    assert_eq!(counted(Overwrite::Never), (4, 2, 1, 0));
    assert_eq!(counted(Overwrite::Changed), (4, 2, 0, 1));
    assert_eq!(counted(Overwrite::Always), (4, 0, 0, 3));
    assert_eq!(f.read("differs"), b"longer");
    assert!(!f.to().join("free").exists());
}

#[test]
fn a_plan_knows_that_a_folder_is_never_replaced_and_what_stands_for_one_is() {
    let mut f = Fixture::new();
    f.file("file", b"four");
    f.add("d", Entry::test_dir());
    f.file("d/below", b"x");
    fs::create_dir_all(f.to().join("file")).unwrap();
    fs::write(f.to().join("d"), b"in the way").unwrap();
    let manifest = f.repo.commit(&f.entries);
    for (overwrite, expected) in [(Overwrite::Never, (1, 0)), (Overwrite::Changed, (1, 1)), (Overwrite::Always, (1, 1))]
    {
        let options = RestoreOptions { overwrite, ..f.options() };
        let totals = plan(&f.repo.open().contents().unwrap(), &manifest, &options).unwrap().totals.unwrap();
        assert_eq!((totals.kept, totals.replaced), expected, "{overwrite:?}");
    }
    f.restore_with(RestoreOptions { overwrite: Overwrite::Always, ..f.options() }).unwrap();
    assert!(f.to().join("file").is_dir() && f.read("d/below") == b"x");
}

#[test]
fn folders_that_are_there_already_stay_as_they_are_unless_differences_are_to_be_replaced() {
    let mut f = Fixture::new();
    f.add("d", Entry { mode: 0o755, mtime: Timestamp::new(1_000, 0), ..Entry::test_dir() });
    f.file("d/f", b"x");
    fs::create_dir_all(f.to().join("d")).unwrap();
    let mode = |f: &Fixture, path: &str| fs::metadata(f.to().join(path)).unwrap().permissions().mode() & 0o7777;
    let set = |f: &Fixture, path: &str, mode| {
        fs::set_permissions(f.to().join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&f, "", 0o1777);
    set(&f, "d", 0o700);
    let report = f.restore();
    assert_eq!((mode(&f, ""), mode(&f, "d"), report.kept), (0o1777, 0o700, 2), "{report:?}");
    assert_eq!(f.read("d/f"), b"x");
    f.restore_with(RestoreOptions { overwrite: Overwrite::Changed, ..f.options() }).unwrap();
    assert_eq!((mode(&f, "d"), fs::metadata(f.to().join("d")).unwrap().mtime()), (0o755, 1_000));
    assert_ne!(mode(&f, ""), 0o1777);
}

#[test]
fn an_empty_directory_gets_the_metadata_of_the_root_and_one_that_was_cut_off_too() {
    let mut f = Fixture::new();
    f.entries.insert(vec![], Entry { mode: 0o750, ..Entry::test_dir() });
    f.add("d", Entry { mode: 0o751, mtime: Timestamp::new(1_000, 0), ..Entry::test_dir() });
    f.file("d/f", b"x");
    let mode = |f: &Fixture, path: &str| fs::metadata(f.to().join(path)).unwrap().permissions().mode() & 0o7777;
    fs::create_dir_all(f.to()).unwrap();
    f.restore();
    assert_eq!((mode(&f, ""), mode(&f, "d")), (0o750, 0o751));
    // as a restore leaves them that was cut off
    for path in ["", "d"] {
        fs::set_permissions(f.to().join(path), fs::Permissions::from_mode(0o1700)).unwrap();
    }
    f.restore();
    assert_eq!((mode(&f, ""), mode(&f, "d")), (0o750, 0o751));
    // what is put into a finished one later does not change its times
    fs::remove_file(f.to().join("d/f")).unwrap();
    let d = fs::File::open(f.to().join("d")).unwrap();
    d.set_times(fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000)))
        .unwrap();
    f.restore();
    assert_eq!((f.read("d/f"), fs::metadata(f.to().join("d")).unwrap().mtime()), (b"x".to_vec(), 1_000));
}

#[test]
fn single_files_change_nothing_of_the_directory_that_they_go_to() {
    let mut f = Fixture::new();
    f.file("f", b"x");
    f.file("g", b"y");
    fs::create_dir_all(f.to()).unwrap();
    fs::set_permissions(f.to(), fs::Permissions::from_mode(0o755)).unwrap();
    f.restore_with(RestoreOptions { paths: vec![b"/home/u/f".to_vec()], ..f.options() }).unwrap();
    assert_eq!((f.read("f"), f.to().join("g").exists()), (b"x".to_vec(), false));
    assert_eq!(fs::metadata(f.to()).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn a_directory_made_for_a_part_of_a_root_is_as_closed_as_the_root_was() {
    let mut f = Fixture::new();
    f.entries.insert(vec![], Entry { mode: 0o700, ..Entry::test_dir() });
    f.add("d", Entry::test_dir());
    f.file("d/f", b"x");
    let options = RestoreOptions { paths: vec![b"d/f".to_vec()], ..f.options() };
    let mode = |f: &Fixture| fs::metadata(f.to()).unwrap().permissions().mode() & 0o7777;
    f.restore_with(options.clone()).unwrap();
    assert_eq!((mode(&f), mtime(&f.to())), (0o700, Entry::test_dir().mtime));
    // as a restore leaves it that was cut off
    fs::set_permissions(f.to(), fs::Permissions::from_mode(0o1700)).unwrap();
    f.restore_with(options.clone()).unwrap();
    assert_eq!(mode(&f), 0o700);
    fs::set_permissions(f.to(), fs::Permissions::from_mode(0o755)).unwrap();
    f.restore_with(options).unwrap();
    assert_eq!(mode(&f), 0o755, "it was there");
}

#[test]
fn two_restores_to_one_place_at_once_are_refused() {
    let mut f = Fixture::new();
    f.file("f", b"x");
    let other = crate::source::Destination::create(&f.to()).unwrap().locked(&f.to()).unwrap();
    let options = f.options();
    let error = f.restore_with(options).unwrap_err();
    assert!(error.to_string().contains("destination") && error.remedy().starts_with("Wait"), "{error:?}");
    assert!(!f.to().join("f").exists());
    drop(other);
    assert_eq!(f.restore().files, 1);
}

#[test]
fn a_plan_tells_what_cannot_be_restored_as_something_stands_in_the_way() {
    let mut f = Fixture::new();
    for dir in ["d", "d/e", "dx"] {
        f.add(dir, Entry::test_dir());
        f.file(&format!("{dir}/f"), b"x");
    }
    fs::create_dir(f.to()).unwrap();
    fs::write(f.to().join("d"), b"in the way").unwrap();
    let manifest = f.repo.commit(&f.entries);
    let contents = f.repo.open().contents().unwrap();
    let planned = |overwrite| {
        let totals = plan(&contents, &manifest, &RestoreOptions { overwrite, ..f.options() }).unwrap().totals.unwrap();
        (totals.blocked, totals.kept, totals.replaced, totals.files)
    };
    assert_eq!(planned(Overwrite::Never), (4, 0, 0, 1));
    assert_eq!(planned(Overwrite::Changed), (0, 0, 1, 3));
}

#[test]
fn a_file_in_the_way_of_a_folder_is_told_once() {
    let mut f = Fixture::new();
    for dir in ["d", "d/e", "d/e/g", "dx"] {
        f.add(dir, Entry::test_dir());
        f.file(&format!("{dir}/f"), b"x");
    }
    fs::create_dir(f.to()).unwrap();
    fs::write(f.to().join("d"), b"in the way").unwrap();
    let report = f.restore();
    let named: Vec<_> = report.problems.iter().map(|p| (p.path.as_str(), p.code)).collect();
    assert_eq!(named, [("/home/u/d", ProblemCode::Target)], "{report:?}");
    assert!(report.problems[0].message.contains("nothing that belongs into it"));
    assert_eq!(f.read("dx/f"), b"x");
}
