//! Runs against a target that takes large packs by parts, in process: what a run leaves when it is cut off, and what the
//! next one does with it.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rozen::backup::{Backup, BackupOptions, Progress, Recovered, RootPlan, RootScope, RunError, RunReport, RunRequest};
use rozen::check::{self, CheckOptions, CheckProgress};
use rozen::chunk::ChunkLimits;
use rozen::clock::Clock;
use rozen::config::exclude::{ExcludeConfig, Rules};
use rozen::crypto::{MachineKeys, RecoverySecret};
use rozen::model::{StorageClass, Timestamp};
use rozen::repo::{self, Repository, names};
use rozen::store::{Faults, MemoryTarget, Moment, PartRules, Recorder, Store, Upload, Verb};
use rozen::upload::Orphans;
use rustix::io::Errno;

const PART: u64 = 1 << 20;
const RULES: PartRules = PartRules { threshold: PART, part_size: PART, max_parts: 1000, in_flight: 2 };

struct Lab {
    dir: tempfile::TempDir,
    target: MemoryTarget,
    store: Store,
    faults: Faults,
    counted: Recorder,
    secret: RecoverySecret,
    keys: MachineKeys,
    clock: Clock,
}

impl Lab {
    /// With a root of one file that fills a pack of several parts.
    fn new() -> Self {
        let (store, target) = Store::memory_by_parts(RULES);
        let secret = RecoverySecret::generate();
        let id = repo::create(&store, &secret, ChunkLimits::DEFAULT, "now").unwrap();
        let keys = repo::enroll(&store, &secret, id).unwrap();
        let (store, counted) = store.recording();
        let (store, faults) = store.failing();
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        let now = Clock::system().wall();
        // far enough ahead that no file counts as changed just now
        let (clock, _) = Clock::manual(Timestamp::new(now.secs + 60, 0));
        let lab = Self { dir, target, store, faults, counted, secret, keys, clock };
        lab.write("a", 1);
        lab
    }

    /// Bytes that nothing compresses.
    fn write(&self, name: &str, seed: u64) {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        let content: Vec<u8> = (0..PART * 9 / 2 / 8).flat_map(|_| next()).collect();
        fs::write(self.root().join(name), content).unwrap();
    }

    fn root(&self) -> std::path::PathBuf {
        self.dir.path().join("root")
    }

    fn state(&self) -> std::path::PathBuf {
        self.dir.path().join("state")
    }

    fn open(&self) -> Result<(Backup, Recovered), RunError> {
        let (store, keys, clock) = (self.store.clone(), self.keys.clone(), self.clock.clone());
        let options = BackupOptions { pack_bytes: 2 * PART, ..BackupOptions::default() };
        Backup::open(&self.state(), store, keys, clock, options)
    }

    fn run(&self) -> Result<(Recovered, RunReport), RunError> {
        let (backup, recovered) = self.open()?;
        let rules = Rules::compile(&ExcludeConfig::default()).unwrap();
        let plan = RootPlan {
            id: "root".into(),
            path: self.root(),
            rules,
            scope: RootScope::Full,
            class: StorageClass::Standard,
            guard: None,
        };
        let partial_every = Duration::from_secs(3600);
        let request = RunRequest { roots: vec![plan], partial_every, own_dirs: vec![self.state()] };
        let report = backup.run(&request, &Progress::default(), &AtomicBool::new(false))?;
        Ok((recovered, report))
    }

    fn sent(&self) -> u64 {
        self.counted.counts(Verb::PutPart).bytes
    }

    fn uploads(&self) -> Vec<Upload> {
        self.target.store().list_uploads("").unwrap()
    }

    /// Bytes of packs that came by parts.
    fn stored(&self) -> u64 {
        let packs = self.target.store().list(&names::folder(&self.keys.machine_id, "packs")).unwrap();
        packs.iter().map(|pack| pack.size).filter(|size| *size > RULES.threshold).sum()
    }

