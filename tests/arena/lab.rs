//! Runs in this process, against a target in memory, with a clock that is told what time it is.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rozen::backup::{Backup, BackupOptions, Progress, RootPlan, RootScope, RunReport, RunRequest};
use rozen::chunk::ChunkLimits;
use rozen::clock::{Clock, ManualClock};
use rozen::config::exclude::{ExcludeConfig, Rules};
use rozen::crypto::{MachineKeys, RecoverySecret};
use rozen::journal::{ArenaPack, Journal};
use rozen::model::{MergeRule, ObjectHash, StorageClass, Timestamp};
use rozen::repo::{self, Repository, names};
use rozen::restore::{self, RestoreOptions, RestoreTo};
use rozen::store::{Faults, Recorder, Store};

use crate::common::{Noise, assert_same, read_facts};

/// Of one small run, about: content that nothing compresses.
pub const SMALL: usize = 60_000;

pub struct Lab {
    dir: tempfile::TempDir,
    /// Without faults, uncounted.
    pub target: Store,
    store: Store,
    pub faults: Faults,
    pub counted: Recorder,
    pub secret: RecoverySecret,
    pub keys: MachineKeys,
    clock: Clock,
    pub time: ManualClock,
    noise: Noise,
    files: usize,
    pub merge: Option<MergeRule>,
    /// A full pack of the archive.
    pub full: u64,
}

impl Lab {
    /// Packs are merged at ten small runs, or after a day.
    pub fn new() -> Self {
        let target = Store::memory();
        let secret = RecoverySecret::generate();
        let id = repo::create(&target, &secret, ChunkLimits::DEFAULT, "now").unwrap();
        let keys = repo::enroll(&target, &secret, id).unwrap();
        let (store, counted) = target.clone().recording();
        let (store, faults) = store.failing();
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        let now = Clock::system().wall();
        // far enough ahead that no file counts as changed just now
        let (clock, time) = Clock::manual(Timestamp::new(now.secs + 3600, 0));
        let merge = Some(MergeRule { at_bytes: 10 * SMALL as u64, after: Duration::from_secs(24 * 3600) });
        let noise = Noise::new(3);
        Self { dir, target, store, faults, counted, secret, keys, clock, time, noise, files: 0, merge, full: 1 << 30 }
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A new file of `bytes`.
    pub fn write(&mut self, bytes: usize) {
        self.files += 1;
        fs::write(self.root().join(self.files.to_string()), self.noise.bytes(bytes)).unwrap();
    }

    /// A run in a process of its own that finds nothing but a new small file.
    pub fn small_run(&mut self) -> RunReport {
        self.write(SMALL);
        self.run()
    }

    pub fn run(&self) -> RunReport {
        let (store, keys, clock) = (self.store.clone(), self.keys.clone(), self.clock.clone());
        let (merge, archive_pack_bytes) = (self.merge, self.full);
        let options = BackupOptions { merge, archive_pack_bytes, ..BackupOptions::default() };
        let (backup, _) = Backup::open(&self.state(), store, keys, clock, options).unwrap();
        let plan = RootPlan {
            id: "root".into(),
            path: self.root(),
            rules: Rules::compile(&ExcludeConfig::default()).unwrap(),
            scope: RootScope::Full,
            class: StorageClass::DeepArchive,
            guard: None,
        };
        let partial_every = Duration::from_secs(3600);
        let request = RunRequest { roots: vec![plan], partial_every, own_dirs: vec![self.state()] };
        backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap()
    }

    pub fn journal(&self) -> Journal {
        Journal::open(&self.state()).unwrap()
    }

    pub fn waiting(&self) -> Vec<ArenaPack> {
        self.journal().arena_waiting().unwrap()
    }

    /// Local copies, in the order of their names.
    pub fn copies(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state().join("arena")).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// Sizes of the packs of content in the target.
    pub fn packs(&self) -> Vec<u64> {
        let folder = names::folder(&self.keys.machine_id, "packs");
        self.target.list(&folder).unwrap().iter().map(|pack| pack.size).collect()
    }

    /// As a prune would, one day.
    pub fn remove(&self, packs: &[ObjectHash]) {
        packs.iter().for_each(|pack| self.target.delete(&names::pack(&self.keys.machine_id, false, pack)).unwrap());
    }

    /// The newest snapshot is the folder as it is now, and the spool is empty.
    pub fn assert_restores(&self) {
        self.assert_last_snapshot();
        assert_eq!(fs::read_dir(self.state().join("spool")).unwrap().count(), 0);
    }

    pub fn assert_last_snapshot(&self) {
        let repository = Repository::open(self.target.clone(), &self.secret).unwrap();
        let machine = repository.machine(self.keys.machine_id).unwrap();
        let last = repository.snapshots(&machine).unwrap().pop().unwrap();
        let manifest = repository.manifest(&machine, last.seq).unwrap();
        let to = tempfile::tempdir().unwrap();
        let options = RestoreOptions::new(RestoreTo::Dir(to.path().join("out")));
        let report =
            restore::run(&repository.contents().unwrap(), &manifest, options, &restore::Progress::default()).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_same(&read_facts(&self.root()), &read_facts(&to.path().join("out")));
    }
}
