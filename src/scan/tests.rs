//! Scans of a live folder that changes between two of their steps.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Found, Scan, ScanOptions, Target};
use crate::config::exclude::{ExcludeConfig, Rules};
use crate::model::{ChunkId, Entry, EntryFlags, EntryKind, Problem, ProblemCode, RelPath, Timestamp};
use crate::source::testing::as_user;
use crate::source::{Names, View};
use crate::tree::{NodeSink, NodeSource, TreeKey, TreeReader, apply};

#[derive(Default)]
struct Memory(RefCell<HashMap<ChunkId, Vec<u8>>>);

impl NodeSource for Memory {
    type Error = String;
    fn node(&self, id: &ChunkId) -> Result<Vec<u8>, String> {
        self.0.borrow().get(id).cloned().ok_or_else(|| format!("no node {id}"))
    }
}

struct Sink<'a>(&'a Memory);

impl NodeSink for Sink<'_> {
    type Error = String;
    fn put(&mut self, _level: u8, bytes: Vec<u8>) -> Result<ChunkId, String> {
        let id = ChunkId(crate::crypto::hash_fields("test", &[&bytes]));
        self.0.0.borrow_mut().insert(id, bytes);
        Ok(id)
    }
}

/// A folder and the tree of it that the last scan left.
pub(super) struct Lab {
    dir: tempfile::TempDir,
    memory: Memory,
    tree: BTreeMap<TreeKey, Entry>,
    /// Of the last scan.
    pub(super) problems: Vec<Problem>,
    /// Earlier than any scan.
    began: Timestamp,
    pub(super) excludes: ExcludeConfig,
}

impl Lab {
    /// `x/f`, `y/g`, all stored.
    pub(super) fn new() -> Self {
        let mut lab = Self {
            dir: tempfile::tempdir().unwrap(),
            memory: Memory::default(),
            tree: BTreeMap::new(),
            problems: vec![],
            began: crate::clock::Clock::system().wall(),
            excludes: ExcludeConfig::default(),
        };
        for (dir, file) in [("x", "f"), ("y", "g")] {
            fs::create_dir_all(lab.at(dir)).unwrap();
            fs::write(lab.at(dir).join(file), file).unwrap();
        }
        fs::create_dir(lab.dir.path().join("outside")).unwrap();
        lab.scan(Target::everything(), |_, _| {});
        lab
    }

