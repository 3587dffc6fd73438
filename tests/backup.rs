//! Runs against a directory target, in process: what was backed up can be read again from the target alone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rozen::backup::{Backup, BackupOptions, Progress, Recovered, RootPlan, RootScope, RunError, RunReport, RunRequest};
use rozen::chunk::ChunkLimits;
use rozen::clock::Clock;
use rozen::config::exclude::{ExcludeConfig, Rules};
use rozen::crypto::{MachineKeys, RecoverySecret};
use rozen::format::{ContentMap, ManifestRoot};
use rozen::journal::{Distrust, HintRow};
use rozen::model::{Content, Entry, Problem, ProblemCode, RelPath, Seq, StorageClass, Timestamp};
use rozen::repo::{self, Contents, Repository};
use rozen::store::{Faults, Moment, Store, StoreUrl, Verb};
use rozen::tree::{TreeKey, TreeReader};

struct Lab {
    dir: tempfile::TempDir,
    secret: RecoverySecret,
    keys: MachineKeys,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        let secret = RecoverySecret::generate();
        let url = StoreUrl::Dir(dir.path().join("repo"));
        let store = Store::create(&url).unwrap();
        let id = repo::create(&store, &secret, ChunkLimits::DEFAULT, "now").unwrap();
        let keys = repo::enroll(&store, &secret, id).unwrap();
        Self { dir, secret, keys }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn store(&self) -> Store {
        Store::open(&StoreUrl::Dir(self.dir.path().join("repo"))).unwrap()
    }

    fn journal(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.dir.path().join("state/journal.db")).unwrap()
    }

    fn backup(&self) -> (RunReport, Progress) {
        self.backup_every(Duration::from_secs(3600))
    }

    fn backup_every(&self, partial_every: Duration) -> (RunReport, Progress) {
        let progress = Progress::default();
        (self.try_backup(partial_every, &progress).unwrap(), progress)
    }

    fn try_backup(&self, partial_every: Duration, progress: &Progress) -> Result<RunReport, RunError> {
        self.try_backup_to(self.store(), partial_every, progress)
    }

    fn try_backup_to(&self, store: Store, partial_every: Duration, progress: &Progress) -> Result<RunReport, RunError> {
        let request = self.request(partial_every, RootScope::Full);
        self.open(store).0.run(&request, progress, &AtomicBool::new(false))
    }

    /// With hints that name these directories alone.
    fn backup_hinted(&self, dirs: &[&str]) -> RunReport {
        let (backup, _) = self.open(self.store());
        let hint = |dir: &&str| HintRow {
            dir: RelPath::parse(dir.as_bytes()).unwrap(),
            recursive: false,
            names: vec![],
            reason: "test".into(),
            now_ms: 0,
        };
        let hints: Vec<_> = dirs.iter().map(hint).collect();
        backup.journal.add_hints("root", &hints).unwrap();
        let request = self.request(Duration::from_secs(3600), RootScope::Hints);
        backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap()
    }

    /// The root, and another one that may be away.
    fn backup_two(&self, store: Store) -> Result<RunReport, RunError> {
        let other = self.dir.path().join("other");
        if !other.exists() && !self.dir.path().join("away").exists() {
            fs::create_dir(&other).unwrap();
            fs::write(other.join("file"), "of the other").unwrap();
        }
        let mut request = self.request(Duration::from_secs(3600), RootScope::Full);
        let rules = Rules::compile(&ExcludeConfig::default()).unwrap();
        request.roots.push(RootPlan {
            id: "other".into(),
            path: other,
            rules,
            scope: RootScope::Full,
            class: StorageClass::Standard,
            guard: None,
        });
        self.open(store).0.run(&request, &Progress::default(), &AtomicBool::new(false))
    }

    /// A run whose manifest is stored, which it never hears.
    fn lose_answer_to_manifest(&self) {
        let (store, faults) = self.store().failing();
        // data pack, tree pack and index object come before it
        faults.fail_nth(Verb::Put, 4, Moment::After, rustix::io::Errno::IO);
        assert!(self.backup_two(store).is_err());
    }

    fn last(&self) -> u64 {
        let repository = Repository::open(self.store(), &self.secret).unwrap();
        let machine = repository.machine(self.keys.machine_id).unwrap();
        repository.snapshots(&machine).unwrap().last().unwrap().seq.0
    }

    /// The roots of a snapshot by their ids, without what may differ from run to run.
    fn listing(&self, seq: u64) -> BTreeMap<String, ManifestRoot> {
        let repository = Repository::open(self.store(), &self.secret).unwrap();
        let machine = repository.machine(self.keys.machine_id).unwrap();
        let roots = repository.manifest(&machine, Seq(seq)).unwrap().body.roots;
        let plain = |root: ManifestRoot| ManifestRoot { frozen_by: String::new(), recovery_point: None, ..root };
        roots.into_iter().map(|root| (root.id.clone(), plain(root))).collect()
    }

    fn open(&self, store: Store) -> (Backup, Recovered) {
        let state = self.dir.path().join("state");
        Backup::open(&state, store, self.keys.clone(), Clock::system(), BackupOptions::default()).unwrap()
    }

    fn request(&self, partial_every: Duration, scope: RootScope) -> RunRequest {
        let rules = Rules::compile(&ExcludeConfig::default()).unwrap();
        let plan =
            RootPlan { id: "root".into(), path: self.root(), rules, scope, class: StorageClass::Standard, guard: None };
        RunRequest { roots: vec![plan], partial_every, own_dirs: vec![self.dir.path().join("state")] }
    }

    /// Is the snapshot a partial one, and the regular files in it.
    fn files_of(&self, seq: u64) -> (bool, BTreeMap<String, Vec<u8>>) {
        let repository = Repository::open(self.store(), &self.secret).unwrap();
        let machine = repository.machine(self.keys.machine_id).unwrap();
        let body = repository.manifest(&machine, Seq(seq)).unwrap().body;
        assert_eq!(body.partial, body.roots.iter().any(|root| !root.complete), "a partial snapshot has a partial root");
        let is_file = |entry: &Entry| entry.kind == rozen::model::EntryKind::File;
        let files = self.read(seq).into_iter().filter(|(_, (entry, _))| is_file(entry));
        (body.partial, files.map(|(path, (_, data))| (path, data)).collect())
    }

    /// Everything in a snapshot, read with the recovery secret alone.
    fn read(&self, seq: u64) -> BTreeMap<String, (Entry, Vec<u8>)> {
        let repository = Repository::open(self.store(), &self.secret).unwrap();
        let (machines, errors) = repository.machines().unwrap();
        assert!(errors.is_empty(), "{errors:?}");
        let manifest = repository.manifest(&machines[0], Seq(seq)).unwrap();
        let contents = repository.contents().unwrap();
        let root = manifest.body.roots.iter().find(|root| root.id == "root");
        let tree = TreeReader::new(Nodes(&contents), root.unwrap().tree);
        let mut found = BTreeMap::new();
        tree.visit_from(&TreeKey::default(), &mut |key, entry| {
            let path = key.path().unwrap();
            found.insert(String::from_utf8(path.as_bytes().to_vec()).unwrap(), (entry.clone(), vec![]));
            true
        })
        .unwrap();
        for (entry, data) in found.values_mut() {
            *data = content(&contents, entry);
        }
        found
    }
}

