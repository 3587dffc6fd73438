//! The watcher against the real kernel. Nothing sleeps: tests wait for a sync point or for a condition.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::*;
use crate::model::RelPath;
use crate::source::testing::Mounted;

const ROOT: RootKey = RootKey(7);
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Inbox {
    hints: Mutex<Vec<Hint>>,
    came: Condvar,
    /// While held by a test, the sink does not return.
    gate: Mutex<()>,
}

impl Inbox {
    fn put(&self, hints: Vec<Hint>) {
        let _open = self.gate.lock().unwrap();
        self.hints.lock().unwrap().extend(hints);
        self.came.notify_all();
    }

    fn take(&self) -> Vec<Hint> {
        std::mem::take(&mut self.hints.lock().unwrap())
    }

    /// Waits for a hint; what came before it stays.
    fn wait_for(&self, what: &str, wanted: impl Fn(&Hint) -> bool) {
        let hints = self.hints.lock().unwrap();
        let missing = |hints: &mut Vec<Hint>| !hints.iter().any(&wanted);
        let (hints, timeout) = self.came.wait_timeout_while(hints, PATIENCE, missing).unwrap();
        assert!(!timeout.timed_out(), "no hint: {what}; there were {:?}", *hints);
    }
}

struct Scene {
    watcher: Watcher,
    inbox: Arc<Inbox>,
    root: PathBuf,
    base: tempfile::TempDir,
}

fn options(root: &Path, base: &Path) -> WatchOptions {
    let skip = Arc::new(|dir: &RelPath| dir.name() == b"skipped");
    let root = WatchRoot { key: ROOT, path: root.to_path_buf(), one_filesystem: false, skip, rule_files: vec![] };
    WatchOptions { roots: vec![root], cookie_dir: base.join("state"), excluded: vec![], watch_limit: None }
}

impl Scene {
    fn with(prepare: impl FnOnce(&Path), change: impl FnOnce(&mut WatchOptions)) -> Self {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::create_dir(base.path().join("state")).unwrap();
        fs::create_dir(base.path().join("elsewhere")).unwrap();
        prepare(&root);
        let mut options = options(&root, base.path());
        change(&mut options);
        let inbox = Arc::new(Inbox::default());
        let sink = inbox.clone();
        let watcher = Watcher::start(options, move |hints| sink.put(hints)).unwrap();
        let scene = Self { watcher, inbox, root, base };
        scene.settle();
        scene.inbox.take();
        scene
    }

    fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    fn sync(&self) {
        assert_eq!(self.watcher.sync(PATIENCE).unwrap(), SyncOutcome::Synced);
    }

    /// Until no subtree is being armed any more.
    fn settle(&self) {
        loop {
            self.sync();
            if self.watcher.coverage().roots.iter().all(|root| !root.arming) {
                return;
            }
        }
    }

