//! Real backups restored to a real filesystem and compared by rsync, which knows nothing of rozen.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use rozen::backup::{Backup, BackupOptions, Progress, RootPlan, RootScope, RunRequest};
use rozen::check;
use rozen::chunk::ChunkLimits;
use rozen::clock::Clock;
use rozen::config::exclude::{ExcludeConfig, Rules};
use rozen::crypto::{MachineKeys, RecoverySecret};
use rozen::format::Manifest;
use rozen::history::{SnapshotSpec, pick, pick_machine};
use rozen::model::StorageClass;
use rozen::repo::{self, Repository};
use rozen::restore::{self, Overwrite, RestoreOptions, RestoreReport, RestoreTo};
use rozen::store::{Store, StoreUrl};

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
        let store = Store::create(&StoreUrl::Dir(dir.path().join("repo"))).unwrap();
        let id = repo::create(&store, &secret, ChunkLimits::DEFAULT, "now").unwrap();
        let keys = repo::enroll(&store, &secret, id).unwrap();
        Self { dir, secret, keys }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn to(&self) -> PathBuf {
        self.dir.path().join("to")
    }

    fn store(&self) -> Store {
        Store::open(&StoreUrl::Dir(self.dir.path().join("repo"))).unwrap()
    }

    fn backup(&self) {
        let state = self.dir.path().join("state");
        let options = BackupOptions::default();
        let (backup, _) = Backup::open(&state, self.store(), self.keys.clone(), Clock::system(), options).unwrap();
        let plan = RootPlan {
            id: "root".into(),
            path: self.root(),
            rules: Rules::compile(&ExcludeConfig::default()).unwrap(),
            scope: RootScope::Full,
            class: StorageClass::Standard,
            guard: None,
        };
        let request = RunRequest { roots: vec![plan], partial_every: Duration::from_secs(3600), own_dirs: vec![state] };
        backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap();
    }

    fn open(&self) -> (Repository, Manifest) {
        let repository = Repository::open(self.store(), &self.secret).unwrap();
        let machine = pick_machine(&repository, None).unwrap();
        let manifest = pick(&repository, &machine, SnapshotSpec::Latest).unwrap().manifest;
        (repository, manifest)
    }

    fn restore(&self, options: RestoreOptions) -> RestoreReport {
        let (repository, manifest) = self.open();
        restore::run(&repository.contents().unwrap(), &manifest, options, &restore::Progress::default()).unwrap()
    }

    /// What rsync would still have to do to make `to` equal `root`.
    fn differences(&self) -> Option<String> {
        let args = ["-aHAXn", "--itemize-changes", "--checksum", "--delete", "--specials", "--devices"];
        let [from, to] = [self.root(), self.to()].map(|path| format!("{}/", path.display()));
        match Command::new("rsync").args(args).args([from, to]).output() {
            Ok(output) if output.status.success() => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
            Ok(output) => panic!("rsync: {}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => {
                eprintln!("skipped: the comparison needs rsync");
                None
            }
        }
    }
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn set_mtime(path: &Path, secs: i64, nanos: u32) {
    let base = SystemTime::UNIX_EPOCH;
    let whole = Duration::from_secs(secs.unsigned_abs());
    let time = if secs < 0 { base - whole } else { base + whole } + Duration::from_nanos(nanos.into());
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Kinds, names, sizes, times and modes that are easy to lose.
fn hostile_tree(root: &Path) {
    fs::create_dir_all(root.join("dir/sub")).unwrap();
    for name in [&b"\xff\xfe not text"[..], b"new\nline", &[b'x'; 255], b" ", b"-n"] {
        fs::write(root.join(OsStr::from_bytes(name)), name).unwrap();
    }
    for (at, size) in [0, 1, 131_071, 131_072, 131_073, 1 << 20, 5 << 20, 12 << 20].into_iter().enumerate() {
        fs::write(root.join(format!("dir/size-{size}")), noise(at as u64 + 1, size)).unwrap();
    }
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    for at in [0, 300 << 20, (1 << 30) - 4096] {
        sparse.write_all_at(&noise(at, 4096), at).unwrap();
    }
    symlink("dir/sub", root.join("link")).unwrap();
    symlink("/nowhere", root.join("dir/dangling")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    fs::hard_link(root.join("dir/size-1"), root.join("dir/sub/same")).unwrap();
    fs::hard_link(root.join("dir/size-5242880"), root.join("again")).unwrap();
    fs::set_permissions(root.join(" "), fs::Permissions::from_mode(0o4711)).unwrap();
    fs::set_permissions(root.join("dir/sub"), fs::Permissions::from_mode(0o1555)).unwrap();
    set_mtime(&root.join("-n"), -1_000_000_000, 999_999_999);
    set_mtime(&root.join("new\nline"), 1 << 33, 1);
    for (program, args) in
        [("mkfifo", "fifo"), ("setfattr", "-n user.note -v text -h -- dir"), ("setfacl", "-m u:1234:rwx,d:g:77:r dir")]
    {
        let made = Command::new(program).args(args.split(' ')).current_dir(root).status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("skipped: {program} is not there or not supported by the filesystem");
        }
    }
    for n in 0..2000 {
        let dir = root.join(format!("many/{}/{}", n % 10, n % 40));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("{n}")), noise(n, n as usize % 3000)).unwrap();
    }
}

