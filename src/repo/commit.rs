//! The end of a run: index objects, then the manifest. The order is held by the types.

use std::collections::HashMap;

use super::{RepoError, names};
use crate::crypto::{self, MachineKeys};
use crate::format::{self, BundleMembers, IndexBody, IndexedFrame, IndexedPack, ManifestBody};
use crate::journal::{Journal, MemberRow, PackContents, PackKind};
use crate::model::{ChunkId, ObjectHash, Seq, StorageClass};
use crate::store::{Store, StoreError};
use crate::upload::{Body, Durable, Role, SpooledObject, UploadError, Uploader};

/// One index object lists at most so many packs.
const PACKS_PER_INDEX: usize = 256;
/// … and so many frames and small files: some 20 MiB.
const ROWS_PER_INDEX: usize = 500_000;
const MAX_MANIFEST: u64 = 64 << 20;

/// Proof that every pack of this machine that is durable is also listed by a durable index object. Only
/// [`write_index`] makes it.
#[must_use = "the manifest is still to be committed"]
pub struct DurableIndex {
    /// Bytes of the index objects that were stored for it.
    pub stored_bytes: u64,
    _objects: Vec<Durable<()>>,
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
pub fn write_index(uploader: &Uploader, keys: &MachineKeys, journal: &Journal) -> Result<DurableIndex, RepoError> {
    let mut index = DurableIndex { stored_bytes: 0, _objects: Vec::new() };
    loop {
        let mut waiting = journal.packs_unindexed()?;
        if waiting.is_empty() {
            return Ok(index);
        }
        waiting.truncate(packs_within(&waiting));
        let packs: Vec<ObjectHash> = waiting.iter().map(|contents| contents.pack.hash).collect();
        let body = IndexBody { packs: waiting.into_iter().map(indexed).collect() };
        let bytes = format::seal_index(&body, keys.repo_id, keys.machine_id, &keys.index, &keys.signing);
        let hash = crypto::hash(&bytes);
        index.stored_bytes += bytes.len() as u64;
        let name = names::index(&keys.machine_id, &hash);
        let size = bytes.len() as u64;
        let object = SpooledObject {
            what: (),
            role: Role::Hashed,
            name,
            class: StorageClass::Standard,
            body: Body::Bytes(bytes),
            size,
            hash,
        };
        index._objects.push(uploader.upload(object)?);
        crate::fault::point("index.written");
        journal.packs_indexed(&hash, &packs)?;
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
        uploader: &Uploader,
        keys: &MachineKeys,
        _everything_else: DurableIndex,
    ) -> Result<CommittedSnapshot, RepoError> {
        let (seq, hash, size) = (self.seq, self.hash, self.len());
        let name = names::manifest(&keys.machine_id, seq);
        let object = SpooledObject {
            what: (),
            role: Role::Numbered,
            name,
            class: StorageClass::Standard,
            body: Body::Bytes(self.bytes),
            size,
            hash,
        };
        match uploader.upload(object) {
            Ok(durable) => Ok(CommittedSnapshot { seq, manifest: durable.hash() }),
            Err(UploadError::Taken { .. }) => Err(RepoError::SequenceTaken { machine: keys.machine_id, seq }),
            Err(error) => Err(error.into()),
        }
    }
}

/// How many packs the next index object lists: at least one.
fn packs_within(waiting: &[PackContents]) -> usize {
    let mut rows = 0;
    let fits = waiting.iter().take(PACKS_PER_INDEX).take_while(|contents| {
        rows += contents.frames.len() + contents.members.len();
        rows <= ROWS_PER_INDEX
    });
    fits.count().max(1)
}

/// Does the target hold this manifest of this machine, so that a power cut does not take it back?
pub fn is_committed(store: &Store, keys: &MachineKeys, seq: Seq, manifest: &ObjectHash) -> Result<bool, RepoError> {
    let name = names::manifest(&keys.machine_id, seq);
    match store.get(&name, MAX_MANIFEST) {
        // reading proves nothing about its name; looking for it makes it durable
        Ok(bytes) => Ok(crypto::hash(&bytes) == *manifest && store.head(&name)?.is_some()),
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