    fn hints(&self) -> Vec<Hint> {
        self.sync();
        self.inbox.take()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn elsewhere(&self) -> PathBuf {
        self.base.path().join("elsewhere")
    }
}

fn rel(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

/// Would a run that takes these hints look into `dir`?
fn covers(hints: &[Hint], dir: &RelPath) -> bool {
    hints.iter().any(|hint| hint.dir == *dir || hint.recursive && dir.is_within(&hint.dir))
}

#[test]
fn the_first_batch_says_that_nothing_is_known() {
    let base = tempfile::tempdir().unwrap();
    fs::create_dir_all(base.path().join("root/a")).unwrap();
    fs::create_dir(base.path().join("state")).unwrap();
    let inbox = Arc::new(Inbox::default());
    let sink = inbox.clone();
    let watcher =
        Watcher::start(options(&base.path().join("root"), base.path()), move |hints| sink.put(hints)).unwrap();
    assert_eq!(watcher.sync(PATIENCE).unwrap(), SyncOutcome::Synced);
    let first = &inbox.take()[0];
    assert_eq!((first.root, first.recursive, first.reason), (ROOT, true, Reason::Start));
    assert!(first.dir.is_root());
    watcher.stop().unwrap();
}

#[test]
fn files_made_at_once_in_new_directories_are_never_missed() {
    let scene = Scene::new();
    for n in 0..300 {
        let dir = scene.path(&format!("a{n}/b/c"));
        fs::create_dir_all(&dir).unwrap();
        for file in ["f", "b/f", "b/c/f"] {
            fs::write(scene.path(&format!("a{n}/{file}")), "x").unwrap();
        }
    }
    let hints = scene.hints();
    for n in 0..300 {
        for dir in ["", "/b", "/b/c"] {
            assert!(covers(&hints, &rel(&format!("a{n}{dir}"))), "a{n}{dir} was missed");
        }
    }
    scene.settle();
    assert_eq!(scene.watcher.coverage().roots[0].watched, 901);
    assert!(scene.watcher.coverage().is_complete());
}

#[test]
fn a_renamed_directory_gives_hints_under_its_new_name_only() {
    let scene = Scene::with(|root| fs::create_dir_all(root.join("old/sub")).unwrap(), |_| {});
    fs::rename(scene.path("old"), scene.path("new")).unwrap();
    let hints = scene.hints();
    assert!(hints.iter().any(|h| h.dir == rel("new") && h.recursive && h.reason == Reason::MovedIn), "{hints:?}");
    scene.settle();
    scene.inbox.take();
    fs::write(scene.path("new/sub/f"), "x").unwrap();
    let hints = scene.hints();
    assert_eq!(hints.iter().map(|h| &h.dir).collect::<Vec<_>>(), [&rel("new/sub")]);
    assert_eq!(hints[0].names, Names::Only([b"f".to_vec()].into()));
}

#[test]
fn a_directory_that_was_moved_out_is_silent_and_one_moved_in_is_heard() {
    let scene = Scene::with(|root| fs::create_dir_all(root.join("d/sub")).unwrap(), |_| {});
    let outside = scene.elsewhere().join("d");
    fs::rename(scene.path("d"), &outside).unwrap();
    assert!(covers(&scene.hints(), &rel("")));
    assert_eq!(scene.watcher.coverage().roots[0].watched, 1);
    fs::write(outside.join("sub/f"), "x").unwrap();
    assert_eq!(scene.hints(), []);
    fs::rename(&outside, scene.path("back")).unwrap();
    let hints = scene.hints();
    assert!(hints.iter().any(|h| h.dir == rel("back") && h.recursive), "{hints:?}");
    scene.settle();
    scene.inbox.take();
    fs::write(scene.path("back/sub/f"), "y").unwrap();
    assert!(covers(&scene.hints(), &rel("back/sub")));
}

#[test]
fn a_directory_that_is_deleted_and_made_again_is_watched_again() {
    let scene = Scene::with(|root| fs::create_dir_all(root.join("d/sub")).unwrap(), |_| {});
    for round in 0..200 {
        fs::remove_dir_all(scene.path("d")).unwrap();
        fs::create_dir_all(scene.path("d/sub")).unwrap();
        fs::write(scene.path("d/sub/f"), format!("{round}")).unwrap();
    }
    assert!(covers(&scene.hints(), &rel("d/sub")));
    scene.settle();
    scene.inbox.take();
    fs::write(scene.path("d/sub/f"), "again").unwrap();
    assert!(covers(&scene.hints(), &rel("d/sub")));
    assert_eq!(scene.watcher.coverage().roots[0].watched, 3);
}

#[test]
fn changes_of_metadata_and_of_links_are_heard() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::with(|root| fs::write(root.join("f"), "x").unwrap(), |_| {});
    let named = |name: &str| {
        let hints = scene.hints();
        assert!(matches!(&hints[..], [Hint { names: Names::Only(n), .. }] if n.contains(name.as_bytes())), "{hints:?}");
    };
    fs::set_permissions(scene.path("f"), fs::Permissions::from_mode(0o600)).unwrap();
    named("f");
    std::os::unix::fs::symlink("/nowhere", scene.path("link")).unwrap();
    named("link");
    fs::hard_link(scene.path("f"), scene.path("g")).unwrap();
    named("g");
    fs::File::options().write(true).open(scene.path("f")).unwrap().set_len(0).unwrap();
    named("f");
    fs::remove_file(scene.path("g")).unwrap();
    named("g");
}

#[test]
fn loops_of_links_are_not_followed_and_skipped_directories_not_watched() {
    let prepare = |root: &Path| {
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join("skipped/deep")).unwrap();
        fs::create_dir_all(root.join(".rozen-freeze/deep")).unwrap();
        std::os::unix::fs::symlink("../..", root.join("a/b/up")).unwrap();
    };
    let scene = Scene::with(prepare, |_| {});
    assert_eq!(scene.watcher.coverage().roots[0].watched, 3);
    fs::write(scene.path("skipped/deep/f"), "x").unwrap();
    fs::write(scene.path(".rozen-freeze/f"), "x").unwrap();
    fs::write(scene.path(".rozen-cookie-0-0"), "x").unwrap();
    assert_eq!(scene.hints(), []);
}