    /// All that is there is right, and nothing is left over anywhere.
    fn assert_clean(&self) {
        let repository = Repository::open(self.target.store(), &self.secret).unwrap();
        let report = check::run(&repository, CheckOptions { read_data: 100 }, &CheckProgress::default()).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(self.uploads(), []);
        assert_eq!(files(&self.state().join("spool")), 0);
    }
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[test]
fn a_run_that_was_cut_off_in_an_upload_goes_on_where_it_stopped() {
    for verb in [Verb::CreateUpload, Verb::PutPart, Verb::CompleteUpload] {
        for moment in [Moment::Before, Moment::After] {
            let lab = Lab::new();
            lab.faults.fail_nth(verb, if verb == Verb::PutPart { 3 } else { 1 }, moment, Errno::CONNRESET);
            lab.run().unwrap_err();
            let (recovered, report) = lab.run().unwrap();
            assert_eq!((recovered.uploaded, recovered.lost), (1, 0), "{verb} {moment:?}");
            assert!(report.snapshot.is_some());
            assert_eq!(lab.sent(), lab.stored(), "{verb} {moment:?}: nothing is sent twice");
            lab.assert_clean();
        }
    }
}

#[test]
fn a_pack_begins_while_another_one_is_on_its_way() {
    let lab = Lab::new();
    lab.write("b", 2);
    // the first upload goes on only when a second one has begun
    let begun = Arc::new((Mutex::new(0), Condvar::new()));
    lab.faults.around(Verb::CreateUpload, Moment::Before, move || {
        let (count, changed) = &*begun;
        let mut count = count.lock().unwrap();
        *count += 1;
        changed.notify_all();
        let (_count, waited) = changed.wait_timeout_while(count, Duration::from_secs(60), |count| *count < 2).unwrap();
        assert!(!waited.timed_out(), "one pack waits for the end of the other");
    });
    lab.run().unwrap();
    lab.assert_clean();
}

#[test]
fn an_error_of_one_upload_ends_the_run_and_both_packs_go_on_later() {
    let lab = Lab::new();
    (2..6).for_each(|seed| lab.write(&seed.to_string(), seed));
    lab.faults.fail_nth(Verb::CompleteUpload, 1, Moment::Before, Errno::CONNRESET);
    lab.run().unwrap_err();
    lab.run().unwrap();
    assert_eq!(lab.sent(), lab.stored(), "no part of any pack was sent twice");
    lab.assert_clean();
}

#[test]
fn credentials_that_expire_cost_no_part_that_was_sent() {
    let lab = Lab::new();
    lab.faults.fail_nth(Verb::PutPart, 4, Moment::Before, Errno::ACCESS);
    lab.run().unwrap_err();
    for verb in [Verb::ListParts, Verb::PutPart, Verb::AbortUpload, Verb::CreateUpload] {
        lab.faults.fail_all(verb, Errno::ACCESS);
    }
    assert!(lab.open().is_err(), "they are not renewed yet");
    assert_eq!(lab.uploads().len(), 1);
    lab.faults.clear();
    lab.run().unwrap();
    assert_eq!(lab.sent(), lab.stored());
    lab.assert_clean();
}

#[test]
fn a_spool_that_is_lost_with_an_upload_begun_is_read_again_and_the_upload_ended() {
    let lab = Lab::new();
    lab.faults.fail_nth(Verb::PutPart, 2, Moment::Before, Errno::CONNRESET);
    lab.run().unwrap_err();
    for entry in fs::read_dir(lab.state().join("spool")).unwrap() {
        fs::write(entry.unwrap().path(), b"cut off").unwrap();
    }
    let (recovered, report) = lab.run().unwrap();
    assert_eq!((recovered.uploaded, recovered.lost), (0, 1));
    assert!(report.snapshot.is_some());
    lab.assert_clean();
}

#[test]
fn a_run_that_changes_nothing_asks_only_what_every_start_asks() {
    let lab = Lab::new();
    lab.run().unwrap();
    lab.counted.reset();
    let (_, report) = lab.run().unwrap();
    assert!(report.snapshot.is_none());
    // the number of the next snapshot twice: a target that is near is looked at before each run too
    let asked = [Verb::Put, Verb::List, Verb::Head, Verb::CreateUpload, Verb::ListParts, Verb::ListUploads];
    assert_eq!(asked.map(|verb| lab.counted.calls(verb)), [0, 0, 2, 0, 0, 1]);
}

#[test]
fn uploads_that_nobody_knows_are_ended_at_the_next_start() {
    let lab = Lab::new();
    let begin = |machine: &str| {
        let name = format!("machines/{machine}/packs/unknown").parse().unwrap();
        lab.target.store().create_upload(&name, StorageClass::Standard).unwrap();
    };
    let ours = lab.keys.machine_id.to_string();
    begin("another");
    for expected in [2, 0, 1] {
        (0..expected).for_each(|_| begin(&ours));
        assert_eq!(lab.run().unwrap().0.orphans, Orphans { ended: expected, failed: 0 });
    }
    assert_eq!(lab.uploads().len(), 1, "the other machine's");
}