struct Nodes<'a>(&'a Contents);

impl rozen::tree::NodeSource for Nodes<'_> {
    type Error = rozen::repo::RepoError;
    fn node(&self, id: &rozen::model::ChunkId) -> Result<Vec<u8>, Self::Error> {
        self.0.chunk(id)
    }
}

fn content(contents: &Contents, entry: &Entry) -> Vec<u8> {
    let join = |chunks: &[rozen::model::ChunkRef]| -> Vec<u8> {
        chunks.iter().flat_map(|chunk| contents.chunk(&chunk.id).unwrap()).collect()
    };
    let (data, extents) = match &entry.content {
        None => return vec![],
        Some(Content::Bundled { bundle, offset, len, .. }) => {
            let all = contents.chunk(bundle).unwrap();
            (all[*offset as usize..][..*len as usize].to_vec(), entry.extents.clone())
        }
        Some(Content::Chunked { chunks, .. }) => (join(chunks), entry.extents.clone()),
        Some(Content::Mapped { map, .. }) => {
            let map = ContentMap::decode(&join(map)).unwrap();
            (join(&map.chunks), map.extents)
        }
    };
    let Some(extents) = extents else { return data };
    let mut file = vec![0; entry.size as usize];
    let mut at = 0;
    for extent in extents {
        let len = extent.len as usize;
        file[extent.offset as usize..][..len].copy_from_slice(&data[at..at + len]);
        at += len;
    }
    file
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as u8
        })
        .collect()
}

