//! Damage in the target: whatever bit of whatever object is wrong, nothing wrong is ever returned as right, what is lost
//! is named, and everything else comes back.
//!
//! In process and in memory, so that every byte of a whole repository can be tried; `ROZEN_FULL=1` tries every bit.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::{facts::Facts, read_facts};
use rozen::backup::{Backup, BackupOptions, Progress, RootPlan, RootScope, RunRequest};
use rozen::check::{self, CheckOptions, CheckProgress, CheckReport, Finding, FindingCode};
use rozen::chunk::ChunkLimits;
use rozen::clock::Clock;
use rozen::config::exclude::{ExcludeConfig, Rules};
use rozen::crypto::{MachineKeys, RecoverySecret};
use rozen::model::{Seq, StorageClass};
use rozen::repo::{self, Repository};
use rozen::restore::{self, RestoreOptions, RestoreReport, RestoreTo};
use rozen::store::{ObjectName, PutSource, Store};

type Objects = BTreeMap<ObjectName, Vec<u8>>;

const SNAPSHOTS: [u64; 2] = [1, 2];

/// A whole repository as bytes, and what its two snapshots hold.
struct Patient {
    objects: Objects,
    secret: RecoverySecret,
    keys: MachineKeys,
    /// Where the files were: problems name them by their old paths.
    root: String,
    sources: BTreeMap<u64, Facts>,
}

/// Two small runs: small files in a bundle, one file in chunks, a directory, links. Each has packs of its own.
fn patient() -> Patient {
    patient_of("a")
}

/// `whose`: told by the contents of the files.
fn patient_of(whose: &str) -> Patient {
    let (dir, store) = (tempfile::tempdir().unwrap(), Store::memory());
    let secret = RecoverySecret::generate();
    let id = repo::create(&store, &secret, ChunkLimits::DEFAULT, "now").unwrap();
    let keys = repo::enroll(&store, &secret, id).unwrap();
    let (root, state) = (dir.path().join("root"), dir.path().join("state"));
    fs::create_dir_all(root.join("folder/empty")).unwrap();
    fs::write(root.join("folder/small"), format!("{whose} small file")).unwrap();
    fs::write(root.join("folder/another"), format!("{whose} other small file")).unwrap();
    fs::hard_link(root.join("folder/small"), root.join("linked")).unwrap();
    std::os::unix::fs::symlink("folder/small", root.join("symlink")).unwrap();
    fs::write(root.join("large"), format!("{whose} file in chunks").repeat(20_000)).unwrap();
    let (backup, _) =
        Backup::open(&state, store.clone(), keys.clone(), Clock::system(), BackupOptions::default()).unwrap();
    let backup = backup.with_config("# settings of the machine\n".to_owned());
    let mut sources = BTreeMap::new();
    for seq in SNAPSHOTS {
        if seq == 2 {
            fs::write(root.join("folder/new"), format!("{whose}, only in the second snapshot")).unwrap();
        }
        sources.insert(seq, read_facts(&root));
        let rules = Rules::compile(&ExcludeConfig::default()).unwrap();
        let plan = RootPlan {
            id: "root".into(),
            path: root.clone(),
            rules,
            scope: RootScope::Full,
            class: StorageClass::Standard,
            guard: None,
        };
        let request =
            RunRequest { roots: vec![plan], partial_every: Duration::from_secs(3600), own_dirs: vec![state.clone()] };
        let report = backup.run(&request, &Progress::default(), &AtomicBool::new(false)).unwrap();
        assert_eq!(report.snapshot.unwrap().seq, Seq(seq));
    }
    let listed = store.list("").unwrap();
    let objects = listed.into_iter().map(|object| (object.name.clone(), store.get(&object.name, 1 << 30).unwrap()));
    Patient { objects: objects.collect(), secret, keys, root: root.to_str().unwrap().to_owned(), sources }
}

/// What became of a snapshot in a damaged repository.
#[derive(Debug)]
enum Outcome {
    /// It cannot be restored at all, and that was said.
    Refused {
        #[expect(dead_code, reason = "shown when a test fails")]
        why: String,
    },
    /// The rest was restored, what is missing was named.
    Partly,
    Whole,
}

impl Patient {
    fn store(&self, objects: &Objects) -> Store {
        let store = Store::memory();
        for (name, bytes) in objects {
            store.put_if_absent(name, PutSource::Bytes(bytes), StorageClass::Standard).unwrap();
        }
        store
    }

    /// Restores both snapshots and holds the result against what they were.
    fn examine(&self, objects: &Objects) -> [Outcome; 2] {
        SNAPSHOTS.map(|seq| self.examine_one(self.store(objects), seq))
    }

