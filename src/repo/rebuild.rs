//! Opening a repository to back up into it, and rebuilding the local state from the target when it was lost: what is stored
//! is known again by the index objects, so that no content is uploaded a second time.

use std::collections::HashMap;

use super::adopt::adopt_last_snapshot;
use super::open::{or_replaced, parse_repo, read_record};
use super::{RepoError, certificates, names};
use crate::chunk::ChunkLimits;
use crate::crypto::{self, MachineKeys, Signers};
use crate::format::{self, FormatError, IndexedPack, RepositoryRecord};
use crate::journal::{FrameRow, Journal, MemberRow, PackContents, PackKind, PackRow};
use crate::model::{ObjectHash, Seq, StorageClass};
use crate::store::{ObjectName, Store};

const MAX_INDEX: u64 = 256 << 20;

/// What was found in the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rebuilt {
    pub last_snapshot: Option<Seq>,
    /// The newest of those behind it that are listed and are damaged, or not of this machine.
    pub passed_over: Option<Seq>,
    pub index_objects: u64,
    pub packs: u64,
    /// Packs that an index object lists and the target does not hold, or not with that size: their content is stored again.
    pub missing: u64,
    /// The same of packs that the journal believed in.
    pub lost: u64,
    /// Index objects that could not be used: their content may be stored again.
    pub unusable: u64,
}

/// Checks that the target holds the repository of these keys; gives its chunk limits.
pub fn open_for_backup(store: &Store, keys: &MachineKeys) -> Result<ChunkLimits, RepoError> {
    limits_of_own(store, keys).map_err(|error| or_replaced(error, store))
}

fn limits_of_own(store: &Store, keys: &MachineKeys) -> Result<ChunkLimits, RepoError> {
    let signed = read_record(store)?;
    let wrong = |found: String| RepoError::WrongRepository { place: store.place().into(), key: keys.repo_id, found };
    let record: RepositoryRecord = match signed.verify(&keys.admin) {
        Ok(record) => record,
        Err(source) => {
            let claimed = signed.claims().map(|record| record.repository).unwrap_or_default();
            if claimed != keys.repo_id.to_string() {
                return Err(wrong(claimed));
            }
            return Err(RepoError::Object { name: names::repository(), source });
        }
    };
    if parse_repo(&record)? != keys.repo_id {
        return Err(wrong(record.repository));
    }
    Ok(record.chunker)
}

/// Brings a journal that is empty, or older than the target, to what the target holds. Costs one LIST each of this machine's
/// packs, index objects and snapshots and a GET for each index object that it does not know. May be repeated.
pub fn rebuild(store: &Store, keys: &MachineKeys, journal: &Journal, now_ms: i64) -> Result<Rebuilt, RepoError> {
    let mut rebuilt = Rebuilt::default();
    let signers = own_signers(store, keys)?;
    let present = present_packs(store, keys)?;
    rebuilt.lost = forget_missing(journal, &present, now_ms)?;
    for listed in store.list(&names::folder(&keys.machine_id, "index"))? {
        let Some(hash) = names::hash_of(&listed.name) else { continue };
        if journal.index_known(&hash)? {
            continue;
        }
        match read_index(store, keys, &signers, &listed.name, &hash) {
            Ok(mut packs) => {
                let listed = packs.len();
                packs.retain_mut(|contents| match present.get(&contents.pack.hash) {
                    Some((size, class)) if *size == contents.pack.size => {
                        contents.pack.class = *class;
                        true
                    }
                    _ => false,
                });
                rebuilt.index_objects += 1;
                rebuilt.missing += (listed - packs.len()) as u64;
                rebuilt.packs += packs.len() as u64;
                journal.import_index(&hash, &packs)?;
            }
            Err(error) if is_of_object(&error) => {
                let (name, error) = (&listed.name, &error as &dyn std::error::Error);
                tracing::warn!(%name, error, "an index object cannot be used; its content may be stored again");
                rebuilt.unusable += 1;
            }
            Err(error) => return Err(error),
        }
    }
    if rebuilt.missing > 0 {
        tracing::warn!(
            packs = rebuilt.missing,
            "packs that were stored are missing in the target or have another size"
        );
    }
    journal.find_superseded()?;
    (rebuilt.last_snapshot, rebuilt.passed_over) = adopt_last_snapshot(store, keys, journal, now_ms)?;
    Ok(rebuilt)
}

/// A journal that is a copy of an older one may believe in packs that never became durable, or that are gone since.
fn forget_missing(journal: &Journal, present: &Present, now_ms: i64) -> Result<u64, RepoError> {
    let lost = missing_of(journal, present)?;
    if !lost.is_empty() {
        tracing::warn!(packs = lost.len(), "the journal knew of packs that the target does not hold");
        journal.forget_indexes()?;
    }
    Ok(journal.lose_packs(&lost, now_ms)?)
}

fn missing_of(journal: &Journal, present: &Present) -> Result<Vec<ObjectHash>, RepoError> {
    let mut believed = journal.packs_stored()?;
    believed.retain(|(hash, size)| present.get(hash).is_none_or(|(found, _)| found != size));
    Ok(believed.into_iter().map(|(hash, _)| hash).collect())
}

/// Packs that the journal believes in and the target does not hold, or not with that size. Costs two LISTs.
pub fn missing_packs(store: &Store, keys: &MachineKeys, journal: &Journal) -> Result<Vec<ObjectHash>, RepoError> {
    missing_of(journal, &present_packs(store, keys)?)
}

/// The sizes and classes of the packs that are there.
type Present = HashMap<ObjectHash, (u64, StorageClass)>;

