//! Opening a repository to back up into it, and rebuilding the local state from the target when it was lost: what is stored
//! is known again by the index objects, so that no content is uploaded a second time.

use std::collections::{BTreeSet, HashMap};

use super::open::{parse_repo, read_record};
use super::{RepoError, certificates, names};
use crate::chunk::ChunkLimits;
use crate::crypto::{self, MachineKeys, Signers};
use crate::format::{self, FormatError, IndexedPack, RepositoryRecord};
use crate::journal::{FrameRow, Journal, MemberRow, PackContents, PackKind, PackRow};
use crate::model::{ListedRoot, ObjectHash, Seq, StorageClass};
use crate::store::{ObjectName, Store, StoreError};

const MAX_INDEX: u64 = 256 << 20;
const MAX_MANIFEST: u64 = 64 << 20;

/// What was found in the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rebuilt {
    pub last_snapshot: Option<Seq>,
    pub index_objects: u64,
    pub packs: u64,
    /// Packs that an index object lists and the target does not hold, or not with that size: their content is stored again.
    pub missing: u64,
    /// Index objects that could not be used: their content may be stored again.
    pub unusable: u64,
}

/// Checks that the target holds the repository of these keys; gives its chunk limits.
pub fn open_for_backup(store: &Store, keys: &MachineKeys) -> Result<ChunkLimits, RepoError> {
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

/// Brings an empty journal to what the target holds. Costs one LIST each of this machine's packs, index objects and snapshots
/// and a GET for each index object. May be repeated.
pub fn rebuild(store: &Store, keys: &MachineKeys, journal: &Journal) -> Result<Rebuilt, RepoError> {
    let mut rebuilt = Rebuilt::default();
    let signers = own_signers(store, keys)?;
    let present = present_packs(store, keys)?;
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
            Err(RepoError::Object { name, source }) => {
                tracing::warn!(%name, error = %source, "an index object cannot be used; its content may be stored again");
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
    rebuilt.last_snapshot = adopt_last_snapshot(store, keys, journal)?;
    Ok(rebuilt)
}

/// This machine's keys: its own and those before it. Who recovered it elsewhere has a later one.
fn own_signers(store: &Store, keys: &MachineKeys) -> Result<Signers, RepoError> {
    let certificates::Found { mut signers, problems } =
        certificates::find(store, &keys.repo_id, &keys.admin, keys.machine_id)?;
    problems.iter().for_each(|problem| tracing::warn!(%problem, "a certificate of this machine cannot be used"));
    signers.insert(&keys.certificate);
    match signers.last() {
        Some(found) if found > keys.certificate.serial => {
            Err(RepoError::Superseded { machine: keys.machine_id, own: keys.certificate.serial, found })
        }
        _ => Ok(signers),
    }
}

/// The sizes and classes of the packs that are there.
fn present_packs(store: &Store, keys: &MachineKeys) -> Result<HashMap<ObjectHash, (u64, StorageClass)>, RepoError> {
    let mut present = HashMap::new();
    for folder in ["packs", "trees"] {
        let listed = store.list(&names::folder(&keys.machine_id, folder))?;
        present.extend(
            listed.iter().filter_map(|object| Some((names::hash_of(&object.name)?, (object.size, object.class)))),
        );
    }
    Ok(present)
}

/// The last manifest that we signed is what the next one follows. Numbers behind it may be taken by something else (a
/// damaged manifest, somebody's file): the next manifest goes behind those that follow without a gap, all others are ignored.
fn adopt_last_snapshot(store: &Store, keys: &MachineKeys, journal: &Journal) -> Result<Option<Seq>, RepoError> {
    let listed = store.list(&names::folder(&keys.machine_id, "snapshots"))?;
    let taken: BTreeSet<Seq> = listed.iter().filter_map(|object| names::seq_of(&object.name)).collect();
    let mut own = None;
    for seq in taken.iter().rev() {
        own = own_manifest(store, keys, *seq)?.map(|found| (*seq, found));
        if own.is_some() {
            break;
        }
    }
    let own_seq = own.as_ref().map(|(seq, _)| *seq);
    let (last, (previous, listing)) = own.unwrap_or((Seq(0), (ObjectHash([0; ObjectHash::LEN]), vec![])));
    let next = |seq: &Seq| seq.0.checked_add(1).map(Seq).filter(|seq| taken.contains(seq));
    let behind = std::iter::successors(next(&last), next).last();
    if let Some(head) = behind.or(own_seq) {
        journal.adopt_head(head, previous, &listing)?;
    }
    Ok(own_seq)
}

/// The hash of this manifest and how it lists the roots, if it is there and signed by us.
fn own_manifest(
    store: &Store,
    keys: &MachineKeys,
    seq: Seq,
) -> Result<Option<(ObjectHash, Vec<ListedRoot>)>, RepoError> {
    let name = names::manifest(&keys.machine_id, seq);
    let bytes = match store.get(&name, MAX_MANIFEST) {
        Err(StoreError::TooLarge { .. } | StoreError::NotFound { .. }) => return Ok(None),
        other => other?,
    };
    let listing = format::verify_manifest(&bytes, seq, &keys.repo_id, &keys.machine_id, &keys.admin)
        .and_then(|manifest| manifest.listing(keys));
    match listing {
        Ok(listing) => Ok(Some((crypto::hash(&bytes), listing))),
        Err(error) => {
            tracing::warn!(%name, %error, "a snapshot is not one of this machine, or damaged; the one before it is taken");
            Ok(None)
        }
    }
}

fn read_index(
    store: &Store,
    keys: &MachineKeys,
    signers: &Signers,
    name: &ObjectName,
    hash: &ObjectHash,
) -> Result<Vec<PackContents>, RepoError> {
    let object = |source| RepoError::Object { name: name.clone(), source };
    let bytes = match store.get(name, MAX_INDEX) {
        Err(StoreError::TooLarge { .. }) => return Err(object(FormatError::Damaged("it is too large"))),
        other => other?,
    };
    if crypto::hash(&bytes) != *hash {
        return Err(object(FormatError::Damaged("its bytes are not those of its name")));
    }
    let body = format::open_index(&bytes, &keys.repo_id, &keys.index, Some(signers)).map_err(object)?;
    Ok(body.packs.into_iter().map(contents_of).collect())
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
    use crate::store::PutSource;

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

    fn hash_of_snapshot(repo: &TestRepo, seq: u64) -> ObjectHash {
        crypto::hash(&repo.store.get(&names::manifest(&repo.keys.machine_id, Seq(seq)), MAX_MANIFEST).unwrap())
    }

    fn garbage(repo: &TestRepo, seq: u64) {
        let name = names::manifest(&repo.keys.machine_id, Seq(seq));
        repo.store.put_if_absent(&name, PutSource::Bytes(b"not a manifest"), StorageClass::Standard).unwrap();
    }

    #[test]
    fn the_head_is_the_last_manifest_of_this_machine_whatever_lies_beside_it() {
        let (repo, ..) = two_snapshots();
        [9, i64::MAX as u64, u64::MAX].into_iter().for_each(|seq| garbage(&repo, seq));
        let (_dir, journal) = journal();
        let rebuilt = rebuild(&repo.store, &repo.keys, &journal).unwrap();
        assert_eq!(rebuilt.last_snapshot, Some(Seq(2)));
        assert_eq!(journal.head().unwrap(), Some((Seq(2), hash_of_snapshot(&repo, 2))));
    }

    #[test]
    fn a_number_that_is_taken_is_passed_over_and_the_last_own_manifest_followed() {
        let (repo, ..) = two_snapshots();
        [3, 4, 6].into_iter().for_each(|seq| garbage(&repo, seq));
        let (_dir, journal) = journal();
        rebuild(&repo.store, &repo.keys, &journal).unwrap();
        assert_eq!(journal.head().unwrap(), Some((Seq(4), hash_of_snapshot(&repo, 2))));
    }

    #[test]
    fn where_every_manifest_is_damaged_the_next_one_still_finds_a_free_number() {
        let (repo, ..) = two_snapshots();
        repo.damage("/snapshots/");
        let (_dir, journal) = journal();
        let rebuilt = rebuild(&repo.store, &repo.keys, &journal).unwrap();
        assert_eq!(rebuilt.last_snapshot, None);
        assert_eq!(journal.head().unwrap(), Some((Seq(2), ObjectHash([0; ObjectHash::LEN]))));
    }

    #[test]
    fn content_counts_as_stored_only_if_its_pack_is_there_as_it_was_written() {
        let (repo, content, manifest) = two_snapshots();
        let Content::Bundled { bundle, .. } = content else { panic!("{content:?}") };
        let node = manifest.body.roots[0].tree.unwrap();
        let known = || {
            let (_dir, journal) = journal();
            let rebuilt = rebuild(&repo.store, &repo.keys, &journal).unwrap();
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
}