fn files_below(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn assert_equal(lab: &Lab, seq: u64) {
    let stored = lab.read(seq);
    let files: BTreeMap<_, _> = stored
        .iter()
        .filter(|(_, (entry, _))| entry.kind == rozen::model::EntryKind::File)
        .map(|(path, (_, data))| (path.clone(), data.clone()))
        .collect();
    let now = files_below(&lab.root());
    assert_eq!(files.keys().collect::<Vec<_>>(), now.keys().collect::<Vec<_>>());
    for (path, data) in &now {
        assert!(files[path] == *data, "{path} differs");
    }
}

#[test]
fn what_is_backed_up_reads_back_equal_at_every_size() {
    let lab = Lab::new();
    for (i, size) in [0, 1, 100, 131_071, 131_072, 131_073, 1 << 20, (4 << 20) + 1, 20 << 20].into_iter().enumerate() {
        lab.write(&format!("sizes/{size}"), &noise(i as u64 + 1, size));
        lab.write(&format!("text/{size}"), "all work and no play ".repeat(size / 21 + 1).as_bytes());
    }
    for i in 0..3000 {
        lab.write(&format!("many/{}/{i}", i % 7), format!("file {i}").as_bytes());
    }
    let (report, progress) = lab.backup();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(report.snapshot.unwrap().seq, Seq(1));
    assert_equal(&lab, 1);
    assert_eq!(progress.files_read.load(std::sync::atomic::Ordering::Relaxed), 3017);
}

#[test]
fn a_second_run_stores_what_changed_and_an_unchanged_one_nothing() {
    let lab = Lab::new();
    for i in 0..500 {
        lab.write(&format!("d{}/f{i}", i % 20), &noise(i, 2000));
    }
    // older than the racy window, so that nothing must be read twice
    let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    fs::File::options().write(true).open(lab.root().join("d0/f0")).unwrap().set_times(old).unwrap();
    lab.backup();
    lab.write("d3/new", b"hello");
    fs::remove_file(lab.root().join("d4/f4")).unwrap();
    fs::remove_dir_all(lab.root().join("d5")).unwrap();
    fs::rename(lab.root().join("d6"), lab.root().join("moved")).unwrap();
    fs::set_permissions(lab.root().join("d7"), fs::Permissions::from_mode(0o700)).unwrap();
    let (report, _) = lab.backup();
    assert_eq!(report.snapshot.unwrap().seq, Seq(2));
    assert_equal(&lab, 2);
    assert_eq!(lab.read(2)["d7"].0.mode, 0o700);
    assert!(lab.read(1).contains_key("d5/f5"), "older snapshots keep what was deleted");
}

#[test]
fn partial_snapshots_restore_and_the_last_one_is_whole() {
    let lab = Lab::new();
    for i in 0..20 {
        lab.write(&format!("d{i:03}/f"), &noise(i, 5000));
    }
    let (report, _) = lab.backup_every(Duration::ZERO);
    assert!(report.partial_snapshots >= 20, "one after each directory: {}", report.partial_snapshots);
    assert!(lab.read(7).len() < lab.read(21).len(), "partial snapshots hold what was stored so far");
    let repository = Repository::open(lab.store(), &lab.secret).unwrap();
    let (machines, _) = repository.machines().unwrap();
    let last = repository.snapshots(&machines[0]).unwrap().last().unwrap().seq;
    assert_equal(&lab, last.0);
}

#[test]
fn a_partial_snapshot_is_committed_when_it_says_something_new() {
    let lab = Lab::new();
    for i in 0..20 {
        lab.write(&format!("d{i:03}/f"), b"x");
    }
    lab.backup();
    lab.write("d000/f", b"changed");
    let (report, _) = lab.backup_every(Duration::ZERO);
    // what was written just before the first backup is looked at again, which is a change of its own
    assert!((1..=2).contains(&report.partial_snapshots), "{}", report.partial_snapshots);
    assert_equal(&lab, report.snapshot.unwrap().seq.0);
}

/// A target that takes a second for each object, on a clock that nothing else moves, and packs of one file each. Of a file as large as
/// that no more than `AHEAD` are read before the first is stored.
fn on_a_slow_line(lab: &Lab) -> (Backup, Faults) {
    let now = Clock::system().wall();
    let (clock, hands) = Clock::manual(Timestamp::new(now.secs + 3600, 0));
    let (store, faults) = lab.store().failing();
    faults.around(Verb::Put, Moment::After, move || hands.advance(Duration::from_secs(1)));
    let options = BackupOptions { workers: 2, pack_bytes: A_FILE as u64 / 2, ..BackupOptions::default() };
    let state = lab.dir.path().join("state");
    (Backup::open(&state, store, lab.keys.clone(), clock, options).unwrap().0, faults)
}

const A_FILE: usize = 140_000;
/// What the queues of a run hold: 3 in the reader and one in its hand, 4 to be sealed and one at each worker, 6 to be packed, one pack
/// that waits for its place, 2 waiting, one on its way.
const AHEAD: u64 = 20;

#[test]
fn partial_snapshots_come_in_time_whatever_the_folders_are_like() {
    for path in [|i| format!("{i:03}"), |i| format!("d{i:03}/f")] as [fn(u64) -> String; 2] {
        let lab = Lab::new();
        const FILES: u64 = 100;
        (0..FILES).for_each(|i| lab.write(&path(i), &noise(i, A_FILE)));
        let (backup, _) = on_a_slow_line(&lab);
        let request = lab.request(Duration::from_secs(1), RootScope::Full);
        let report = backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap();
        assert!(report.partial_snapshots >= FILES / (AHEAD + 1) - 1, "{}", report.partial_snapshots);
        let mut before = 0;
        for seq in 1..=report.partial_snapshots {
            let (is_partial, files) = lab.files_of(seq);
            assert!(is_partial && files.iter().all(|(path, data)| fs::read(lab.root().join(path)).unwrap() == *data));
            assert!(files.len() as u64 <= before + AHEAD + 1, "{before}, then {}", files.len());
            before = files.len() as u64;
        }
        assert_equal(&lab, report.snapshot.unwrap().seq.0);
        assert!(!lab.files_of(lab.last()).0);
    }
}

#[test]
fn what_was_found_and_not_read_when_a_run_ended_early_is_read_by_the_next() {
    // of some 24 objects between two snapshots, each time another one
    for (is_first, puts) in [(true, 30), (true, 47), (false, 35), (false, 44), (false, 58)] {
        let lab = Lab::new();
        let path = |i: u64| format!("{}/{i:03}", i % 2);
        (0..100).for_each(|i| lab.write(&path(i), format!("before {i}").as_bytes()));
        if !is_first {
            lab.backup();
        }
        (0..100).for_each(|i| lab.write(&path(i), &noise(i, A_FILE)));
        let (backup, faults) = on_a_slow_line(&lab);
        let hint = |dir: &[u8]| HintRow {
            dir: RelPath::parse(dir).unwrap(),
            recursive: false,
            names: vec![],
            reason: "test".into(),
            now_ms: 0,
        };
        let run = || {
            let request = lab.request(Duration::from_secs(1), RootScope::Hints);
            backup.run(&request, &Progress::default(), &AtomicBool::new(false))
        };
        backup.journal.upsert_root("root", &lab.root(), 0).unwrap();
        backup.journal.add_hints("root", &[hint(b"0"), hint(b"1")]).unwrap();
        faults.fail_nth(Verb::Put, puts, Moment::Before, rustix::io::Errno::IO);
        assert!(run().is_err());
        let (is_partial, files) = lab.files_of(lab.last());
        let read = files.iter().filter(|(path, data)| fs::read(lab.root().join(path)).unwrap() == **data).count();
        assert!(is_partial && (1..100).contains(&read), "{is_first}, {puts}: {read}");
        let report = run().unwrap();
        assert_equal(&lab, report.snapshot.unwrap().seq.0);
        assert!(!lab.files_of(lab.last()).0);
    }
}

#[test]
fn a_file_that_takes_longer_than_a_slice_holds_up_no_partial_snapshot_and_is_sent_once() {
    let lab = Lab::new();
    let large = 70 << 20;
    lab.write("a", &noise(1, A_FILE));
    lab.write("b", &noise(2, large));
    lab.write("c", &noise(3, A_FILE));
    let (backup, _) = on_a_slow_line(&lab);
    let progress = Progress::default();
    let request = lab.request(Duration::from_secs(1), RootScope::Full);
    let report = backup.run(&request, &progress, &AtomicBool::new(false)).unwrap();
    assert!(report.partial_snapshots >= 1, "before the large file is complete");
    assert_eq!(lab.files_of(1).1.keys().collect::<Vec<_>>(), ["a"]);
    assert_equal(&lab, report.snapshot.unwrap().seq.0);
    let stored = progress.bytes_stored.load(std::sync::atomic::Ordering::Relaxed);
    assert!(stored < (large + large / 4) as u64, "{stored}");
    assert_eq!(progress.files_read.load(std::sync::atomic::Ordering::Relaxed), 3);
}

/// Whatever made a scan go below folders that no hint names: after a partial snapshot the tree does not tell it any more.
#[test]
fn a_run_that_ends_early_after_a_partial_snapshot_is_made_up_for_in_full() {
    for marker in [".nobackup", ".rozenignore"] {
        let lab = Lab::new();
        for i in 0..12 {
            lab.write(&format!("d/s{i:02}/f"), &noise(i, 500));
        }
        lab.write("linked/old", b"before");
        fs::create_dir(lab.root().join("zone")).unwrap();
        fs::hard_link(lab.root().join("linked/old"), lab.root().join("zone/kept")).unwrap();
        lab.write(&format!("d/{marker}"), b"s*\n");
        lab.backup();
        fs::remove_file(lab.root().join("d").join(marker)).unwrap();
        fs::write(lab.root().join("linked/old"), b"written through a name that is gone").unwrap();
        fs::remove_file(lab.root().join("linked/old")).unwrap();
        // after so many objects the target is away
        for puts in [6, 14, 22] {
            let (store, faults) = lab.store().failing();
            faults.fail_nth(Verb::Put, puts, Moment::Before, rustix::io::Errno::IO);
            let (backup, _) = lab.open(store);
            let hint = |dir: &str| HintRow {
                dir: RelPath::parse(dir.as_bytes()).unwrap(),
                recursive: false,
                names: vec![],
                reason: "test".into(),
                now_ms: 0,
            };
            backup.journal.add_hints("root", &[hint("d"), hint("linked")]).unwrap();
            let run = |every| {
                let request = lab.request(every, RootScope::Hints);
                backup.run(&request, &Progress::default(), &AtomicBool::new(false))
            };
            assert!(run(Duration::ZERO).is_err(), "{marker}: the target fails at {puts}");
            let report = run(Duration::from_secs(3600)).unwrap();
            assert_equal(&lab, report.snapshot.unwrap().seq.0);
            fs::write(lab.root().join("d").join(marker), b"s*\n").unwrap();
            drop(backup);
            lab.backup();
            fs::remove_file(lab.root().join("d").join(marker)).unwrap();
        }
    }
}

#[test]
fn a_lost_state_directory_uploads_no_content_again() {
    let lab = Lab::new();
    for i in 0..300 {
        lab.write(&format!("d{}/f{i}", i % 9), &noise(i, 3000));
    }
    lab.write("large", &noise(99, 9 << 20));
    lab.backup();
    fs::remove_dir_all(lab.dir.path().join("state")).unwrap();
    let packs =
        || fs::read_dir(lab.dir.path().join(format!("repo/machines/{}/packs", lab.keys.machine_id))).unwrap().count();
    let before = packs();
    lab.write("one-more", b"x");
    let (report, _) = lab.backup();
    assert_eq!(report.snapshot.unwrap().seq, Seq(2));
    assert_eq!(packs(), before + 1, "only the pack of the new file");
    assert_equal(&lab, 2);
}

#[test]
fn a_damaged_local_tree_costs_one_failed_run_and_no_upload() {
    let lab = Lab::new();
    for i in 0..300 {
        lab.write(&format!("d{}/f{i}", i % 9), &noise(i, 3000));
    }
    lab.backup();
    lab.journal().execute("DELETE FROM nodes", []).unwrap();
    lab.write("d1/new", b"x");
    let failed = lab.try_backup(Duration::from_secs(3600), &Progress::default());
    assert!(matches!(failed, Err(RunError::LocalTree { .. })), "{failed:?}");
    let (report, progress) = lab.backup();
    assert_eq!(report.snapshot.unwrap().seq, Seq(2));
    assert_equal(&lab, 2);
    assert!(progress.bytes_stored.load(std::sync::atomic::Ordering::Relaxed) < 100_000, "no content again");
}

#[test]
fn partial_snapshots_over_an_existing_tree_do_not_take_it_from_under_the_scan() {
    let lab = Lab::new();
    for i in 0..12_000 {
        lab.write(&format!("d{:03}/f{i}", i % 100), b"x");
    }
    lab.backup();
    for i in [0, 50, 99] {
        lab.write(&format!("d{i:03}/new"), b"hello");
    }
    let report = lab.try_backup(Duration::ZERO, &Progress::default()).unwrap();
    // the files are younger than the racy window: each directory has something to store
    assert!(report.partial_snapshots > 0);
    assert_equal(&lab, report.snapshot.unwrap().seq.0);
    lab.write("d001/newer", b"hello");
    let (report, _) = lab.backup();
    assert_equal(&lab, report.snapshot.unwrap().seq.0);
}

#[test]
fn a_manifest_whose_answer_was_lost_is_found_by_the_next_run() {
    let lab = Lab::new();
    lab.write("a", b"hello");
    lab.backup();
    lab.write("b", b"more");
    let (store, faults) = lab.store().failing();
    faults.fail_nth(Verb::Put, 4, Moment::After, rustix::io::Errno::IO);
    let failed = lab.try_backup_to(store, Duration::from_secs(3600), &Progress::default());
    assert!(failed.is_err(), "data pack, tree pack and index object are put before the manifest");
    lab.write("c", b"and more");
    let (report, _) = lab.backup();
    assert_eq!(report.snapshot.unwrap().seq, Seq(3), "the second snapshot exists");
    assert_equal(&lab, 3);
}

#[test]
fn a_number_that_another_copy_of_this_machine_takes_during_a_run_is_followed() {
    let lab = Lab::new();
    lab.write("a", b"first");
    lab.backup();
    let (dir, copy) = (lab.dir.path(), lab.dir.path().join("copy"));
    fs::create_dir(&copy).unwrap();
    fs::copy(dir.join("state/journal.db"), copy.join("journal.db")).unwrap();
    let (backup, recovered) = lab.open(lab.store());
    assert!(recovered.caught_up.is_none(), "the number is free when the process starts");
    lab.write("b", b"stored by the copy");
    let request = lab.request(Duration::from_secs(3600), RootScope::Full);
    let run = |backup: &Backup| backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap();
    let options = BackupOptions::default();
    let (other, _) = Backup::open(&copy, lab.store(), lab.keys.clone(), Clock::system(), options).unwrap();
    assert_eq!(run(&other).snapshot.unwrap().seq, Seq(2));
    fs::remove_file(lab.root().join("a")).unwrap();
    let report = run(&backup);
    assert_eq!(report.snapshot.unwrap().seq, Seq(3));
    let codes: Vec<_> = report.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [ProblemCode::AnotherCopy], "{:?}", report.problems);
    assert_equal(&lab, 3);
    assert!(run(&backup).problems.is_empty());
}