    fn examine_one(&self, store: Store, seq: u64) -> Outcome {
        let dir = fast_directory();
        let to = dir.path().join("to");
        let report = match self.restore(store, seq, &to) {
            Ok(report) => report,
            Err(error) => return Outcome::Refused { why: error },
        };
        let (source, restored) = (&self.sources[&seq], read_facts(&to));
        for (path, fact) in &restored {
            let is_right = source.get(path).is_some_and(|right| right.hash == fact.hash && right.kind == fact.kind);
            assert!(is_right, "{} is wrong: {report:?}", path.escape_ascii());
        }
        for path in source.keys().filter(|path| !restored.contains_key(*path)) {
            assert!(self.is_named(path, &report), "{} is lost and not named: {report:?}", path.escape_ascii());
        }
        if !report.is_clean() {
            return Outcome::Partly;
        }
        common::assert_same(source, &restored);
        Outcome::Whole
    }

    /// What `check` finds in it; an error is a finding as well.
    fn check(&self, objects: &Objects) -> Result<CheckReport, String> {
        let repository = Repository::open(self.store(objects), &self.secret).map_err(|error| error.to_string())?;
        check::run(&repository, CheckOptions { read_data: 100 }, &CheckProgress::default())
            .map_err(|error| error.to_string())
    }

    /// As [`Self::examine`]; a check says that something is wrong.
    fn assert_noticed(&self, objects: &Objects) -> [Outcome; 2] {
        let outcomes = self.examine(objects);
        let report = self.check(objects);
        assert!(report.as_ref().map_or(true, |report| !report.is_clean()), "{outcomes:?}, {report:?}");
        outcomes
    }

    fn restore(&self, store: Store, seq: u64, to: &Path) -> Result<RestoreReport, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let repository = Repository::open(store, &self.secret).map_err(|error| text(&error))?;
        let (machines, errors) = repository.machines().map_err(|error| text(&error))?;
        let Some(machine) = machines.first() else { return Err(format!("no machine: {errors:?}")) };
        let manifest = repository.manifest(machine, Seq(seq)).map_err(|error| text(&error))?;
        let options = RestoreOptions { workers: 1, ..RestoreOptions::new(RestoreTo::Dir(to.to_path_buf())) };
        restore::run(
            &repository.contents().map_err(|error| text(&error))?,
            &manifest,
            options,
            &restore::Progress::default(),
        )
        .map_err(|error| text(&error))
    }

    /// A problem names it, or a directory that holds it.
    fn is_named(&self, path: &[u8], report: &RestoreReport) -> bool {
        let path = Path::new(&self.root).join(std::str::from_utf8(path).unwrap());
        report.problems.iter().any(|problem| path.starts_with(&problem.path))
    }

    /// Names of all objects of a kind: the folder below the machine.
    fn of_kind(&self, kind: &str) -> Vec<ObjectName> {
        let is_of_kind = |name: &&ObjectName| name.as_str().split('/').nth(2) == Some(kind);
        self.objects.keys().filter(is_of_kind).cloned().collect()
    }

    /// A restore does without: packs know themselves, manifests carry the certificate, which names the repository.
    fn is_spare(&self, name: &ObjectName) -> bool {
        let kinds = ["index", "certificates", "config"].map(|kind| self.of_kind(kind));
        name.as_str() == "rozen.json" || kinds.iter().any(|names| names.contains(name))
    }

    fn without(&self, name: &ObjectName) -> Objects {
        let mut objects = self.objects.clone();
        objects.remove(name);
        objects
    }

    fn with(&self, name: &ObjectName, bytes: Vec<u8>) -> Objects {
        let mut objects = self.objects.clone();
        objects.insert(name.clone(), bytes);
        objects
    }
}

/// In memory where the system has such a place.
fn fast_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

#[test]
fn every_single_bit_flip_in_every_object_is_detected_or_harmless() {
    let patient = patient();
    let bits = common::scaled(1, 8);
    let flips: Vec<(&ObjectName, usize, u32)> = patient
        .objects
        .iter()
        .flat_map(|(name, bytes)| (0..bytes.len()).map(move |at| (name, at)))
        .flat_map(|(name, at)| (0..bits).map(move |bit| (name, at, (at as u32 * 5 + bit as u32) % 8)))
        .collect();
    let (next, counts) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; 3]);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some((name, at, bit)) = flips.get(next.fetch_add(1, Ordering::Relaxed)) {
                    flip(&patient, name, *at, *bit, &counts);
                }
            });
        }
    });
    let [refused, partly, whole] = counts.map(AtomicUsize::into_inner);
    eprintln!(
        "{} objects, {} flips, {} restores: {refused} refused, {partly} restored in part, {whole} whole",
        patient.objects.len(),
        flips.len(),
        refused + partly + whole
    );
    assert!(refused > 0 && partly > 0 && whole > 0);
}

