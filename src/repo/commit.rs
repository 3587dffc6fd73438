//! The end of a run: index objects, then the manifest. The order is held by the types.

use std::collections::HashMap;

use super::{RepoError, names};
use crate::crypto::{self, MachineKeys};
use crate::format::{self, BundleMembers, IndexBody, IndexedFrame, IndexedPack, ManifestBody};
use crate::journal::{Journal, MemberRow, PackContents, PackKind};
use crate::model::{ChunkId, ObjectHash, Seq};
use crate::store::{PutOutcome, PutSource, Store, StoreError};

/// One index object lists at most so many packs.
const PACKS_PER_INDEX: usize = 256;
const MAX_MANIFEST: u64 = 64 << 20;

/// Proof that every pack of this machine that is durable is also listed by a durable index object. Only
/// [`write_index`] makes it.
#[must_use = "the manifest is still to be committed"]
pub struct DurableIndex {
    /// Bytes of the index objects that were stored for it.
    pub stored_bytes: u64,
}

/// A snapshot that exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommittedSnapshot {
    pub seq: Seq,
    pub manifest: ObjectHash,
}

/// A manifest that was sealed but not written: its hash can be noted before it exists.
pub struct SealedManifest {
    pub seq: Seq,
    pub hash: ObjectHash,
    bytes: Vec<u8>,
}

/// Writes index objects for all packs that the journal knows as durable and not yet indexed. Each is durable before its
/// packs count as indexed; may be repeated after a crash (a pack may then stand in two index objects).
pub fn write_index(store: &Store, keys: &MachineKeys, journal: &Journal) -> Result<DurableIndex, RepoError> {
    let mut stored_bytes = 0;
    loop {
        let mut waiting = journal.packs_unindexed()?;
        waiting.truncate(PACKS_PER_INDEX);
        if waiting.is_empty() {
            return Ok(DurableIndex { stored_bytes });
        }
        let packs: Vec<ObjectHash> = waiting.iter().map(|contents| contents.pack.hash).collect();
        let body = IndexBody { packs: waiting.into_iter().map(indexed).collect() };
        let bytes = format::seal_index(&body, keys.repo_id, keys.machine_id, &keys.index, &keys.signing);
        let hash = crypto::hash(&bytes);
        store.put_if_absent(&names::index(&keys.machine_id, &hash), PutSource::Bytes(&bytes))?;
        crate::fault::point("index.written");
        journal.packs_indexed(&hash, &packs)?;
        stored_bytes += bytes.len() as u64;
    }
}

impl SealedManifest {
    pub fn seal(body: &ManifestBody, seq: Seq, previous: ObjectHash, keys: &MachineKeys) -> Self {
        let bytes = format::seal_manifest(body, seq, previous, keys);
        Self { seq, hash: crypto::hash(&bytes), bytes }
    }

    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Makes the snapshot exist; durable on return. A manifest of the same number that is not this one is
    /// [`RepoError::SequenceTaken`]: nothing was written then.
    pub fn commit(
        self,
        store: &Store,
        keys: &MachineKeys,
        _everything_else: DurableIndex,
    ) -> Result<CommittedSnapshot, RepoError> {
        let name = names::manifest(&keys.machine_id, self.seq);
        let taken = || RepoError::SequenceTaken { machine: keys.machine_id, seq: self.seq };
        match store.put_if_absent(&name, PutSource::Bytes(&self.bytes)) {
            Ok(PutOutcome::Created) => {}
            Err(StoreError::Conflict { .. }) => return Err(taken()),
            // a repeated put finds its own object; the same size may also be somebody else's
            Ok(PutOutcome::AlreadyThere) if crypto::hash(&store.get(&name, MAX_MANIFEST)?) == self.hash => {}
            Ok(PutOutcome::AlreadyThere) => return Err(taken()),
            Err(error) => return Err(error.into()),
        }
        Ok(CommittedSnapshot { seq: self.seq, manifest: self.hash })
    }
}

/// Does the target hold this manifest of this machine?
pub fn is_committed(store: &Store, keys: &MachineKeys, seq: Seq, manifest: &ObjectHash) -> Result<bool, RepoError> {
    match store.get(&names::manifest(&keys.machine_id, seq), MAX_MANIFEST) {
        Ok(bytes) => Ok(crypto::hash(&bytes) == *manifest),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn indexed(contents: PackContents) -> IndexedPack {
    let mut by_bundle: HashMap<ChunkId, Vec<MemberRow>> = HashMap::new();
    for member in &contents.members {
        by_bundle.entry(member.bundle).or_default().push(*member);
    }
    let mut members = Vec::new();
    for (at, frame) in contents.frames.iter().enumerate() {
        if let Some(mut rows) = by_bundle.remove(&frame.chunk) {
            rows.sort_by_key(|member| member.offset);
            let rows: Vec<_> = rows.iter().map(|row| format::MemberRow { id: row.file, len: row.len }).collect();
            members.push(BundleMembers::new(at as u32, &rows));
        }
    }
    IndexedPack {
        hash: contents.pack.hash,
        is_tree: contents.pack.kind == PackKind::Tree,
        size: contents.pack.size,
        first_frame: contents.frames.first().map_or(0, |frame| frame.offset as u32),
        frames: contents
            .frames
            .iter()
            .map(|frame| IndexedFrame { id: frame.chunk, kind: frame.kind, len: frame.len, raw_len: frame.raw_len })
            .collect(),
        members,
    }
}