#[test]
fn a_manifest_that_arrives_after_its_run_was_given_up_is_followed_and_nobody_else_blamed() {
    let lab = Lab::new();
    lab.write("a", b"first");
    lab.backup();
    lab.write("b", b"second");
    let manifest = lab.dir.path().join(format!("repo/machines/{}/snapshots/{:020}", lab.keys.machine_id, 2));
    let late = lab.dir.path().join("late");
    let (store, faults) = lab.store().failing();
    let on_its_way = (manifest.clone(), late.clone());
    faults.around(Verb::Put, Moment::After, move || drop(fs::rename(&on_its_way.0, &on_its_way.1)));
    faults.fail_nth(Verb::Put, 4, Moment::After, rustix::io::Errno::IO);
    lab.try_backup_to(store, Duration::from_secs(3600), &Progress::default()).unwrap_err();
    let (backup, _) = lab.open(lab.store());
    fs::rename(&late, &manifest).unwrap();
    let request = lab.request(Duration::from_secs(3600), RootScope::Full);
    lab.write("c", b"third");
    let report = backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap();
    assert_eq!((report.snapshot.unwrap().seq, report.problems), (Seq(3), vec![]));
    assert_equal(&lab, 3);
}

#[test]
fn a_root_that_cannot_be_read_keeps_its_tree_whatever_became_of_the_local_state() {
    for lost in ["state", "nodes", "the answer to the manifest"] {
        let lab = Lab::new();
        lab.write("a", b"hello");
        lab.backup_two(lab.store()).unwrap();
        let listed = lab.listing(1);
        match lost {
            "state" => fs::remove_dir_all(lab.dir.path().join("state")).unwrap(),
            "nodes" => lab.open(lab.store()).0.journal.drop_tree("other").unwrap(),
            _ => {
                lab.write("b", b"more");
                lab.lose_answer_to_manifest();
            }
        }
        let before = lab.listing(lab.last());
        fs::rename(lab.dir.path().join("other"), lab.dir.path().join("away")).unwrap();
        lab.write("c", b"new");
        let report = lab.backup_two(lab.store()).unwrap();
        assert_eq!(report.unavailable, ["other"], "{lost}");
        let after = lab.listing(report.snapshot.unwrap().seq.0);
        assert_eq!(after["other"], before["other"], "{lost}");
        assert_eq!((after["other"].tree, after["other"].entries), (listed["other"].tree, 2), "{lost}");
        assert_ne!(after["root"].tree, before["root"].tree, "{lost}");
    }
}