#[test]
fn a_hostile_tree_comes_back_as_it_was() {
    let lab = Lab::new();
    hostile_tree(&lab.root());
    lab.backup();
    let report = lab.restore(RestoreOptions::new(RestoreTo::Dir(lab.to())));
    assert_eq!(report.problems, []);
    assert_eq!(report.hard_links, 2);
    if let Some(differences) = lab.differences() {
        assert_eq!(differences, "");
    }
    let blocks = |dir: PathBuf| fs::metadata(dir.join("sparse")).unwrap().blocks();
    assert!(blocks(lab.to()) <= blocks(lab.root()), "it is not sparse again");
}

#[test]
fn a_second_restore_finds_everything_done_and_one_in_place_brings_back_what_was_lost() {
    let lab = Lab::new();
    hostile_tree(&lab.root());
    lab.backup();
    let first = lab.restore(RestoreOptions::new(RestoreTo::Dir(lab.to())));
    let second = lab.restore(RestoreOptions::new(RestoreTo::Dir(lab.to())));
    assert_eq!((second.files, second.hard_links, second.others, second.kept), (0, 0, 0, 0));
    assert_eq!(second.skipped, first.files + first.hard_links + first.others);
    fs::write(lab.root().join("-n"), b"overwritten by mistake").unwrap();
    fs::remove_dir_all(lab.root().join("many")).unwrap();
    fs::remove_file(lab.root().join("again")).unwrap();
    let in_place = RestoreOptions { overwrite: Overwrite::Changed, ..RestoreOptions::new(RestoreTo::InPlace) };
    let report = lab.restore(in_place);
    assert_eq!(report.problems, []);
    assert_eq!((report.files, report.hard_links), (2002, 1));
    if let Some(differences) = lab.differences() {
        assert_eq!(differences, "");
    }
}

#[test]
fn a_real_repository_passes_a_full_check() {
    let lab = Lab::new();
    hostile_tree(&lab.root());
    lab.backup();
    let (repository, _) = lab.open();
    let options = check::CheckOptions { read_data: 100 };
    let report = check::run(&repository, options, &check::CheckProgress::default()).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.packs_read, report.packs);
}

/// Nothing in them can be touched any more, and nothing needs to be.
#[test]
fn a_second_restore_over_protected_folders_has_nothing_to_say() {
    let lab = Lab::new();
    let protect = |at: &Path, how: &str| {
        Command::new("chattr")
            .args(["-R", how])
            .arg(at)
            .stderr(std::process::Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    for (name, how) in [("fixed", "+i"), ("grows", "+a")] {
        fs::create_dir(lab.root().join(name)).unwrap();
        fs::write(lab.root().join(name).join("f"), name).unwrap();
        if !protect(&lab.root().join(name), how) {
            eprintln!("skipped: protecting files needs root, chattr and a filesystem that knows it");
            return;
        }
    }
    lab.backup();
    let reports = [(); 2].map(|()| lab.restore(RestoreOptions::new(RestoreTo::Dir(lab.to()))));
    for at in [lab.root(), lab.to()] {
        assert!(protect(&at, "-i") && protect(&at, "-a"));
    }
    assert_eq!(reports.map(|report| report.problems), [vec![], vec![]]);
}
