//! The next tree of a root: staged edits over the tree before, new nodes sealed into tree packs and kept locally.

use std::collections::{HashSet, VecDeque};
use std::slice::from_ref;

use super::agent::Backup;
use super::error::RunError;
use super::placement::Placement;
use super::presence::Presence;
use super::uploader::store_pack;
use crate::crypto::SealingSlot;
use crate::format::IndexedFrame;
use crate::journal::{Journal, JournalError, NewTree};
use crate::model::{ChunkId, Entry, RelPath, StorageClass};
use crate::pack::{PackWriter, SealedFrame};
use crate::seal::{FrameKind, FrameSealer};
use crate::tree::{self, ApplyError, Edit, NodeSink, NodeSource, RangeDelete, TreeKey, TreeReader, TreeSummary};

/// Nodes are written to the journal in groups.
const NODES: usize = 64;
const EDITS: usize = 1024;

/// The nodes of a root's current tree, as the journal keeps them.
pub(super) struct LocalNodes {
    pub journal: Journal,
    pub root: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum LocalNodeError {
    #[error("the journal does not have it")]
    Missing,
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl NodeSource for LocalNodes {
    type Error = LocalNodeError;
    fn node(&self, id: &ChunkId) -> Result<Vec<u8>, LocalNodeError> {
        self.journal.node_get(&self.root, id)?.ok_or(LocalNodeError::Missing)
    }
}

/// What a root's tree became.
pub(super) struct BuiltTree {
    pub new: NewTree,
    pub summary: TreeSummary,
    pub stored_bytes: u64,
}

/// Applies everything that is staged for the root. On return its nodes are durable in the target but not yet indexed.
/// `None`: the root has no entries at all. `is_rewritten`: nodes may be lost as well as content, so each is put, and what is
/// known is not sent.
pub(super) fn build(
    backup: &Backup,
    root: &str,
    slot: &SealingSlot,
    presence: &Presence,
    is_rewritten: bool,
) -> Result<Option<BuiltTree>, RunError> {
    let state = backup.journal.root_state(root)?;
    let old = TreeReader::new(LocalNodes { journal: backup.journal.clone(), root: root.to_owned() }, state.tree);
    let removals = backup.journal.staged_removals(root)?;
    let ranges = removals.iter().flat_map(RangeDelete::below).collect();
    let mut sealer = TreeSealer::new(backup, root, slot, presence)?;
    let edits = StagedEdits { journal: &backup.journal, root, after: None, page: VecDeque::new(), at_end: false };
    let applied = match is_rewritten {
        true => tree::rewrite(&old, edits, ranges, &mut sealer),
        false => tree::apply(&old, edits, ranges, &mut sealer),
    };
    let applied = applied.map_err(|error| match error {
        ApplyError::Store(error) | ApplyError::Edits(error) => error,
        ApplyError::Read(error) => RunError::LocalTree { root: root.to_owned(), what: error.to_string() },
    })?;
    let (made, stored_bytes) = sealer.finish()?;
    let Some(summary) = applied.summary else { return Ok(None) };
    let drop = applied.replaced.into_iter().filter(|id| !made.contains(id)).collect();
    let new = NewTree { root: root.to_owned(), tree: summary.root, put: Vec::new(), drop };
    Ok(Some(BuiltTree { new, summary, stored_bytes }))
}

/// Seals nodes that the target does not have, and keeps all new ones locally.
struct TreeSealer<'a> {
    backup: &'a Backup,
    root: &'a str,
    slot: &'a SealingSlot,
    presence: &'a Presence,
    sealer: FrameSealer,
    pack: Option<PackWriter>,
    local: Vec<(ChunkId, Vec<u8>)>,
    made: HashSet<ChunkId>,
    stored_bytes: u64,
}

impl<'a> TreeSealer<'a> {
    fn new(backup: &'a Backup, root: &'a str, slot: &'a SealingSlot, presence: &'a Presence) -> Result<Self, RunError> {
        let sealer = FrameSealer::new(&backup.keys, slot, backup.options.level)?;
        let (local, made) = (Vec::new(), HashSet::new());
        Ok(Self { backup, root, slot, presence, sealer, pack: None, local, made, stored_bytes: 0 })
    }

    fn seal(&mut self, id: ChunkId, bytes: &[u8]) -> Result<(), RunError> {
        let mut frame = Vec::new();
        let head = self.sealer.seal(FrameKind::Node, id, bytes, &mut frame)?;
        let writer = match &mut self.pack {
            Some(writer) => writer,
            None => {
                let (spool, keys) = (&self.backup.spool, &self.backup.keys);
                self.pack.insert(PackWriter::create(spool, true, keys, from_ref(&self.slot.slot))?)
            }
        };
        let index = IndexedFrame { id, kind: head.kind.code(), len: frame.len() as u32, raw_len: head.raw_len };
        writer.append(&SealedFrame { bytes: frame, frame: index, members: vec![] })?;
        if writer.len() >= self.backup.options.pack_bytes {
            self.close_pack()?;
        }
        Ok(())
    }

    fn close_pack(&mut self) -> Result<(), RunError> {
        if let Some(pack) = self.pack.take() {
            let placement = Placement::new(StorageClass::Standard, &self.backup.options);
            self.stored_bytes += store_pack(self.backup, self.presence, &placement, pack)?;
        }
        Ok(())
    }

    fn keep_local(&mut self) -> Result<(), RunError> {
        if !self.local.is_empty() {
            self.backup.journal.make_nodes(self.root, &self.local)?;
            self.local.clear();
        }
        Ok(())
    }

    /// All ids that were made, and the bytes stored for them.
    fn finish(mut self) -> Result<(HashSet<ChunkId>, u64), RunError> {
        self.close_pack()?;
        self.keep_local()?;
        Ok((self.made, self.stored_bytes))
    }
}

impl NodeSink for TreeSealer<'_> {
    type Error = RunError;

    fn put(&mut self, _level: u8, bytes: Vec<u8>) -> Result<ChunkId, RunError> {
        let id = self.sealer.id(FrameKind::Node, &bytes);
        if self.presence.claim(&id)? {
            self.seal(id, &bytes)?;
        }
        if self.made.insert(id) {
            self.local.push((id, bytes));
        }
        if self.local.len() >= NODES {
            self.keep_local()?;
        }
        Ok(id)
    }
}

/// Staged entries page by page, as edits in key order.
struct StagedEdits<'a> {
    journal: &'a Journal,
    root: &'a str,
    after: Option<(RelPath, Vec<u8>)>,
    page: VecDeque<Edit>,
    at_end: bool,
}

impl StagedEdits<'_> {
    fn fetch(&mut self) -> Result<(), RunError> {
        let after = self.after.as_ref().map(|(dir, name)| (dir, &name[..]));
        let rows = self.journal.staged_iter(self.root, after, EDITS)?;
        self.at_end = rows.len() < EDITS;
        self.after = rows.last().map(|row| (row.dir.clone(), row.name.clone()));
        for row in rows {
            let entry = row.entry.as_deref().map(minicbor::decode::<Entry>).transpose();
            let entry = entry.map_err(|error| RunError::LocalTree {
                root: self.root.to_owned(),
                what: format!("a staged entry cannot be read: {error}"),
            })?;
            self.page.push_back((TreeKey::new(&row.dir, &row.name), entry));
        }
        Ok(())
    }
}

impl Iterator for StagedEdits<'_> {
    type Item = Result<Edit, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && !self.at_end
            && let Err(error) = self.fetch()
        {
            self.at_end = true;
            return Some(Err(error));
        }
        self.page.pop_front().map(Ok)
    }
}