#[test]
fn what_a_hidden_commit_stored_is_in_the_next_snapshot_though_no_hint_names_it() {
    let lab = Lab::new();
    lab.write("a", b"hello");
    lab.write("d/x", b"x");
    lab.backup_two(lab.store()).unwrap();
    lab.write("b", b"found by a full comparison");
    lab.lose_answer_to_manifest();
    lab.write("d/c", b"seen by the watcher");
    assert_eq!(lab.backup_hinted(&["d"]).snapshot.unwrap().seq, Seq(3));
    assert_equal(&lab, 3);
    assert_eq!(lab.listing(3)["root"].entries, 6);
    assert!(lab.backup_two(lab.store()).unwrap().snapshot.is_none(), "nothing has changed since");
}

#[test]
fn a_configuration_is_stored_once_and_named_by_every_snapshot_that_it_made() {
    let lab = Lab::new();
    lab.write("a", b"hello");
    let backup = |config: &str| {
        let backup = lab.open(lab.store()).0.with_config(config.to_owned());
        let request = lab.request(Duration::from_secs(3600), RootScope::Full);
        backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap().snapshot
    };
    let repository = || Repository::open(lab.store(), &lab.secret).unwrap();
    let config = |seq| {
        let (repository, machine) = (repository(), repository().machine(lab.keys.machine_id).unwrap());
        let hash = repository.manifest(&machine, Seq(seq)).unwrap().body.config.unwrap();
        (hash, repository.config(&machine, &hash).unwrap().text)
    };
    backup("first").unwrap();
    assert!(backup("first").is_none());
    lab.write("b", b"more");
    backup("first").unwrap();
    assert_eq!(config(1), config(2));
    backup("second").expect("another configuration is news");
    assert_eq!((config(2).1.as_str(), config(3).1.as_str()), ("first", "second"));
    let objects = lab.store().list(&format!("machines/{}/config/", lab.keys.machine_id)).unwrap();
    assert_eq!(objects.len(), 2);
}

#[test]
fn an_edited_ignore_file_counts_for_everything_below_it() {
    let lab = Lab::new();
    lab.write("d/.rozenignore", b"*.log\n");
    lab.write("d/x/y/a.log", b"left out");
    lab.backup();
    assert!(!lab.read(1).contains_key("d/x/y/a.log"));
    lab.write("d/.rozenignore", b"\n");
    let (backup, _) = lab.open(lab.store());
    let dir = rozen::model::RelPath::parse(b"d").unwrap();
    let hint = HintRow { dir, recursive: false, names: vec![], reason: "test".into(), now_ms: 1 };
    backup.journal.add_hints("root", &[hint]).unwrap();
    let request = lab.request(Duration::from_secs(3600), RootScope::Hints);
    backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap();
    assert!(lab.read(2).contains_key("d/x/y/a.log"));
}