    /// The same, as far as an ordinary user may look at it; `None`, with a word why, where nobody can become one.
    fn for_users() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can give up rights");
            return None;
        }
        let lab = Self::new();
        fs::set_permissions(lab.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Some(lab)
    }

    /// To users, as far as `mode` says.
    fn close(&self, path: &str, mode: u32) {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn at(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join("root").join(path)
    }

    pub(super) fn flags(&self, path: &str) -> EntryFlags {
        self.tree[&TreeKey::of(&RelPath::parse(path.as_bytes()).unwrap())].flags
    }

    fn size(&self, path: &str) -> u64 {
        self.tree[&TreeKey::of(&RelPath::parse(path.as_bytes()).unwrap())].size
    }

    pub(super) fn is_unread(&self, path: &str) -> bool {
        let key = TreeKey::of(&RelPath::parse(path.as_bytes()).unwrap());
        self.tree.get(&key).is_some_and(|entry| entry.flags.has(EntryFlags::UNREADABLE))
    }

    fn move_out(&self, name: &str) {
        fs::rename(self.at(name), self.dir.path().join("outside").join(name)).unwrap();
    }

    fn move_in(&self, name: &str) {
        fs::rename(self.dir.path().join("outside").join(name), self.at(name)).unwrap();
    }

    /// `between` may change the folder after each step. Files are read when the scan has ended, as late as they can be.
    pub(super) fn scan(&mut self, targets: Vec<Target>, between: impl Fn(&Self, usize)) {
        let view = View::live(&self.at("")).unwrap();
        let root = self.stored();
        let options = ScanOptions {
            rules: Rules::compile(&self.excludes).unwrap(),
            own: HashSet::new(),
            own_paths: HashSet::new(),
            read_all: false,
            cut_before: Some(self.began),
        };
        let mut scan = Scan::new(&view, TreeReader::new(&self.memory, root), options, targets).unwrap();
        self.problems.clear();
        let mut found = Vec::new();
        for step in 0.. {
            let more = scan.step(&mut |finding| {
                found.push(finding);
                true
            });
            if !more.unwrap() {
                break;
            }
            between(self, step);
        }
        drop(scan);
        let (late, at_once) = found.into_iter().partition(|finding| matches!(finding, Found::Read(_)));
        self.apply(at_once);
        self.apply(late);
    }

    fn apply(&mut self, findings: Vec<Found>) {
        for finding in findings {
            match finding {
                Found::Put { key, entry, .. } => drop(self.tree.insert(key, entry)),
                Found::Read(job) => {
                    // the open directory is still there, wherever it was moved to
                    if let Ok((entry, _)) = job.dir.read_entry(&job.name, &job.stat, &mut Names::new()) {
                        self.tree.insert(job.key(), entry);
                    }
                }
                Found::Delete(key) => drop(self.tree.remove(&key)),
                Found::DeleteBelow(dir) => self.tree.retain(|key, _| !is_within(&key.dir, dir.as_bytes())),
                Found::Problem(problem) => self.problems.push(problem),
                Found::Unchanged { .. } => {}
            }
        }
    }

    fn stored(&self) -> Option<ChunkId> {
        let edits = self.tree.iter().map(|(key, entry)| Ok((key.clone(), Some(entry.clone()))));
        let applied = apply(&TreeReader::new(&self.memory, None), edits, vec![], &mut Sink(&self.memory)).unwrap();
        applied.summary.map(|summary| summary.root)
    }

    pub(super) fn paths(&self) -> BTreeSet<String> {
        let paths = self.tree.keys().filter_map(TreeKey::path).filter(|path| !path.is_root());
        paths.map(|path| String::from_utf8(path.as_bytes().to_vec()).unwrap()).collect()
    }

    fn assert_whole(&self) {
        for path in self.tree.keys().filter_map(TreeKey::path) {
            let Some(above) = path.parent() else { continue };
            let entry = self.tree.get(&TreeKey::of(&above));
            assert!(entry.is_some_and(|entry| entry.kind == EntryKind::Dir), "nothing is above {path:?}");
        }
    }
}

fn is_within(dir: &[u8], above: &[u8]) -> bool {
    dir.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

pub(super) fn targets(dirs: &[&str]) -> Vec<Target> {
    dirs.iter().map(|dir| Target { dir: RelPath::parse(dir.as_bytes()).unwrap(), recursive: false }).collect()
}

fn everything_that_is(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything_that_is(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        }
        found.insert(name);
    }
    found
}

#[test]
fn what_is_moved_out_after_it_was_compared_leaves_nothing_without_its_directory() {
    let mut lab = Lab::new();
    fs::write(lab.at("x/new"), "new").unwrap();
    lab.move_out("y");
    // `y` is gone: its parent is compared, after `x` was, of which files are still to be read
    lab.scan(targets(&["x", "y"]), |lab, step| {
        if step == 0 {
            lab.move_out("x");
        }
    });
    lab.assert_whole();
    // the hint that came of it
    lab.scan(targets(&[""]), |_, _| {});
    lab.assert_whole();
    assert_eq!(lab.paths(), everything_that_is(&lab.at("")));
}

#[test]
fn what_comes_back_after_it_was_gone_is_left_to_the_next_scan() {
    let mut lab = Lab::new();
    lab.move_out("x");
    lab.scan(targets(&["", "x"]), |lab, step| {
        if step == 0 {
            lab.move_in("x");
        }
    });
    lab.assert_whole();
    let moved_in = Target { dir: RelPath::parse(b"x").unwrap(), recursive: true };
    lab.scan([targets(&[""]), vec![moved_in]].concat(), |_, _| {});
    lab.assert_whole();
    assert_eq!(lab.paths(), everything_that_is(&lab.at("")));
}

#[test]
fn a_directory_that_becomes_a_file_in_the_middle_of_a_scan_is_found_by_the_next() {
    let mut lab = Lab::new();
    fs::write(lab.at("x/new"), "new").unwrap();
    lab.move_out("y");
    lab.scan(targets(&["x", "y"]), |lab, step| {
        if step == 0 {
            lab.move_out("x");
            fs::write(lab.at("x"), "a file").unwrap();
        }
    });
    lab.assert_whole();
    lab.scan(targets(&[""]), |_, _| {});
    lab.assert_whole();
    assert_eq!(lab.paths(), everything_that_is(&lab.at("")));
}