#[test]
fn the_own_state_inside_a_root_gives_no_hints() {
    let inside = |root: &Path| fs::create_dir_all(root.join("home/.local/state/rozen/spool")).unwrap();
    let scene = Scene::with(inside, |options| {
        options.cookie_dir = options.roots[0].path.join("home/.local/state/rozen");
    });
    fs::write(scene.path("home/.local/state/rozen/journal"), "x").unwrap();
    fs::write(scene.path("home/.local/state/rozen/spool/pack"), "x").unwrap();
    assert_eq!(scene.hints(), []);
    assert_eq!(scene.watcher.coverage().roots[0].watched, 4);
}

#[test]
fn an_overflow_makes_every_root_doubtful_and_the_books_right_again() {
    let prepare = |root: &Path| {
        fs::create_dir_all(root.join("gone/sub")).unwrap();
        fs::create_dir_all(root.join("moved/sub")).unwrap();
    };
    let scene = Scene::with(prepare, |_| {});
    let closed = scene.inbox.gate.lock().unwrap();
    fs::write(scene.path("first"), "x").unwrap();
    // The sink may be waiting already or not yet: in either case nobody reads soon enough.
    let limit: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    if limit > 200_000 {
        eprintln!("skipped: the queue holds {limit} events, too many to fill in a test");
        return;
    }
    for n in 0..limit + 20_000 {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            scene.path(&format!("f{n}")),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
    }
    fs::remove_dir_all(scene.path("gone")).unwrap();
    fs::rename(scene.path("moved"), scene.path("here")).unwrap();
    fs::create_dir_all(scene.path("new/sub")).unwrap();
    drop(closed);
    scene.inbox.wait_for("overflow", |h| h.reason == Reason::Overflow && h.recursive && h.dir.is_root());
    scene.settle();
    scene.inbox.take();
    assert_eq!(scene.watcher.coverage().roots[0].watched, 5);
    for dir in ["here/sub", "new/sub"] {
        fs::write(scene.path(&format!("{dir}/f")), "x").unwrap();
        assert!(covers(&scene.hints(), &rel(dir)), "{dir}");
    }
}