/// This machine's keys: its own and those before it. Who recovered it elsewhere has a later one.
fn own_signers(store: &Store, keys: &MachineKeys) -> Result<Signers, RepoError> {
    let certificates::Found { mut signers, problems } =
        certificates::find(store, &keys.repo_id, &keys.admin, keys.machine_id)?;
    for problem in problems {
        match problem {
            // it was listed: a later key may be in it
            RepoError::Store(error) if error.is_not_found() => return Err(error.into()),
            problem => tracing::warn!(%problem, "a certificate of this machine cannot be used"),
        }
    }
    signers.insert(&keys.certificate);
    match signers.last() {
        Some(found) if found > keys.certificate.serial => {
            Err(RepoError::Superseded { machine: keys.machine_id, own: keys.certificate.serial, found })
        }
        _ => Ok(signers),
    }
}

fn present_packs(store: &Store, keys: &MachineKeys) -> Result<Present, RepoError> {
    let mut present = Present::new();
    for folder in ["packs", "trees"] {
        let listed = store.list(&names::folder(&keys.machine_id, folder))?;
        present.extend(
            listed.iter().filter_map(|object| Some((names::hash_of(&object.name)?, (object.size, object.class)))),
        );
    }
    Ok(present)
}

fn read_index(
    store: &Store,
    keys: &MachineKeys,
    signers: &Signers,
    name: &ObjectName,
    hash: &ObjectHash,
) -> Result<Vec<PackContents>, RepoError> {
    let object = |source| RepoError::Object { name: name.clone(), source };
    let bytes = store.get(name, MAX_INDEX)?;
    if crypto::hash(&bytes) != *hash {
        return Err(object(FormatError::Damaged("its bytes are not those of its name")));
    }
    let body = format::open_index(&bytes, &keys.repo_id, &keys.index, Some(signers)).map_err(object)?;
    Ok(body.packs.into_iter().map(contents_of).collect())
}

/// One that is listed and cannot be found says nothing of itself, but of the store.
fn is_of_object(error: &RepoError) -> bool {
    match error {
        RepoError::Object { .. } => true,
        RepoError::Store(error) => error.is_of_object(),
        _ => false,
    }
}

/// What an index says of a pack, as the journal keeps it. Members of a bundle that the pack does not have are left out.
pub fn contents_of(pack: IndexedPack) -> PackContents {
    let frames: Vec<FrameRow> = pack
        .located()
        .map(|(frame, offset)| FrameRow {
            chunk: frame.id,
            kind: frame.kind,
            offset,
            len: frame.len,
            raw_len: frame.raw_len,
        })
        .collect();
    let mut members = Vec::new();
    for bundle in &pack.members {
        let Some(frame) = pack.frames.get(bundle.frame as usize) else { continue };
        members.extend(bundle.members().map(|(member, offset)| MemberRow {
            file: member.id,
            bundle: frame.id,
            offset,
            len: member.len,
        }));
    }
    let kind = if pack.is_tree { PackKind::Tree } else { PackKind::Data };
    PackContents {
        pack: PackRow { hash: pack.hash, kind, size: pack.size, class: StorageClass::Standard, spool_path: None },
        frames,
        members,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Content, Entry};
    use crate::repo::testing::{Entries, TestRepo};

    fn two_snapshots() -> (TestRepo, Content, crate::format::Manifest) {
        let mut repo = TestRepo::new();
        let content = repo.bundled(&[b"content"]).remove(0);
        let file = Entry { content: Some(content.clone()), ..Entry::test_file(7) };
        let entries = Entries::from([(vec![], Entry::test_dir()), (b"f".to_vec(), file)]);
        repo.commit(&entries);
        let manifest = repo.commit(&entries);
        (repo, content, manifest)
    }

    fn journal() -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        (dir, journal)
    }

    #[test]
    fn content_counts_as_stored_only_if_its_pack_is_there_as_it_was_written() {
        let (repo, content, manifest) = two_snapshots();
        let Content::Bundled { bundle, .. } = content else { panic!("{content:?}") };
        let node = manifest.body.roots[0].tree.unwrap();
        let known = || {
            let (_dir, journal) = journal();
            let rebuilt = rebuild(&repo.store, &repo.keys, &journal, 1).unwrap();
            (rebuilt.missing, journal.chunk_known(&bundle).unwrap(), journal.chunk_known(&node).unwrap())
        };
        assert_eq!(known(), (0, true, true));
        let trees = repo.store.list(&names::folder(&repo.keys.machine_id, "trees")).unwrap().len() as u64;
        repo.change("/trees/", |bytes| bytes.push(0));
        assert_eq!(known(), (trees, true, false));
        for pack in repo.store.list(&names::folder(&repo.keys.machine_id, "packs")).unwrap() {
            repo.store.delete(&pack.name).unwrap();
        }
        assert_eq!(known(), (trees + 1, false, false));
    }

    #[test]
    fn what_the_disk_cannot_read_costs_its_own_packs_and_no_backup() {
        use crate::store::{Moment, Verb};
        let (repo, _, _) = two_snapshots();
        let (store, faults) = repo.store.clone().failing();
        let (_dir, journal) = journal();
        // the certificate, then two index objects and the newest manifest
        faults.fail_nth(Verb::Get, 2, Moment::Before, rustix::io::Errno::IO);
        faults.fail_nth(Verb::Get, 4, Moment::Before, rustix::io::Errno::IO);
        let rebuilt = rebuild(&store, &repo.keys, &journal, 1).unwrap();
        assert_eq!((rebuilt.index_objects, rebuilt.unusable, rebuilt.last_snapshot), (1, 1, Some(Seq(1))));
        assert_eq!(journal.head().unwrap().unwrap().0, Seq(2), "its number is taken");
    }
}