#[test]
fn a_root_whose_guard_refuses_keeps_all_that_was_stored() {
    let lab = Lab::new();
    lab.write("a", b"hello");
    lab.backup();
    fs::remove_file(lab.root().join("a")).unwrap();
    let (backup, _) = lab.open(lab.store());
    let mut request = lab.request(Duration::from_secs(3600), RootScope::Full);
    let problem = Problem::new(ProblemCode::RootUnavailable, b"", "not the folder", "mount it");
    request.roots[0].guard = Some(std::sync::Arc::new(move || Err(problem.clone())));
    let report = backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap();
    assert_eq!((report.snapshot, report.unavailable), (None, vec!["root".to_owned()]));
}

#[test]
fn a_change_through_one_name_of_a_file_is_stored_under_all_its_names() {
    let lab = Lab::new();
    lab.write("a/one", b"first");
    lab.write("b/other", b"x");
    lab.write("c/other", b"x");
    fs::hard_link(lab.root().join("a/one"), lab.root().join("b/two")).unwrap();
    lab.backup();
    // the watcher names the directory of the name that was used, and no other
    fs::write(lab.root().join("b/two"), "second, longer").unwrap();
    lab.backup_hinted(&["b"]);
    assert_equal(&lab, 2);
    fs::hard_link(lab.root().join("b/two"), lab.root().join("c/three")).unwrap();
    lab.backup_hinted(&["c"]);
    let stored = lab.read(3);
    for name in ["a/one", "b/two", "c/three"] {
        assert_eq!((stored[name].0.nlink, stored[name].0.ino), (Some(3), stored["a/one"].0.ino), "{name}");
    }
    // one of the directories that hold its names is elsewhere now
    fs::rename(lab.root().join("a"), lab.root().join("moved")).unwrap();
    fs::write(lab.root().join("b/two"), "third, longer still").unwrap();
    lab.backup_hinted(&["b", ""]);
    assert_equal(&lab, 4);
    // the name that was used is gone, or its whole directory
    fs::write(lab.root().join("b/two"), "fourth, and then removed").unwrap();
    fs::remove_file(lab.root().join("b/two")).unwrap();
    lab.backup_hinted(&["b"]);
    assert_equal(&lab, 5);
    fs::write(lab.root().join("c/three"), "fifth, and then removed with all beside it").unwrap();
    fs::remove_dir_all(lab.root().join("c")).unwrap();
    lab.backup_hinted(&[""]);
    assert_equal(&lab, 6);
}

/// Wall clock far enough ahead that no change counts as made around the cut.
fn later() -> Clock {
    let now = Clock::system().wall();
    Clock::manual(rozen::model::Timestamp::new(now.secs + 60, 0)).0
}

#[test]
fn a_full_comparison_counts_the_directories_with_changes_that_no_hint_had_named() {
    let lab = Lab::new();
    for dir in ["a", "b", "c"] {
        lab.write(&format!("{dir}/f"), b"x");
    }
    let open = || {
        let state = lab.dir.path().join("state");
        Backup::open(&state, lab.store(), lab.keys.clone(), later(), BackupOptions::default()).unwrap().0
    };
    let run = |backup: &Backup| {
        let request = lab.request(Duration::from_secs(3600), RootScope::Full);
        let mut report = backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap();
        report.roots.remove(0).missed_by_watcher
    };
    let backup = open();
    assert_eq!(run(&backup), 0, "there was nothing to compare with");
    fs::write(lab.root().join("a/f"), "hinted").unwrap();
    fs::write(lab.root().join("b/f"), "not hinted").unwrap();
    fs::write(lab.root().join("b/g"), "not hinted either").unwrap();
    fs::remove_file(lab.root().join("c/f")).unwrap();
    let dir = RelPath::parse(b"a").unwrap();
    let hint = HintRow { dir, recursive: false, names: vec![], reason: "test".into(), now_ms: 0 };
    backup.journal.add_hints("root", &[hint]).unwrap();
    assert_eq!(run(&backup), 2, "b and c");
    assert_eq!(run(&backup), 0, "they are stored now");
}

#[test]
fn directories_to_be_looked_at_again_are_reported_with_their_hints() {
    let lab = Lab::new();
    lab.write("d/changes", &noise(1, 32 << 20));
    let over = AtomicBool::new(false);
    let (report, waiting) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = fs::File::options().write(true).open(lab.root().join("d/changes")).unwrap();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                std::os::unix::fs::FileExt::write_at(&file, b"x", 0).unwrap();
            }
        });
        let (backup, _) = lab.open(lab.store());
        let request = lab.request(Duration::from_secs(3600), RootScope::Full);
        let report = backup.run(&request, &Progress::default(), &AtomicBool::new(false));
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        (report.unwrap(), backup.journal.pending("root").unwrap().count)
    });
    assert_eq!(report.problems[0].code, ProblemCode::ChangedWhileRead);
    assert_eq!((report.roots[0].look_again, waiting), (1, 1));
}

#[test]
fn a_spooled_pack_whose_name_the_target_holds_with_other_bytes_is_told_and_its_content_stored_anew() {
    use rozen::store::{PutSource, Verb};
    let lab = Lab::new();
    lab.write("a", &noise(5, 300_000));
    // the pack stays in the spool
    let (store, faults) = lab.store().failing();
    faults.fail_all(Verb::Put, rustix::io::Errno::IO);
    lab.try_backup_to(store, Duration::from_secs(3600), &Progress::default()).unwrap_err();
    let spooled = fs::read_dir(lab.dir.path().join("state/spool")).unwrap().next().unwrap().unwrap().path();
    let hash = spooled.file_stem().unwrap().to_str().unwrap();
    let machine = lab.keys.machine_id;
    for folder in ["packs", "trees"] {
        let taken = format!("machines/{machine}/{folder}/{hash}").parse().unwrap();
        lab.store().put_if_absent(&taken, PutSource::Bytes(b"other bytes"), StorageClass::Standard).unwrap();
    }
    let (backup, recovered) = lab.open(lab.store());
    assert!(matches!(&recovered.damaged[..], [name] if name.leaf() == hash), "{recovered:?}");
    let request = lab.request(Duration::from_secs(3600), RootScope::Full);
    let report = backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap();
    assert!(report.problems.iter().any(|problem| problem.code == ProblemCode::Damaged && problem.path.ends_with(hash)));
    drop(backup);
    assert_equal(&lab, 1);
    assert!(lab.open(lab.store()).1.damaged.is_empty(), "it is told once");
}