#[test]
fn when_no_watch_is_left_the_coverage_says_so_and_audits_hint_the_rest() {
    let prepare = |root: &Path| {
        for n in 0..6 {
            fs::create_dir_all(root.join(format!("d{n}/sub/deep"))).unwrap();
        }
    };
    let scene = Scene::with(prepare, |options| options.watch_limit = Some(8));
    let coverage = scene.watcher.coverage();
    let root = &coverage.roots[0];
    assert_eq!((root.watched, root.total, root.arming), (8, 19, false));
    assert!(!coverage.is_complete() && coverage.limit_remedy().is_some());
    let problems = coverage.problems();
    assert!(problems[0].message.contains("8 of 19 directories"), "{problems:?}");
    assert!(problems[0].remedy.contains("max_user_watches"));
    let unwatched: Vec<RelPath> = root.unwatched.iter().map(|u| u.dir.clone()).collect();
    scene.watcher.recheck().unwrap();
    let hints = scene.hints();
    assert!(unwatched.iter().all(|dir| covers(&hints, dir)));
    // With watches free again the next check arms what it can.
    for dir in fs::read_dir(&scene.root).unwrap().map(|e| e.unwrap().path()).take(4) {
        fs::remove_dir_all(dir).unwrap();
    }
    scene.watcher.recheck().unwrap();
    scene.settle();
    assert!(scene.watcher.coverage().is_complete(), "{:?}", scene.watcher.coverage());
}

#[test]
fn a_removed_root_is_gone_not_empty_and_comes_back() {
    let scene = Scene::with(|root| fs::write(root.join("f"), "x").unwrap(), |_| {});
    fs::remove_dir_all(&scene.root).unwrap();
    assert!(scene.hints().iter().any(|h| h.reason == Reason::RootGone && h.dir.is_root()));
    assert_eq!(scene.watcher.coverage().roots[0].state, RootState::Gone);
    assert_eq!(scene.watcher.coverage().problems().len(), 1);
    fs::create_dir_all(scene.path("a")).unwrap();
    scene.watcher.recheck().unwrap();
    scene.settle();
    assert!(scene.inbox.take().iter().any(|h| h.reason == Reason::Start && h.recursive));
    fs::write(scene.path("a/f"), "x").unwrap();
    assert!(covers(&scene.hints(), &rel("a")));
}

#[test]
fn a_root_that_was_exchanged_is_told_and_watched_in_its_new_shape() {
    let scene = Scene::new();
    fs::rename(&scene.root, scene.elsewhere().join("old")).unwrap();
    fs::create_dir_all(scene.path("a")).unwrap();
    scene.watcher.recheck().unwrap();
    scene.settle();
    assert!(scene.inbox.take().iter().any(|h| h.reason == Reason::RootGone));
    fs::write(scene.elsewhere().join("old/f"), "x").unwrap();
    assert_eq!(scene.hints(), []);
    fs::write(scene.path("a/f"), "x").unwrap();
    assert!(covers(&scene.hints(), &rel("a")));
}

/// `base/root` leads to the root `base/root/inner/folder` in which `a` is, by itself or through links.
fn below(layout: impl FnOnce(&Path)) -> Scene {
    Scene::with(layout, |options| options.roots[0].path.push("inner/folder"))
}

/// The watcher must find the new folder by a look, and must not hear of the old one any more.
fn assert_exchanged(scene: &Scene, old: &Path) {
    scene.watcher.look_at_roots().unwrap();
    let told = scene.hints();
    assert!(told.iter().any(|h| h.reason == Reason::RootGone && h.recursive && h.dir.is_root()), "{told:?}");
    scene.settle();
    scene.inbox.take();
    assert_eq!(scene.watcher.coverage().roots[0].state, RootState::Watched);
    fs::write(old.join("a/f"), "x").unwrap();
    assert_eq!(scene.hints(), []);
    fs::write(scene.path("inner/folder/a/f"), "x").unwrap();
    assert!(covers(&scene.hints(), &rel("a")));
    scene.watcher.look_at_roots().unwrap();
    assert_eq!(scene.hints(), [], "it is told once");
}

#[test]
fn a_root_that_was_exchanged_by_a_folder_above_it_is_told_and_watched_in_its_new_shape() {
    let scene = below(|root| fs::create_dir_all(root.join("inner/folder/a")).unwrap());
    fs::rename(scene.path("inner"), scene.path("old")).unwrap();
    fs::create_dir_all(scene.path("inner/folder/a")).unwrap();
    assert_exchanged(&scene, &scene.path("old/folder"));
}

