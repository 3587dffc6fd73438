//! Which snapshot the next one follows: the last that a key of this machine signed, whether the journal has heard of it or not.

use std::collections::BTreeSet;

use super::rebuild::{Rebuilt, rebuild};
use super::{RepoError, names};
use crate::crypto::{self, MachineKeys};
use crate::format;
use crate::journal::Journal;
use crate::model::{ListedRoot, ObjectHash, Seq};
use crate::store::Store;

const MAX_MANIFEST: u64 = 64 << 20;

/// The target had another history than the journal, which knows it now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CaughtUp {
    /// The last number that is taken.
    pub last: Seq,
    /// The last snapshot that the journal knew is not there: the target went back, or it was taken away.
    pub gone: Option<Seq>,
    /// This journal had announced it and never heard that it was stored: nobody else has stored anything.
    pub is_announced: bool,
    pub rebuilt: Rebuilt,
}

/// Asks whether the last snapshot is there and the number of the next one free; `None`: so it is. The number is taken when the
/// journal is older than the target (a copy that was put back), when another computer stores with the same keys, or when a
/// manifest arrived after its run was given up. The last snapshot is missing when the target is older than the journal (a disk that is
/// used in turn with another one, or a copy that was put back), or when somebody took it away. What a key of this machine
/// signed and the target holds is its history: the journal is brought to it, and every root is to be compared in full. A
/// number that the journal knew is not used again.
///
/// [`RepoError::SequenceTaken`]: what has the number is not of this machine. [`RepoError::Superseded`]: it has a later key
/// than this one. May be repeated.
pub fn catch_up(
    store: &Store,
    keys: &MachineKeys,
    journal: &Journal,
    now_ms: i64,
) -> Result<Option<CaughtUp>, RepoError> {
    let Some((head, known)) = journal.head()? else { return Ok(None) };
    let next = head.next();
    let is_free = store.head(&names::manifest(&keys.machine_id, next))?.is_none();
    let gone = (!is_there(store, keys, head, &known)?).then_some(head);
    if is_free && gone.is_none() {
        return Ok(None);
    }
    if !is_free && own_manifest(store, keys, next)?.is_none() {
        return Err(RepoError::SequenceTaken { machine: keys.machine_id, seq: next });
    }
    let rebuilt = rebuild(store, keys, journal, now_ms)?;
    let (last, manifest) = journal.head()?.expect("a head is moved and never removed");
    let is_announced = gone.is_none() && journal.was_announced(&manifest)?;
    Ok(Some(CaughtUp { last, gone, is_announced, rebuilt }))
}

/// Does the target hold the last snapshot that the journal knows, if it knows one? Where not, [`catch_up`] tells what to follow.
pub fn is_last_there(store: &Store, keys: &MachineKeys, journal: &Journal) -> Result<bool, RepoError> {
    match journal.head()? {
        Some((head, known)) => is_there(store, keys, head, &known),
        None => Ok(true),
    }
}