#[test]
fn an_unchanged_root_costs_no_request() {
    use rozen::journal::Journal;
    use rozen::store::Verb::*;
    let lab = Lab::new();
    lab.write("d/f", b"x");
    let state = lab.dir.path().join("state");
    let run = |scope| {
        let (store, recorder) = lab.store().recording();
        let journal = Journal::open(&state).unwrap();
        let opened = Backup::with_journal(journal, &state, store, lab.keys.clone(), later(), BackupOptions::default());
        let report = opened.unwrap().0.run(
            &lab.request(Duration::from_secs(3600), scope),
            &Progress::default(),
            &AtomicBool::new(false),
        );
        let calls = [Put, GetRange, List, Delete].map(|verb| recorder.calls(verb));
        let looks = [Get, Head].map(|verb| recorder.calls(verb));
        (report.unwrap().snapshot.is_some(), calls.iter().sum::<u64>(), looks)
    };
    assert!(run(RootScope::Full).0);
    // a disk may be another one than at the last run: its record and its last snapshot are looked at. A bucket is asked
    // at the start of an agent alone
    for scope in [RootScope::Full, RootScope::Hints] {
        assert_eq!(run(scope), (false, 0, [2, 1]), "{scope:?}");
    }
    lab.write("d/f", b"changed");
    let (stored, calls, _) = run(RootScope::Full);
    assert!(stored && calls > 0);
}

#[test]
fn a_target_that_is_away_for_long_lets_the_spool_grow_no_further() {
    use rozen::store::Verb;
    let lab = Lab::new();
    lab.write("first", b"x");
    lab.backup();
    let spooled = || -> u64 {
        let files = fs::read_dir(lab.dir.path().join("state/spool")).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let mut sizes = Vec::new();
    for round in 0..6 {
        lab.write(&format!("more/{round}"), &noise(round, 2 << 20));
        let (store, faults) = lab.store().failing();
        faults.fail_all(Verb::Put, rustix::io::Errno::NETUNREACH);
        let state = lab.dir.path().join("state");
        let options = BackupOptions { pack_bytes: 1 << 20, ..BackupOptions::default() };
        let failed = Backup::open(&state, store, lab.keys.clone(), Clock::system(), options).and_then(|(backup, _)| {
            let request = lab.request(Duration::from_secs(3600), RootScope::Full);
            backup.run(&request, &Progress::default(), &AtomicBool::new(false))
        });
        assert!(failed.is_err());
        sizes.push(spooled());
    }
    assert!(sizes[0] > 0 && sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    let (report, _) = lab.backup();
    assert_equal(&lab, report.snapshot.unwrap().seq.0);
}

/// Runs `act` on a thread that may not read what modes forbid, also as root.
fn bound_by_modes<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut rights = capabilities(None).unwrap();
            rights.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
            set_capabilities(None, rights).unwrap();
            act()
        });
        thread.join().unwrap()
    })
}

#[test]
fn what_cannot_be_read_keeps_its_entry_while_lost_content_is_stored_again() {
    let lab = Lab::new();
    lab.write("lost", &noise(1, 200_000));
    lab.write("file", b"unreadable later");
    lab.write("dir/below", b"in a folder that is unreadable later");
    fs::create_dir_all(lab.root().join("only/folders")).unwrap();
    lab.backup();
    let machine = lab.keys.machine_id;
    let objects = |folder: &str| lab.store().list(&format!("machines/{machine}/{folder}/")).unwrap();
    let (packs, trees) = (objects("packs"), objects("trees"));
    for object in packs.iter().chain(&trees) {
        lab.store().delete(&object.name).unwrap();
    }
    let lost: Vec<_> = packs.iter().chain(&trees).map(|object| object.name.leaf().parse().unwrap()).collect();
    assert_eq!(lab.open(lab.store()).0.journal.lose_packs(&lost, 1).unwrap() as usize, lost.len());
    let mode = |name: &str, mode| fs::set_permissions(lab.root().join(name), PermissionsExt::from_mode(mode)).unwrap();
    ["file", "dir"].iter().for_each(|name| mode(name, 0o000));
    let report = bound_by_modes(|| lab.backup().0);
    ["file", "dir"].iter().for_each(|name| mode(name, 0o755));
    let unread = report.problems.iter().filter(|problem| problem.code == ProblemCode::Unreadable).count();
    assert_eq!((report.snapshot.unwrap().seq, unread), (Seq(2), 2), "{:?}", report.problems);
    // the tree is whole again, and of what could not be read it says what it said before
    let repository = Repository::open(lab.store(), &lab.secret).unwrap();
    let contents = repository.contents().unwrap();
    let machine = repository.machine(machine).unwrap();
    let tree = repository.manifest(&machine, Seq(2)).unwrap().body.roots[0].tree;
    let tree = TreeReader::new(&contents, tree);
    let entry = |path: &str| tree.entry(&RelPath::parse(path.as_bytes()).unwrap()).unwrap().unwrap();
    assert_eq!(content(&contents, &entry("lost")), noise(1, 200_000));
    for kept in ["file", "dir/below"] {
        assert!(entry(kept).content.is_some(), "{kept}");
    }
    assert_eq!(entry("only/folders").kind, rozen::model::EntryKind::Dir);
    // what could not be read is no reason to read the rest again with each run
    let distrust = || lab.open(lab.store()).0.journal.distrust("root").unwrap();
    assert_eq!(distrust(), Some(Distrust::Kept));
    let read = lab.backup_hinted(&["only"]);
    assert_eq!((read.bytes, distrust()), (0, Some(Distrust::Kept)));
    let report = lab.backup().0;
    assert_eq!(report.problems, []);
    assert_equal(&lab, report.snapshot.unwrap().seq.0);
    assert_eq!(distrust(), None, "it was read whole");
}