#[test]
fn a_directory_is_compared_once_in_a_scan() {
    let mut lab = Lab::new();
    fs::create_dir(lab.at("z")).unwrap();
    lab.scan(targets(&["", "z"]), |_, _| {});
    let before = lab.paths();
    ["x", "y"].iter().for_each(|name| lab.move_out(name));
    let steps = RefCell::new(0);
    lab.scan(targets(&["x", "y"]), |lab, step| {
        *steps.borrow_mut() = step;
        if step == 0 {
            fs::remove_dir(lab.at("z")).unwrap();
        }
    });
    assert_eq!(*steps.borrow(), 1, "two targets, of which the second had nothing left to do");
    assert!(before.contains("z") && lab.paths() == BTreeSet::from(["z".to_owned()]));
}

/// The event names the other name, which the scan that it came in found changed: the next one finds it unchanged.
#[test]
fn what_changes_through_another_name_after_the_first_was_looked_at_is_found_by_the_next_scan() {
    for first in [Target::everything(), targets(&["x", "y"])] {
        let mut lab = Lab::new();
        fs::hard_link(lab.at("x/f"), lab.at("y/link")).unwrap();
        lab.scan(Target::everything(), |_, _| {});
        let compared_x = if first[0].recursive { 1 } else { 0 };
        lab.scan(first, |lab, step| {
            if step == compared_x {
                fs::write(lab.at("y/link"), "longer than before").unwrap();
            }
        });
        assert_eq!((lab.size("x/f"), lab.size("y/link")), (1, 18), "it is looked at before and after the change");
        lab.scan(targets(&["y"]), |_, _| {});
        assert_eq!((lab.size("x/f"), lab.size("y/link")), (18, 18));
    }
}

#[test]
fn a_directory_that_cannot_be_opened_is_told_and_stays_as_it_was() {
    let Some(mut lab) = Lab::for_users() else { return };
    fs::create_dir_all(lab.at("x/deep")).unwrap();
    lab.scan(Target::everything(), |_, _| {});
    let before = lab.paths();
    fs::write(lab.at("x/deep/new"), "cannot be seen").unwrap();
    lab.close("x", 0o700);
    as_user(|| lab.scan(targets(&["x/deep"]), |_, _| {}));
    let codes: Vec<_> = lab.problems.iter().map(|problem| problem.code).collect();
    assert_eq!((codes, lab.paths()), (vec![ProblemCode::Unreadable], before), "{:?}", lab.problems);
    assert!(lab.is_unread("x/deep") || lab.is_unread("x"));
}

#[test]
fn a_directory_that_cannot_be_listed_says_so_in_its_entry_until_it_can() {
    let Some(mut lab) = Lab::for_users() else { return };
    lab.close("x", 0o700);
    for _ in 0..2 {
        as_user(|| lab.scan(Target::everything(), |_, _| {}));
        assert!(lab.is_unread("x") && lab.paths().contains("x/f"), "{:?}", lab.problems);
    }
    for targets in [Target::everything(), targets(&["x"])] {
        lab.scan(targets, |_, _| {});
        assert!(!lab.is_unread("x") && lab.problems.is_empty());
        as_user(|| lab.scan(Target::everything(), |_, _| {}));
    }
}

/// The change is in no directory that a hint names: the name that it was made through stands for another file now.
#[test]
fn what_changes_through_a_name_that_then_stands_for_another_file_is_found_under_the_others() {
    let mut lab = Lab::new();
    fs::hard_link(lab.at("x/f"), lab.at("y/link")).unwrap();
    lab.scan(Target::everything(), |_, _| {});
    fs::write(lab.at("x/f"), "longer than before").unwrap();
    fs::write(lab.at("x/new"), "other").unwrap();
    fs::rename(lab.at("x/new"), lab.at("x/f")).unwrap();
    lab.scan(targets(&["x"]), |_, _| {});
    assert_eq!((lab.size("x/f"), lab.size("y/link")), (5, 18));
}

