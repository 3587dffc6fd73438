//! The process dies at every moment that can be told apart from outside: before and after every call of the target.
//!
//! What a kill leaves is copied at that moment: the files of the state directory as they are, and the target as it is.
//! A new process then goes on from the copy.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::parts::{Parts, RULES, content};
use super::*;
use crate::store::{MemoryTarget, Recorder};

const VERBS: [Verb; 6] =
    [Verb::CreateUpload, Verb::PutPart, Verb::ListParts, Verb::CompleteUpload, Verb::Head, Verb::AbortUpload];

/// What was left at one moment.
struct Wreck {
    /// When it was.
    at: String,
    dir: tempfile::TempDir,
    target: MemoryTarget,
    /// Bytes that the target had taken.
    sent: u64,
}

/// Copies of the state at every call, in order.
#[derive(Clone, Default)]
struct Wrecks(Arc<Mutex<Vec<Wreck>>>);

impl Wrecks {
    /// The target last: what it does between the copies, it does after the process has died.
    fn take(&self, at: String, from: &Path, target: &MemoryTarget, counted: &Recorder) {
        let sent = counted.counts(Verb::PutPart).bytes;
        let dir = tempfile::tempdir().unwrap();
        copy_files(from, dir.path());
        fs::create_dir(dir.path().join("state")).unwrap();
        copy_files(&from.join("state"), &dir.path().join("state"));
        let target = target.fork();
        self.0.lock().unwrap().push(Wreck { at, dir, target, sent });
    }

    fn watch(&self, parts: &Parts) {
        for verb in VERBS {
            for moment in [Moment::Before, Moment::After] {
                let (wrecks, target, counted) = (self.clone(), parts.target.clone(), parts.counted.clone());
                let from = parts.bench.dir.path().to_path_buf();
                parts.faults.around(verb, moment, move || {
                    wrecks.take(format!("{moment:?} {verb:?}"), &from, &target, &counted);
                });
            }
        }
    }
}

/// The lock belongs to a living process.
fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() && entry.file_name() != "lock" {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Goes on as a new process does.
fn goes_on(wreck: &Wreck) {
    let journal = Journal::open(&wreck.dir.path().join("state")).unwrap();
    let (store, counted) = wreck.target.store().recording();
    let uploader = Uploader::new(store, journal.clone());
    let pack = pack_at(wreck.dir.path().join("spooled"), &content(), Origin::EarlierProcess);
    let receipts: u64 =
        journal.upload_of(&pack.hash).unwrap().map_or(0, |row| row.parts.iter().map(|part| part.size).sum());
    let _ = uploader.upload(pack.clone()).unwrap_or_else(|error| panic!("{}: {error}", wreck.at));
    let _ = uploader.end_forgotten().unwrap().and(uploader.end_unknown(PREFIX).unwrap());
    assert!(wreck.target.store().get(&pack.name, pack.size).unwrap() == content(), "{}", wreck.at);
    assert_eq!(wreck.target.store().list_uploads("").unwrap(), [], "{}", wreck.at);
    assert!(journal.packs_spooled().unwrap().is_empty() && !wreck.dir.path().join("spooled").exists());
    let sent = counted.counts(Verb::PutPart).bytes;
    assert!(sent <= pack.size - receipts, "{}: parts with a receipt are not sent again", wreck.at);
    // this target has a part whole or not at all, and what it has is known by its list
    let twice = (wreck.sent + sent).saturating_sub(pack.size);
    assert_eq!(twice, 0, "{}: bytes were sent twice", wreck.at);
}

#[test]
fn a_crash_at_any_call_costs_at_most_the_parts_in_flight() {
    for in_flight in [1, 2, 4] {
        let parts = Parts::with(PartRules { in_flight, ..RULES });
        let wrecks = Wrecks::default();
        wrecks.watch(&parts);
        let _ = parts.bench.uploader().upload(parts.pack(Origin::ThisProcess)).unwrap();
        let wrecks = wrecks.0.lock().unwrap();
        assert_eq!(wrecks.len(), 2 * (1 + 4 + 1), "create, four parts, complete");
        wrecks.iter().for_each(goes_on);
    }
}

/// The second process dies too, wherever the first one did.
#[test]
fn a_crash_of_the_process_that_goes_on_costs_no_more() {
    let parts = Parts::with(PartRules { in_flight: 1, ..RULES });
    let wrecks = Wrecks::default();
    wrecks.watch(&parts);
    let pack = parts.pack(Origin::ThisProcess);
    parts.faults.fail_nth(Verb::PutPart, 3, Moment::After, Errno::CONNRESET);
    parts.bench.uploader().upload(pack.clone()).unwrap_err();
    parts.faults.fail_nth(Verb::CompleteUpload, 1, Moment::After, Errno::CONNRESET);
    parts.bench.uploader().upload(pack.clone()).unwrap_err();
    let _ = parts.bench.uploader().upload(pack).unwrap();
    let wrecks = wrecks.0.lock().unwrap();
    assert!(wrecks.iter().any(|wreck| wreck.at == "After Head"), "the last call looks for the object");
    wrecks.iter().for_each(goes_on);
}

#[test]
fn errors_before_and_after_every_call_are_survived() {
    for verb in VERBS {
        for moment in [Moment::Before, Moment::After] {
            for nth in 1..=4 {
                let parts = Parts::new();
                let pack = parts.pack(Origin::ThisProcess);
                parts.faults.fail_nth(Verb::PutPart, 2, Moment::After, Errno::CONNRESET);
                parts.faults.fail_nth(verb, nth, moment, Errno::IO);
                let calls = (1..=4).find(|_| parts.bench.uploader().upload(pack.clone()).is_ok());
                assert!(calls.is_some(), "{verb} {moment:?} {nth}");
                assert!(parts.target.store().get(&pack.name, pack.size).unwrap() == content());
                assert_eq!(parts.target.store().list_uploads("").unwrap(), [], "{verb} {moment:?} {nth}");
            }
        }
    }
}