#[test]
fn a_root_that_was_exchanged_by_a_link_on_the_way_is_told_and_watched_in_its_new_shape() {
    let scene = below(|root| {
        fs::create_dir_all(root.join("one/folder/a")).unwrap();
        fs::create_dir_all(root.join("two/folder/a")).unwrap();
        symlink("one", root.join("inner")).unwrap();
    });
    fs::remove_file(scene.path("inner")).unwrap();
    symlink("two", scene.path("inner")).unwrap();
    assert_exchanged(&scene, &scene.path("one/folder"));
}

#[test]
fn a_root_that_is_a_link_is_told_and_watched_where_it_leads_now() {
    let scene = below(|root| {
        fs::create_dir_all(root.join("inner/one/a")).unwrap();
        fs::create_dir_all(root.join("inner/two/a")).unwrap();
        symlink("one", root.join("inner/folder")).unwrap();
    });
    fs::remove_file(scene.path("inner/folder")).unwrap();
    symlink("two", scene.path("inner/folder")).unwrap();
    assert_exchanged(&scene, &scene.path("inner/one"));
}

#[test]
fn a_root_whose_folder_above_was_moved_away_is_gone() {
    let scene = below(|root| fs::create_dir_all(root.join("inner/folder/a")).unwrap());
    fs::rename(scene.path("inner"), scene.path("old")).unwrap();
    scene.watcher.look_at_roots().unwrap();
    assert!(scene.hints().iter().any(|h| h.reason == Reason::RootGone && h.dir.is_root()));
    scene.settle();
    assert_eq!(scene.watcher.coverage().roots[0].state, RootState::Gone);
    fs::rename(scene.path("old"), scene.path("inner")).unwrap();
    scene.watcher.recheck().unwrap();
    scene.settle();
    scene.inbox.take();
    fs::write(scene.path("inner/folder/a/f"), "x").unwrap();
    assert!(covers(&scene.hints(), &rel("a")));
}

/// Every mount and unmount on the machine, those of other tests too, lets the watcher look at its roots: for a moment the
/// filesystem is busy.
fn unmount_when_idle(at: &Path) {
    loop {
        match rustix::mount::unmount(at, rustix::mount::UnmountFlags::empty()) {
            Ok(()) => return,
            Err(rustix::io::Errno::BUSY) => std::thread::yield_now(),
            Err(error) => panic!("cannot unmount {}: {error}", at.display()),
        }
    }
}

#[test]
fn an_unmounted_root_is_unmounted_not_empty_and_comes_back() {
    let mut mounted = None;
    let scene = Scene::with(|root| mounted = Mounted::tmpfs(root), |_| {});
    let Some(_mounted) = mounted else { return };
    fs::create_dir_all(scene.path("a/b")).unwrap();
    scene.settle();
    scene.inbox.take();
    unmount_when_idle(&scene.root);
    scene.inbox.wait_for("unmounted", |h| h.reason == Reason::Unmounted && h.dir.is_root());
    scene.settle();
    scene.watcher.recheck().unwrap();
    scene.settle();
    assert_eq!(scene.watcher.coverage().roots[0].state, RootState::Unmounted);
    // a sync point hints what is being armed: such hints of the search for the root say nothing about what comes
    scene.inbox.take();
    let Some(_again) = Mounted::tmpfs(&scene.root) else { return };
    scene.inbox.wait_for("start", |h| h.reason == Reason::Start && h.recursive);
    scene.settle();
    scene.inbox.take();
    fs::write(scene.path("f"), "x").unwrap();
    assert!(covers(&scene.hints(), &rel("")));
}

#[test]
fn a_mount_below_a_root_is_watched_when_it_comes_and_told_when_it_goes() {
    let scene = Scene::with(|root| fs::create_dir_all(root.join("disk/under")).unwrap(), |_| {});
    let Some(mounted) = Mounted::tmpfs(&scene.path("disk")) else { return };
    scene.inbox.wait_for("mounted", |h| h.reason == Reason::Mounted && h.dir == rel("disk"));
    scene.settle();
    scene.inbox.take();
    fs::write(scene.path("disk/f"), "x").unwrap();
    assert!(covers(&scene.hints(), &rel("disk")));
    drop(mounted);
    scene.inbox.wait_for("unmounted", |h| h.reason == Reason::Unmounted && h.dir == rel("disk") && h.recursive);
    scene.settle();
    scene.inbox.take();
    fs::write(scene.path("disk/under/f"), "x").unwrap();
    assert!(covers(&scene.hints(), &rel("disk/under")));
}