#[test]
fn a_panic_of_an_uploader_ends_the_run_and_nobody_waits_for_its_queue() {
    let lab = Lab::new();
    // more packs than all queues hold
    for i in 0..24 {
        lab.write(&format!("f{i}"), &noise(i, 1 << 20));
    }
    let (store, faults) = lab.store().failing();
    faults.around(Verb::Put, Moment::Before, || panic!("ordered by the test"));
    let options = BackupOptions { pack_bytes: 1 << 20, workers: 2, ..BackupOptions::default() };
    let state = lab.dir.path().join("state");
    let (backup, _) = Backup::open(&state, store, lab.keys.clone(), Clock::system(), options).unwrap();
    let request = lab.request(Duration::from_secs(3600), RootScope::Full);
    let run = || backup.run(&request, &Progress::default(), &AtomicBool::new(false)).map(drop);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    drop(backup);
    let (report, _) = lab.backup();
    assert_equal(&lab, report.snapshot.unwrap().seq.0);
}

#[test]
fn a_server_that_stalls_stops_the_reading_and_nothing_grows() {
    use std::sync::atomic::Ordering::Relaxed;

    const FILES: u64 = 64;
    let lab = Lab::new();
    for i in 0..FILES {
        lab.write(&format!("f{i}"), &noise(i, 1 << 20));
    }
    let (store, faults) = lab.store().failing();
    let answers = std::sync::Arc::new((std::sync::Mutex::new(false), std::sync::Condvar::new()));
    let server = answers.clone();
    faults.around(Verb::Put, Moment::Before, move || {
        drop(server.1.wait_while(server.0.lock().unwrap(), |answers| !*answers).unwrap());
    });
    let options = BackupOptions { pack_bytes: 1 << 20, workers: 2, ..BackupOptions::default() };
    let state = lab.dir.path().join("state");
    let (backup, _) = Backup::open(&state, store, lab.keys.clone(), Clock::system(), options).unwrap();
    let progress = Progress::default();
    let read = || progress.bytes_read.load(Relaxed) >> 20;
    let stopped_at = std::thread::scope(|scope| {
        let request = lab.request(Duration::from_secs(3600), RootScope::Full);
        let (backup, progress) = (&backup, &progress);
        let run = scope.spawn(move || backup.run(&request, progress, &AtomicBool::new(false)));
        // until nothing moves; to look too early could only show less
        let (mut last, mut quiet) = (0, 0);
        while (last == 0 || quiet < 50) && !run.is_finished() {
            std::thread::sleep(Duration::from_millis(20));
            quiet = if read() == last { quiet + 1 } else { 0 };
            last = read();
        }
        *answers.0.lock().unwrap() = true;
        answers.1.notify_all();
        run.join().unwrap().unwrap();
        last
    });
    // one MiB each: 4 packs, 6 frames, 2 workers, 4 pieces of work and 3 in the hands of the threads
    assert!(stopped_at <= 24, "{stopped_at} of {FILES} MiB were read while nothing could be sent");
    assert_equal(&lab, 1);
}

/// A disk in a file that finds no room for it: whatever is written is taken, and fails when it is to go to the disk. Told once, the
/// kernel takes the pages for clean, and to flush again succeeds.
#[test]
fn what_a_disk_could_not_take_is_read_again_though_flushing_it_again_succeeds() {
    let lab = Lab::new();
    let at = |name: &str| lab.dir.path().join(name);
    let run = |program: &str, args: &[&str]| {
        std::process::Command::new(program).args(args).output().is_ok_and(|done| done.status.success())
    };
    let (room, disk) = (at("room"), at("disk"));
    let (image, room, disk) = (at("room/image"), room.to_str().unwrap(), disk.to_str().unwrap());
    [room, disk].iter().for_each(|dir| fs::create_dir(dir).unwrap());
    let is_made = run("mount", &["-t", "tmpfs", "-o", "size=6m", "tmpfs", room])
        && fs::File::create(&image).and_then(|file| file.set_len(128 << 20)).is_ok()
        && run("mkfs.ext4", &["-q", "-F", "-O", "^has_journal", image.to_str().unwrap()])
        && run("mount", &["-o", "loop", image.to_str().unwrap(), disk]);
    let unmount = || {
        [disk, room].iter().for_each(|dir| {
            run("umount", &["-l", dir]);
        })
    };
    if !is_made {
        eprintln!("skipped: it needs root, mkfs.ext4 and a loop device");
        return unmount();
    }
    for name in ["repo", "state"] {
        let there = Path::new(disk).join(name);
        fs::create_dir(&there).unwrap();
        if at(name).exists() {
            assert!(run("cp", &["-a", &format!("{}/.", at(name).display()), there.to_str().unwrap()]));
            fs::remove_dir_all(at(name)).unwrap();
        }
        std::os::unix::fs::symlink(&there, at(name)).unwrap();
    }
    lab.write("large", &noise(5, 12 << 20));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let failed = lab.try_backup(Duration::from_secs(3600), &Progress::default());
        let has_failed = failed.is_err();
        assert!(run("mount", &["-o", "remount,size=200m", room]));
        let (report, _) = lab.backup();
        assert!(run("umount", &[disk]) && run("mount", &["-o", "loop", image.to_str().unwrap(), disk]));
        assert_equal(&lab, report.snapshot.unwrap().seq.0);
        assert!(has_failed, "the disk had room for all of it");
    }));
    unmount();
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}