/// One flip; a panic says which it was.
fn flip(patient: &Patient, name: &ObjectName, at: usize, bit: u32, counts: &[AtomicUsize; 3]) {
    let mut bytes = patient.objects[name].clone();
    bytes[at] ^= 1 << bit;
    let said = Said(format!("bit {bit} of byte {at} of {name}"));
    let objects = patient.with(name, bytes);
    let outcomes = patient.examine(&objects);
    for outcome in &outcomes {
        let at = match outcome {
            Outcome::Refused { .. } => 0,
            Outcome::Partly => 1,
            Outcome::Whole => 2,
        };
        counts[at].fetch_add(1, Ordering::Relaxed);
    }
    if patient.is_spare(name) {
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Whole)), "it is not needed: {outcomes:?}");
    }
    let report = patient.check(&objects);
    let is_noticed = report.as_ref().map_or(true, |report| !report.is_clean());
    // a letter of a record may have two forms: where nothing is lost, nothing must be said
    assert!(is_noticed || outcomes.iter().all(|o| matches!(o, Outcome::Whole)), "{outcomes:?}, {report:?}");
    assert!(is_noticed || !patient.of_kind("config").contains(name), "a check opens every configuration");
    let in_a_pack = ["packs", "trees"].iter().any(|kind| patient.of_kind(kind).contains(name));
    assert!(is_noticed || !in_a_pack, "a check that reads all data reads every bit");
    let names_its_cost = report.as_ref().map_or(true, |report| !report.damage.is_empty());
    let partly = outcomes.iter().any(|o| matches!(o, Outcome::Partly));
    assert!(names_its_cost || !partly, "a restore misses what the check does not name: {report:?}");
    drop(said);
}

/// Tells where a test was when it panicked.
struct Said(String);

impl Drop for Said {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("at {}", self.0);
        }
    }
}

#[test]
fn the_record_of_the_repository_and_the_certificate_cost_nothing_when_they_are_lost() {
    let patient = patient();
    let certificate = patient.of_kind("certificates").remove(0);
    let record = patient.objects.keys().find(|name| name.as_str() == "rozen.json").unwrap().clone();
    for lost in [vec![&record], vec![&certificate], vec![&record, &certificate]] {
        let mut objects = patient.objects.clone();
        lost.iter().for_each(|name| drop(objects.remove(*name)));
        let outcomes = patient.examine(&objects);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Whole)), "{lost:?}: {outcomes:?}");
        let report = patient.check(&objects).unwrap();
        let told: Vec<&str> = report.findings.iter().map(|finding| finding.object.as_str()).collect();
        for name in &lost {
            assert!(told.contains(&name.as_str()), "{name} is not told: {report:?}");
        }
        assert_eq!(report.damage_count, 0);
    }
}

#[test]
fn a_repository_without_its_record_is_never_written_to() {
    let patient = patient();
    let record = patient.objects.keys().find(|name| name.as_str() == "rozen.json").unwrap().clone();
    let mut bytes = patient.objects[&record].clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    for objects in [patient.without(&record), patient.with(&record, bytes)] {
        let store = patient.store(&objects);
        assert!(Repository::open(store.clone(), &patient.secret).unwrap().for_writing().is_err());
        let state = tempfile::tempdir().unwrap();
        let opened =
            Backup::open(state.path(), store.clone(), patient.keys.clone(), Clock::system(), BackupOptions::default());
        assert!(opened.is_err());
        assert_eq!(store.list("").unwrap().len(), objects.len());
    }
}

#[test]
fn damage_in_content_of_one_run_costs_nothing_of_another() {
    let patient = patient();
    let packs = patient.of_kind("packs");
    assert_eq!(packs.len(), 2);
    let of_first: Vec<_> = packs.iter().map(|pack| patient.examine(&patient.without(pack))).collect();
    assert!(of_first.iter().all(|[_, second]| matches!(second, Outcome::Partly)), "{of_first:?}");
    // the first snapshot needs one of them, whichever name sorts first
    let whole = of_first.iter().filter(|[first, _]| matches!(first, Outcome::Whole)).count();
    assert_eq!(whole, 1, "{of_first:?}");
}