#[test]
fn of_one_filesystem_a_bind_mount_of_it_is_watched_and_another_filesystem_is_not() {
    let mut mounts = (None, None);
    let prepare = |root: &Path| {
        let (from, bound, other) = (root.with_file_name("elsewhere"), root.join("bound"), root.join("other"));
        [&from.join("sub"), &bound, &other].into_iter().for_each(|dir| fs::create_dir_all(dir).unwrap());
        mounts = (Mounted::bind(&from, &bound), Mounted::tmpfs(&other));
    };
    let scene = Scene::with(prepare, |options| options.roots[0].one_filesystem = true);
    let (Some(_bound), Some(_other)) = mounts else { return };
    assert!(scene.watcher.coverage().is_complete(), "{:?}", scene.watcher.coverage());
    fs::write(scene.path("other/f"), "x").unwrap();
    assert_eq!(scene.hints(), []);
    fs::write(scene.path("bound/sub/f"), "x").unwrap();
    assert!(covers(&scene.hints(), &rel("bound/sub")));
}

#[test]
fn the_same_directory_under_two_roots_is_hinted_for_both() {
    let prepare = |root: &Path| fs::create_dir_all(root.join("a/b")).unwrap();
    let scene = Scene::with(prepare, |options| {
        let inner = WatchRoot { key: RootKey(8), path: options.roots[0].path.join("a"), ..options.roots[0].clone() };
        options.roots.push(inner);
    });
    fs::write(scene.path("a/b/f"), "x").unwrap();
    let mut told: Vec<_> = scene.hints().into_iter().map(|h| (h.root, h.dir)).collect();
    told.sort();
    assert_eq!(told, [(ROOT, rel("a/b")), (RootKey(8), rel("b"))]);
}

