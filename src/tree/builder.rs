//! Entries in key order → nodes, bottom up. Where a node ends is decided by the keys (docs/format.md, "Tree shape").

use super::key::TreeKey;
use super::node::{ChildRef, Node};
use crate::crypto;
use crate::model::{ChunkId, Entry, EntryKind};

/// A leaf ends behind a key with probability 1/256, an inner node with 1/64.
const LEAF_AVERAGE: u64 = 256;
const INNER_AVERAGE: u64 = 64;
/// … and in any case here, so that hostile names cannot make nodes grow.
const MAX_ITEMS: usize = 2048;
const MAX_BYTES: usize = 256 << 10;

/// Takes finished nodes; gives each its id (keyed hash of the bytes).
pub trait NodeSink {
    type Error;
    fn put(&mut self, level: u8, bytes: Vec<u8>) -> Result<ChunkId, Self::Error>;
}

/// What a tree holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeSummary {
    pub root: ChunkId,
    pub entries: u64,
    /// Sum of the sizes of all files, in bytes.
    pub bytes: u64,
}

pub(super) struct Builder<'s, S> {
    sink: &'s mut S,
    leaf: Vec<(TreeKey, Entry)>,
    leaf_bytes: usize,
    /// `inner[i]` gathers children of level `i`.
    inner: Vec<Children>,
}

#[derive(Default)]
struct Children {
    refs: Vec<ChildRef>,
    bytes: usize,
}

impl<'s, S: NodeSink> Builder<'s, S> {
    pub fn new(sink: &'s mut S) -> Self {
        Self { sink, leaf: Vec::new(), leaf_bytes: 0, inner: Vec::new() }
    }

    /// Keys must come in ascending order.
    pub fn push(&mut self, key: TreeKey, entry: Entry) -> Result<(), S::Error> {
        self.leaf_bytes += weight(&key, &entry);
        let ends = splits(&key, 0, LEAF_AVERAGE);
        self.leaf.push((key, entry));
        if ends || self.leaf.len() >= MAX_ITEMS || self.leaf_bytes >= MAX_BYTES {
            self.end_leaf()?;
        }
        Ok(())
    }

    /// May a whole node of `level` be taken over now? Only where a node of that level would begin.
    pub fn is_aligned(&self, level: u8) -> bool {
        self.leaf.is_empty() && self.inner.iter().take(level as usize).all(|children| children.refs.is_empty())
    }

    /// Takes over a node that stands in the sink's store already. `is_aligned(level)` must hold.
    pub fn push_node(&mut self, level: u8, child: ChildRef) -> Result<(), S::Error> {
        debug_assert!(self.is_aligned(level));
        let at = level as usize;
        if self.inner.len() <= at {
            self.inner.resize_with(at + 1, Children::default);
        }
        let ends = splits(&child.first, level + 1, INNER_AVERAGE);
        let children = &mut self.inner[at];
        children.bytes += 64 + child.first.dir.len() + child.first.name.len();
        children.refs.push(child);
        if ends || children.refs.len() >= MAX_ITEMS || children.bytes >= MAX_BYTES {
            self.end_inner(at)?;
        }
        Ok(())
    }

    /// `None` for an empty map.
    pub fn finish(mut self) -> Result<Option<TreeSummary>, S::Error> {
        if !self.leaf.is_empty() {
            self.end_leaf()?;
        }
        let mut level = 0;
        while level < self.inner.len() {
            let is_top = level + 1 == self.inner.len();
            if is_top && self.inner[level].refs.len() == 1 {
                let root = self.inner[level].refs.remove(0);
                return Ok(Some(TreeSummary { root: root.id, entries: root.entries, bytes: root.bytes }));
            }
            if !self.inner[level].refs.is_empty() {
                self.end_inner(level)?;
            }
            level += 1;
        }
        Ok(None)
    }

    fn end_leaf(&mut self) -> Result<(), S::Error> {
        let items = std::mem::take(&mut self.leaf);
        self.leaf_bytes = 0;
        let first = items[0].0.clone();
        let (entries, bytes) = (items.len() as u64, items.iter().map(|(_, e)| file_bytes(e)).sum());
        let id = self.sink.put(0, Node::Leaf(items).encode())?;
        self.push_node(0, ChildRef { first, id, entries, bytes })
    }

    fn end_inner(&mut self, at: usize) -> Result<(), S::Error> {
        let children = std::mem::take(&mut self.inner[at]).refs;
        let first = children[0].first.clone();
        let entries = children.iter().map(|c| c.entries).sum();
        let bytes = children.iter().map(|c| c.bytes).fold(0u64, u64::saturating_add);
        let level = at as u8 + 1;
        let id = self.sink.put(level, Node::Inner { level, children }.encode())?;
        self.push_node(level, ChildRef { first, id, entries, bytes })
    }
}

fn file_bytes(entry: &Entry) -> u64 {
    if entry.kind == EntryKind::File { entry.size } else { 0 }
}

/// Does a node of `level` end behind the item with this key?
fn splits(key: &TreeKey, level: u8, average: u64) -> bool {
    let hash = crypto::hash_fields("rozen.v1/tree-split", &[&key.dir, &key.name, &[level]]);
    u64::from_le_bytes(hash[..8].try_into().expect("8 of 32 bytes")) % average == 0
}

/// About what an item adds to a node; part of the format, since it decides where a node must end.
fn weight(key: &TreeKey, entry: &Entry) -> usize {
    let xattrs = entry.xattrs.iter().flatten().map(|x| x.name.len() + x.value.len()).sum::<usize>();
    let content = match &entry.content {
        Some(crate::model::Content::Chunked { chunks, .. }) => chunks.len() * 40,
        Some(crate::model::Content::Mapped { map, .. }) => map.len() * 40,
        _ => 40,
    };
    let extents = entry.extents.as_ref().map_or(0, |e| e.len() * 16);
    let target = entry.target.as_ref().map_or(0, Vec::len);
    64 + key.dir.len() + key.name.len() + xattrs + content + extents + target
}
