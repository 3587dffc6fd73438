//! Opening a repository to back up into it, and rebuilding the local state from the target when it was lost: what is stored
//! is known again by the index objects, so that no content is uploaded a second time.

use super::open::{parse_repo, read_record};
use super::{RepoError, names};
use crate::chunk::ChunkLimits;
use crate::crypto::{self, MachineKeys};
use crate::format::{self, FormatError, IndexedPack, RepositoryRecord};
use crate::journal::{FrameRow, Journal, MemberRow, PackContents, PackKind, PackRow};
use crate::model::{ObjectHash, Seq};
use crate::store::{Store, StoreError};

const MAX_INDEX: u64 = 256 << 20;
const MAX_MANIFEST: u64 = 64 << 20;

/// What was found in the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rebuilt {
    pub last_snapshot: Option<Seq>,
    pub index_objects: u64,
    pub packs: u64,
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
            let claimed = signed.claims::<RepositoryRecord>().map(|record| record.repository).unwrap_or_default();
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

/// Brings an empty journal to what the target holds. Costs one LIST each of this machine's index objects and snapshots and a
/// GET for each index object. May be repeated.
pub fn rebuild(store: &Store, keys: &MachineKeys, journal: &Journal) -> Result<Rebuilt, RepoError> {
    let mut rebuilt = Rebuilt::default();
    for listed in store.list(&names::folder(&keys.machine_id, "index"))? {
        let Some(hash) = names::hash_of(&listed.name) else { continue };
        if journal.index_known(&hash)? {
            continue;
        }
        match read_index(store, keys, &listed.name, &hash) {
            Ok(packs) => {
                rebuilt.index_objects += 1;
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
    rebuilt.last_snapshot = adopt_last_snapshot(store, keys, journal)?;
    Ok(rebuilt)
}

fn adopt_last_snapshot(store: &Store, keys: &MachineKeys, journal: &Journal) -> Result<Option<Seq>, RepoError> {
    let listed = store.list(&names::folder(&keys.machine_id, "snapshots"))?;
    let Some(last) = listed.iter().filter_map(|object| names::seq_of(&object.name)).max() else { return Ok(None) };
    let bytes = store.get(&names::manifest(&keys.machine_id, last), MAX_MANIFEST)?;
    journal.adopt_head(last, crypto::hash(&bytes))?;
    Ok(Some(last))
}

fn read_index(
    store: &Store,
    keys: &MachineKeys,
    name: &crate::store::ObjectName,
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
    let body =
        format::open_index(&bytes, &keys.repo_id, &keys.index, Some(&keys.signing.verifying())).map_err(object)?;
    Ok(body.packs.into_iter().map(contents).collect())
}

fn contents(pack: IndexedPack) -> PackContents {
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
    PackContents { pack: PackRow { hash: pack.hash, kind, size: pack.size, spool_path: None }, frames, members }
}