#[test]
fn directories_deeper_than_a_path_may_be_are_watched() {
    let scene = Scene::new();
    let name = "d".repeat(250);
    let mut at = rustix::fs::open(
        &scene.root,
        rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    let mut dir = RelPath::root();
    for _ in 0..40 {
        rustix::fs::mkdirat(&at, &name, rustix::fs::Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, &name, rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
        dir = dir.join(name.as_bytes());
    }
    scene.settle();
    scene.inbox.take();
    assert_eq!(scene.watcher.coverage().roots[0].watched, 41);
    rustix::fs::mknodat(&at, "f", rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert!(covers(&scene.hints(), &dir));
}

#[test]
fn a_sync_point_that_does_not_come_in_time_says_so() {
    let scene = Scene::new();
    let closed = scene.inbox.gate.lock().unwrap();
    fs::write(scene.path("f"), "x").unwrap();
    assert_eq!(scene.watcher.sync(Duration::from_millis(1)).unwrap(), SyncOutcome::TimedOut);
    drop(closed);
    assert!(covers(&scene.hints(), &rel("")));
}

/// Numbers that look random and come again with the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// What a scan compares: inode, change time, size.
type Facts = (u64, i64, i64, u64);

fn tree(root: &Path, at: &RelPath, into: &mut BTreeMap<RelPath, (bool, Facts)>) {
    for entry in fs::read_dir(at.under(root)).unwrap().map(Result::unwrap) {
        let path = at.join(entry.file_name().as_encoded_bytes());
        let meta = entry.metadata().unwrap();
        into.insert(path.clone(), (meta.is_dir(), (meta.ino(), meta.ctime(), meta.ctime_nsec(), meta.size())));
        if meta.is_dir() {
            tree(root, &path, into);
        }
    }
}

fn state(scene: &Scene) -> BTreeMap<RelPath, (bool, Facts)> {
    let mut out = BTreeMap::new();
    tree(&scene.root, &RelPath::root(), &mut out);
    out
}

fn random_path(dice: &mut Dice) -> String {
    let depth = 1 + dice.below(4);
    (0..depth).map(|_| ["a", "b", "c"][dice.below(3)]).collect::<Vec<_>>().join("/")
}

/// Most fail because something is in the way; that is part of it.
fn random_operation(scene: &Scene, dice: &mut Dice) {
    let (path, other) = (scene.path(&random_path(dice)), scene.path(&random_path(dice)));
    let outside = scene.elsewhere().join(["x", "y"][dice.below(2)]);
    let _ = match dice.below(10) {
        0 | 1 => fs::create_dir_all(&path),
        2 | 3 => fs::write(path.join(["f", "g"][dice.below(2)]), vec![0; dice.below(100)]),
        4 => fs::rename(&path, &other),
        5 => fs::remove_dir_all(&path),
        6 => fs::remove_file(path.join("f")),
        7 => fs::rename(&path, &outside),
        8 => fs::rename(&outside, &path),
        _ => fs::write(outside.join("f"), "outside"),
    };
}

/// The entries of the difference that no hint leads to.
fn missed(
    before: &BTreeMap<RelPath, (bool, Facts)>,
    now: &BTreeMap<RelPath, (bool, Facts)>,
    hints: &[Hint],
) -> Vec<RelPath> {
    let changed = now.iter().filter(|(path, facts)| before.get(path) != Some(facts));
    let unseen = changed.filter(|(path, (is_dir, _))| {
        let itself = *is_dir && before.contains_key(path) && covers(hints, path);
        !itself && !covers(hints, &path.parent().unwrap())
    });
    let deleted = before.keys().filter(|path| !now.contains_key(path));
    let unseen_deleted = deleted.filter(|path| {
        let parent = path.parent().unwrap();
        (parent.is_root() || now.contains_key(&parent)) && !covers(hints, &parent)
    });
    unseen.map(|(path, _)| path).chain(unseen_deleted).cloned().collect()
}

#[test]
fn after_random_operations_every_real_difference_is_hinted() {
    let seed = std::env::var("ROZEN_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(std::process::id().into());
    eprintln!("ROZEN_SEED={seed}");
    let mut dice = Dice(seed);
    let scene = Scene::new();
    for round in 0..60 {
        let before = state(&scene);
        for _ in 0..1 + dice.below(150) {
            random_operation(&scene, &mut dice);
        }
        let hints = scene.hints();
        let now = state(&scene);
        let missed = missed(&before, &now, &hints);
        let facts: Vec<_> = missed.iter().map(|path| (path, before.get(path), now.get(path))).collect();
        assert!(missed.is_empty(), "seed {seed}, round {round}: {facts:?} not in {hints:?}");
    }
    scene.settle();
    let directories = state(&scene).values().filter(|(is_dir, _)| *is_dir).count() as u64;
    assert_eq!(scene.watcher.coverage().roots[0].watched, directories + 1, "seed {seed}");
}

fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

/// Alone in its process, or other tests count too: `cargo test --lib -- --ignored hundred_thousand`.
#[test]
#[ignore = "makes 100,000 directories and measures the whole process"]
fn a_hundred_thousand_directories_cost_at_most_40_mib() {
    let before = std::cell::Cell::new(0);
    let prepare = |root: &Path| {
        for n in 0..100_000 {
            fs::create_dir_all(root.join(format!("group-{:03}/directory-{n}", n / 1_000))).unwrap();
        }
        before.set(resident_bytes());
    };
    let scene = Scene::with(prepare, |_| {});
    let grown = resident_bytes() - before.get();
    assert_eq!(scene.watcher.coverage().roots[0].watched, 100_101);
    eprintln!("{} KiB for 100,101 directories", grown >> 10);
    assert!(grown <= 40 << 20);
}