/// Does the target hold the last snapshot that the journal knows? A manifest of this number that is not one of ours says nothing:
/// the journal counts over such numbers.
fn is_there(store: &Store, keys: &MachineKeys, head: Seq, known: &ObjectHash) -> Result<bool, RepoError> {
    match own_manifest(store, keys, head) {
        Ok(found) => Ok(found.is_none_or(|(hash, _)| hash == *known)),
        Err(RepoError::Store(error)) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Larger numbers than the journal can keep are nobody's snapshots, whoever signed them.
const LAST_SEQ: Seq = Seq(i64::MAX as u64 - 1);

/// The last manifest that we signed is what the next one follows. Numbers behind it may be taken by something else (a
/// damaged manifest, somebody's file): the next manifest goes behind those that follow without a gap, all others are ignored. Nor are
/// numbers used again that the journal knew before. Gives its number, and the newest of those that were passed over.
pub(super) fn adopt_last_snapshot(
    store: &Store,
    keys: &MachineKeys,
    journal: &Journal,
    now_ms: i64,
) -> Result<(Option<Seq>, Option<Seq>), RepoError> {
    let listed = store.list(&names::folder(&keys.machine_id, "snapshots"))?;
    let taken: BTreeSet<Seq> = listed.iter().filter_map(|object| names::seq_of(&object.name)).collect();
    let mut own = None;
    for seq in taken.iter().rev().filter(|seq| **seq <= LAST_SEQ) {
        own = own_manifest(store, keys, *seq)?.map(|found| (*seq, found));
        if own.is_some() {
            break;
        }
    }
    let own_seq = own.as_ref().map(|(seq, _)| *seq);
    let (last, (previous, listing)) = own.unwrap_or((Seq(0), (ObjectHash([0; ObjectHash::LEN]), vec![])));
    let next = |seq: &Seq| Some(seq.next()).filter(|seq| *seq <= LAST_SEQ && taken.contains(seq));
    let behind = std::iter::successors(next(&last), next).last();
    let before = journal.head()?.map(|(seq, _)| seq);
    if let Some(head) = behind.or(own_seq).max(before) {
        journal.adopt_head(head, previous, &listing, now_ms)?;
    }
    let passed_over = taken.last().copied().filter(|newest| Some(*newest) != own_seq);
    Ok((own_seq, passed_over))
}

/// The hash of this manifest, which the target lists, and how it lists the roots; `None` where it is not signed by this machine. One of a
/// later version is an error: what it lists must not be passed over.
/// That it cannot be found is no such answer: what was listed is there, and somebody does not say so.
fn own_manifest(
    store: &Store,
    keys: &MachineKeys,
    seq: Seq,
) -> Result<Option<(ObjectHash, Vec<ListedRoot>)>, RepoError> {
    let name = names::manifest(&keys.machine_id, seq);
    let bytes = match store.get(&name, MAX_MANIFEST) {
        Err(error) if error.is_of_object() => return Ok(None),
        other => other?,
    };
    let verified = format::verify_manifest(&bytes, seq, &keys.repo_id, &keys.machine_id, &keys.admin);
    let serial = verified.as_ref().ok().map(|manifest| manifest.certificate.serial);
    if let Some(found) = serial.filter(|found| *found > keys.certificate.serial) {
        return Err(RepoError::Superseded { machine: keys.machine_id, own: keys.certificate.serial, found });
    }
    match verified.and_then(|manifest| manifest.listing(keys)) {
        Ok(listing) => Ok(Some((crypto::hash(&bytes), listing))),
        Err(source) if source.is_newer() => Err(RepoError::Object { name, source }),
        Err(error) => {
            tracing::warn!(%name, %error, "a snapshot is not one of this machine, or damaged; the one before it is taken");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StorageClass;
    use crate::repo::testing::{Entries, TestRepo};
    use crate::repo::{Repository, take_over};
    use crate::store::{PutSource, StoreError};

    fn two_snapshots() -> TestRepo {
        let mut repo = TestRepo::new();
        repo.commit(&Entries::new());
        repo.commit(&Entries::new());
        repo
    }

    fn journal() -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        (dir, journal)
    }

    fn hash_of_snapshot(repo: &TestRepo, seq: u64) -> ObjectHash {
        crypto::hash(&repo.store.get(&names::manifest(&repo.keys.machine_id, Seq(seq)), MAX_MANIFEST).unwrap())
    }

    fn garbage(repo: &TestRepo, seq: u64) {
        let name = names::manifest(&repo.keys.machine_id, Seq(seq));
        repo.store.put_if_absent(&name, PutSource::Bytes(b"not a manifest"), StorageClass::Standard).unwrap();
    }

    #[test]
    fn the_head_is_the_last_manifest_of_this_machine_whatever_lies_beside_it() {
        let repo = two_snapshots();
        [9, i64::MAX as u64, u64::MAX].into_iter().for_each(|seq| garbage(&repo, seq));
        let (_dir, journal) = journal();
        let rebuilt = rebuild(&repo.store, &repo.keys, &journal, 1).unwrap();
        assert_eq!((rebuilt.last_snapshot, rebuilt.passed_over), (Some(Seq(2)), Some(Seq(u64::MAX))));
        assert_eq!(journal.head().unwrap(), Some((Seq(2), hash_of_snapshot(&repo, 2))));
    }

    #[test]
    fn a_snapshot_of_a_newer_version_is_not_passed_over_and_nothing_is_written() {
        let repo = two_snapshots();
        repo.change("/snapshots/00000000000000000002", |bytes| bytes[8] = 9);
        let (_dir, journal) = journal();
        let error = rebuild(&repo.store, &repo.keys, &journal, 1).unwrap_err();
        assert!(matches!(&error, RepoError::Object { source, .. } if source.is_newer()), "{error}");
        assert!(error.remedy().contains("newest version"));
        assert_eq!(journal.head().unwrap(), None);
    }

    #[test]
    fn a_number_that_no_journal_can_keep_is_passed_over_whoever_signed_it() {
        let repo = two_snapshots();
        let body = repo.manifest(Seq(2)).body;
        for seq in [i64::MAX as u64, u64::MAX].map(Seq) {
            let bytes = format::seal_manifest(&body, seq, hash_of_snapshot(&repo, 2), &repo.keys);
            let name = names::manifest(&repo.keys.machine_id, seq);
            repo.store.put_if_absent(&name, PutSource::Bytes(&bytes), StorageClass::Standard).unwrap();
        }
        let (_dir, journal) = journal();
        let rebuilt = rebuild(&repo.store, &repo.keys, &journal, 1).unwrap();
        assert_eq!((rebuilt.last_snapshot, rebuilt.passed_over), (Some(Seq(2)), Some(Seq(u64::MAX))));
    }

    #[test]
    fn a_number_that_is_taken_is_passed_over_and_the_last_own_manifest_followed() {
        let repo = two_snapshots();
        [3, 4, 6].into_iter().for_each(|seq| garbage(&repo, seq));
        let (_dir, journal) = journal();
        rebuild(&repo.store, &repo.keys, &journal, 1).unwrap();
        assert_eq!(journal.head().unwrap(), Some((Seq(4), hash_of_snapshot(&repo, 2))));
    }

    #[test]
    fn where_every_manifest_is_damaged_the_next_one_still_finds_a_free_number() {
        let repo = two_snapshots();
        repo.damage("/snapshots/");
        let (_dir, journal) = journal();
        let rebuilt = rebuild(&repo.store, &repo.keys, &journal, 1).unwrap();
        assert_eq!(rebuilt.last_snapshot, None);
        assert_eq!(journal.head().unwrap(), Some((Seq(2), ObjectHash([0; ObjectHash::LEN]))));
    }

    fn catch_up_of(repo: &TestRepo, journal: &Journal) -> Result<Option<CaughtUp>, RepoError> {
        catch_up(&repo.store, &repo.keys, journal, 1)
    }

    #[test]
    fn a_journal_that_is_older_than_the_target_takes_over_what_this_machine_has_signed() {
        let mut repo = two_snapshots();
        let (_dir, journal) = journal();
        assert_eq!(catch_up_of(&repo, &journal).unwrap(), None, "without a head there is nothing to ask");
        rebuild(&repo.store, &repo.keys, &journal, 1).unwrap();
        assert_eq!(catch_up_of(&repo, &journal).unwrap(), None);
        journal.upsert_root("home", "/home/u".as_ref(), 1).unwrap();
        repo.commit(&Entries::new());
        repo.commit(&Entries::new());
        let caught = catch_up_of(&repo, &journal).unwrap().unwrap();
        assert_eq!((caught.last, caught.is_announced), (Seq(4), false));
        assert_eq!(journal.head().unwrap(), Some((Seq(4), hash_of_snapshot(&repo, 4))));
        assert!(journal.root_state("home").unwrap().audit.is_some());
    }

    #[test]
    fn a_manifest_that_was_announced_is_recognised_when_it_arrives_late() {
        let mut repo = two_snapshots();
        let (_dir, journal) = journal();
        rebuild(&repo.store, &repo.keys, &journal, 1).unwrap();
        let run = journal.begin_run(&[], 2).unwrap();
        repo.commit(&Entries::new());
        journal.announce_manifest(run.id, (Seq(3), hash_of_snapshot(&repo, 3)), &[]).unwrap();
        journal.fail_run(run.id, "no answer", 3).unwrap();
        let caught = catch_up_of(&repo, &journal).unwrap().unwrap();
        assert_eq!((caught.last, caught.is_announced), (Seq(3), true));
    }

    #[test]
    fn packs_that_the_journal_believes_in_and_the_target_does_not_hold_are_forgotten() {
        let mut repo = two_snapshots();
        let content = repo.bundled(&[b"content"]).remove(0);
        let crate::model::Content::Bundled { bundle, .. } = content else { panic!("{content:?}") };
        repo.commit(&Entries::new());
        let (_dir, journal) = journal();
        rebuild(&repo.store, &repo.keys, &journal, 1).unwrap();
        assert!(journal.chunk_known(&bundle).unwrap());
        for pack in repo.store.list(&names::folder(&repo.keys.machine_id, "packs")).unwrap() {
            repo.store.delete(&pack.name).unwrap();
        }
        repo.commit(&Entries::new());
        assert_eq!(catch_up_of(&repo, &journal).unwrap().unwrap().rebuilt.lost, 1);
        assert!(!journal.chunk_known(&bundle).unwrap());
    }

    #[test]
    fn what_is_not_of_this_machine_keeps_its_number_and_a_later_key_stops_this_one() {
        let repo = two_snapshots();
        let (_dir, journal) = journal();
        rebuild(&repo.store, &repo.keys, &journal, 1).unwrap();
        let machine = repo.open().machine(repo.keys.machine_id).unwrap();
        let repository = Repository::open(repo.store.clone(), &repo.secret).unwrap().for_writing().unwrap();
        let later = take_over(&repository, &repo.secret, &machine).unwrap();
        let body = repo.manifest(Seq(2)).body;
        let bytes = format::seal_manifest(&body, Seq(3), hash_of_snapshot(&repo, 2), &later);
        let name = names::manifest(&repo.keys.machine_id, Seq(3));
        repo.store.put_if_absent(&name, PutSource::Bytes(&bytes), StorageClass::Standard).unwrap();
        // also where the certificate object is lost, and the manifest alone proves the key
        for _ in 0..2 {
            let error = catch_up_of(&repo, &journal).unwrap_err();
            assert!(matches!(error, RepoError::Superseded { .. }), "{error}");
            repo.store.delete(&names::certificate(&repo.keys.machine_id, later.certificate.serial)).unwrap();
        }
        repo.store.delete(&name).unwrap();
        garbage(&repo, 3);
        let error = catch_up_of(&repo, &journal).unwrap_err();
        assert!(matches!(error, RepoError::SequenceTaken { seq: Seq(3), .. }), "{error}");
        assert_eq!(journal.head().unwrap(), Some((Seq(2), hash_of_snapshot(&repo, 2))));
    }

    #[test]
    fn a_snapshot_that_is_listed_and_cannot_be_found_is_an_error_and_not_passed_over() {
        use crate::store::{Moment, Verb};
        use std::sync::atomic::{AtomicU64, Ordering};
        let repo = two_snapshots();
        let (_dir, journal) = journal();
        let (store, faults) = repo.store.clone().failing();
        let (target, name) = (repo.store.clone(), names::manifest(&repo.keys.machine_id, Seq(2)));
        let lists = AtomicU64::new(0);
        faults.around(Verb::List, Moment::After, move || {
            // certificates, snapshots, packs, trees, index objects; then the snapshots to adopt the last of
            if lists.fetch_add(1, Ordering::Relaxed) + 1 == 6 {
                target.delete(&name).unwrap();
            }
        });
        let error = rebuild(&store, &repo.keys, &journal, 1).unwrap_err();
        assert!(matches!(error, RepoError::Store(StoreError::NotFound { .. })), "{error}");
        assert_eq!(journal.head().unwrap(), None);
    }
}