#[test]
fn truncated_lengthened_and_missing_objects_are_noticed() {
    let patient = patient();
    for (name, bytes) in &patient.objects {
        let said = Said(format!("{name} cut, lengthened or missing"));
        // a record ends with a line end, which may be missing
        for keep in [0, 1, bytes.len() / 2, bytes.trim_ascii_end().len() - 1] {
            patient.assert_noticed(&patient.with(name, bytes[..keep].to_vec()));
        }
        patient.assert_noticed(&patient.with(name, [bytes.as_slice(), b"x"].concat()));
        let objects = patient.without(name);
        if patient.of_kind("index").contains(name) {
            // a backup that is under way has packs without one
            let report = patient.check(&objects).unwrap();
            assert!(report.is_clean() && report.packs_unlisted > 0, "{report:?}");
        } else if patient.of_kind("snapshots").last() == Some(name) {
            // nobody but the machine itself knows that there was one more
            let outcomes = patient.examine(&objects);
            assert!(matches!(outcomes, [Outcome::Whole, Outcome::Refused { .. }]), "{outcomes:?}");
        } else {
            patient.assert_noticed(&objects);
        }
        drop(said);
    }
    assert!(patient.examine(&patient.objects).iter().all(|outcome| matches!(outcome, Outcome::Whole)));
    assert!(patient.check(&patient.objects).unwrap().is_clean());
}

#[test]
fn objects_in_each_others_place_are_noticed() {
    let patient = patient();
    for kind in ["packs", "trees", "index", "snapshots"] {
        let names = patient.of_kind(kind);
        assert_eq!(names.len(), 2, "{kind}");
        let said = Said(format!("{kind} exchanged"));
        let mut objects = patient.objects.clone();
        objects.insert(names[0].clone(), patient.objects[&names[1]].clone());
        objects.insert(names[1].clone(), patient.objects[&names[0]].clone());
        let outcomes = patient.assert_noticed(&objects);
        let is_as_expected = |outcome: &Outcome| match kind {
            "snapshots" => matches!(outcome, Outcome::Refused { .. }),
            "index" => matches!(outcome, Outcome::Whole),
            _ => matches!(outcome, Outcome::Partly),
        };
        assert!(outcomes.iter().all(is_as_expected), "{outcomes:?}");
        drop(said);
    }
}

#[test]
fn objects_of_another_repository_are_refused() {
    let (patient, stranger) = (patient(), patient_of("the stranger's"));
    for kind in ["packs", "trees", "index", "snapshots"] {
        let (ours, theirs) = (patient.of_kind(kind), stranger.of_kind(kind));
        for (at, (our, their)) in ours.iter().zip(&theirs).enumerate() {
            let said = Said(format!("{kind} {at} of another repository"));
            let outcomes = patient.assert_noticed(&patient.with(our, stranger.objects[their].clone()));
            match kind {
                // their names are their numbers
                "snapshots" => assert!(matches!(outcomes[at], Outcome::Refused { .. }), "{outcomes:?}"),
                "index" => assert!(outcomes.iter().all(|o| matches!(o, Outcome::Whole)), "{outcomes:?}"),
                // a snapshot has a tree of its own, and the second the content of both
                _ => assert!(outcomes.iter().any(|o| matches!(o, Outcome::Partly)), "{outcomes:?}"),
            }
            drop(said);
        }
    }
}

/// What the index objects say, each pack says itself, and each of its frames again.
#[test]
fn without_index_objects_damage_in_a_directory_or_footer_costs_no_file() {
    let patient = patient();
    let packs: Vec<ObjectName> = ["packs", "trees"].iter().flat_map(|kind| patient.of_kind(kind)).collect();
    // in the footer, and in the directory, the last bytes of which are padding that is sealed with it
    for from_end in [1, 100, 161, 200] {
        let mut objects = patient.objects.clone();
        patient.of_kind("index").iter().for_each(|index| drop(objects.remove(index)));
        for pack in &packs {
            let bytes = objects.get_mut(pack).unwrap();
            let at = bytes.len() - from_end;
            bytes[at] ^= 1;
        }
        let outcomes = patient.assert_noticed(&objects);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Whole)), "{outcomes:?}");
        let report = patient.check(&objects).unwrap();
        for pack in &packs {
            let is_of = |finding: &&Finding| finding.object == pack.as_str();
            let codes: Vec<_> = report.findings.iter().filter(is_of).map(|finding| finding.code).collect();
            assert_eq!(codes, [FindingCode::PackDirectory, FindingCode::PackChanged], "{report:?}");
        }
        assert_eq!((report.packs_unlisted, report.damage_count), (0, 0), "{report:?}");
    }
}