/// A scan that begins above it knows nothing of it but what its parent tells.
#[test]
fn a_directory_that_cannot_be_listed_stays_marked_when_its_parent_is_compared() {
    let Some(mut lab) = Lab::for_users() else { return };
    lab.close("x", 0o700);
    as_user(|| lab.scan(Target::everything(), |_, _| {}));
    as_user(|| lab.scan(targets(&[""]), |_, _| {}));
    let told = lab.problems.iter().any(|problem| problem.code == ProblemCode::Unreadable);
    assert!(lab.is_unread("x") && told, "{:?}", lab.problems);
}

/// What it left out is in no tree, so that nothing else tells of it.
#[test]
fn when_an_ignore_file_goes_that_leaves_itself_out_everything_below_is_compared() {
    for (content, globs) in [("*.o\n.rozenignore\n", vec![]), ("*.o\n", vec![".*".to_owned()])] {
        let mut lab = Lab::new();
        lab.excludes.globs = globs;
        fs::create_dir_all(lab.at("d/sub")).unwrap();
        fs::write(lab.at("d/sub/x.o"), "left out").unwrap();
        fs::write(lab.at("d/.rozenignore"), content).unwrap();
        lab.scan(Target::everything(), |_, _| {});
        assert!(!lab.paths().contains("d/sub/x.o"));
        fs::remove_file(lab.at("d/.rozenignore")).unwrap();
        lab.scan(targets(&["d"]), |_, _| {});
        assert!(lab.paths().contains("d/sub/x.o"), "{:?}", lab.paths());
    }
}

#[test]
fn an_ignore_file_that_is_too_large_leaves_nothing_out_and_is_named() {
    let mut lab = Lab::new();
    fs::write(lab.at("bigger"), "").unwrap();
    fs::write(lab.at("big"), "").unwrap();
    let comment = format!("#{}\n", "x".repeat((1 << 20) - 6));
    fs::write(lab.at(".rozenignore"), format!("{comment}/bigger\n")).unwrap();
    lab.scan(Target::everything(), |_, _| {});
    assert!(lab.paths().contains("big") && lab.paths().contains("bigger"));
    assert_eq!(lab.problems.len(), 1);
    assert!(lab.problems[0].message.contains("larger than 1 MiB"), "{:?}", lab.problems[0]);
}

/// What had told of changes in it has been used up by the scan that could not look.
#[test]
fn a_directory_that_can_be_listed_again_is_compared_with_all_that_is_below() {
    for then in ["", "x", "x/other"] {
        let Some(mut lab) = Lab::for_users() else { return };
        fs::create_dir_all(lab.at("x/deep")).unwrap();
        fs::create_dir_all(lab.at("x/other")).unwrap();
        fs::write(lab.at("x/deep/f"), "before").unwrap();
        lab.scan(Target::everything(), |_, _| {});
        lab.close("x", 0o700);
        fs::write(lab.at("x/deep/f"), "longer than before").unwrap();
        as_user(|| lab.scan(targets(&["x/deep"]), |_, _| {}));
        assert_eq!(lab.size("x/deep/f"), 6);
        lab.scan(targets(&[then]), |_, _| {});
        assert_eq!((lab.size("x/deep/f"), lab.is_unread("x"), lab.problems.len()), (18, false, 0), "{then:?}");
        assert!(!lab.is_unread("x/deep") && lab.flags("x").0 == 0);
    }
}

/// Who may list a directory and not enter it learns the names in it, and nothing else.
#[test]
fn a_directory_of_which_nothing_could_be_asked_is_compared_with_all_that_is_below_when_it_can_be() {
    for meanwhile in ["x", "x/c", "x/c/deep"] {
        let Some(mut lab) = Lab::for_users() else { return };
        fs::create_dir_all(lab.at("x/c/deep")).unwrap();
        fs::write(lab.at("x/c/deep/f"), "before").unwrap();
        lab.scan(Target::everything(), |_, _| {});
        lab.close("x", 0o744);
        fs::write(lab.at("x/c/deep/f"), "longer than before").unwrap();
        as_user(|| lab.scan(targets(&[meanwhile]), |_, _| {}));
        assert_eq!((lab.size("x/c/deep/f"), lab.is_unread("x/c")), (6, true), "{meanwhile}");
        lab.close("x", 0o755);
        as_user(|| lab.scan(targets(&["x"]), |_, _| {}));
        assert_eq!((lab.size("x/c/deep/f"), lab.is_unread("x/c"), lab.problems.len()), (18, false, 0), "{meanwhile}");
    }
}

/// The tree of an earlier version has entries without the directory that they are in.
#[test]
fn entries_that_no_directory_leads_to_are_removed_by_a_full_comparison() {
    for is_there_again in [false, true] {
        let mut lab = Lab::new();
        fs::create_dir_all(lab.at("zz/e/deep")).unwrap();
        fs::write(lab.at("zz/e/ghost"), "g").unwrap();
        lab.scan(Target::everything(), |_, _| {});
        lab.tree.remove(&TreeKey::of(&RelPath::parse(b"zz").unwrap())).unwrap();
        fs::remove_dir_all(lab.at("zz")).unwrap();
        if is_there_again {
            fs::create_dir(lab.at("zz")).unwrap();
            fs::write(lab.at("zz/real"), "r").unwrap();
        }
        lab.scan(Target::everything(), |_, _| {});
        assert_eq!(lab.paths(), everything_that_is(&lab.at("")));
        lab.assert_whole();
    }
}

/// It is away between the look at its name and the reading of its entry, and back when it is to be listed.
#[test]
fn nothing_is_stored_of_a_directory_whose_own_entry_is_not() {
    let mut lab = Lab::new();
    fs::create_dir_all(lab.at("zz/e")).unwrap();
    fs::write(lab.at("zz/e/ghost"), "g").unwrap();
    let (here, away) = (lab.at("zz"), lab.dir.path().join("outside/zz"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fs::rename(&here, &away).unwrap();
                fs::rename(&away, &here).unwrap();
            }
        });
        for _ in 0..2000 {
            // as if it had never been stored
            lab.tree.retain(|key, _| key.name != b"zz" && !is_within(&key.dir, b"zz"));
            lab.scan(targets(&[""]), |_, _| {});
            let whole = catch_unwind(AssertUnwindSafe(|| lab.assert_whole()));
            if let Err(panic) = whole {
                stop.store(true, Ordering::Relaxed);
                resume_unwind(panic);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_directory_with_a_name_of_which_nothing_can_be_known_says_so_in_its_entry() {
    let Some(mut lab) = Lab::for_users() else { return };
    fs::create_dir(lab.at("nox")).unwrap();
    fs::write(lab.at("nox/f"), "x").unwrap();
    lab.close("nox", 0o744);
    as_user(|| lab.scan(Target::everything(), |_, _| {}));
    assert!(lab.is_unread("nox") && !lab.paths().contains("nox/f"));
    lab.scan(targets(&[""]), |_, _| {});
    assert!(!lab.is_unread("nox") && lab.paths().contains("nox/f"));
}

#[test]
fn a_large_directory_is_compared_in_parts_and_what_changes_between_them_is_left_to_the_next_scan() {
    let mut lab = Lab::new();
    (0..1000).for_each(|i| fs::write(lab.at(&format!("x/{i:03}")), "x").unwrap());
    fs::create_dir(lab.at("x/150-dir")).unwrap();
    fs::write(lab.at("x/150-dir/f"), "f").unwrap();
    let steps = RefCell::new(0);
    lab.scan(Target::everything(), |_, step| *steps.borrow_mut() = step);
    assert!(*steps.borrow() >= 6, "the root, four parts of x, what is below it, and y: {}", *steps.borrow());
    assert_eq!(lab.paths(), everything_that_is(&lab.at("")));
    fs::remove_dir_all(lab.at("x/150-dir")).unwrap();
    (0..1000).step_by(3).for_each(|i| fs::remove_file(lab.at(&format!("x/{i:03}"))).unwrap());
    lab.scan(targets(&["x"]), |lab, step| match step {
        0 => ["x/001", "x/998"].iter().for_each(|path| fs::remove_file(lab.at(path)).unwrap()),
        1 => ["x/000-new", "x/999-new"].iter().for_each(|path| fs::write(lab.at(path), "new").unwrap()),
        _ => {}
    });
    lab.assert_whole();
    assert!(lab.paths().contains("x/001") && !lab.paths().contains("x/998"));
    lab.scan(targets(&["x"]), |_, _| {});
    lab.assert_whole();
    assert_eq!(lab.paths(), everything_that_is(&lab.at("")));
}
