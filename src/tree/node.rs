//! Bytes of one node: deterministic CBOR, decoded with bounds. Layout: docs/format.md, "Tree nodes".

use minicbor::{Decode, Decoder, Encode, Encoder};

use super::key::TreeKey;
use crate::model::{ChunkId, Entry};

/// A node larger than this is refused before it is decoded.
const MAX_NODE_BYTES: usize = 16 << 20;
const MAX_LEVEL: u8 = 32;

/// A child of an inner node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChildRef {
    pub first: TreeKey,
    pub id: ChunkId,
    /// Entries below it.
    pub entries: u64,
    /// Sum of the sizes of the files below it, in bytes.
    pub bytes: u64,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Node {
    Leaf(Vec<(TreeKey, Entry)>),
    /// `level` ≥ 1; its children are of `level - 1`.
    Inner {
        level: u8,
        children: Vec<ChildRef>,
    },
}

/// Bytes that are no node.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("a tree node is malformed")]
    Malformed(#[source] minicbor::decode::Error),
    #[error("a tree node is invalid: {0}")]
    Invalid(&'static str),
}

impl From<minicbor::decode::Error> for NodeError {
    fn from(error: minicbor::decode::Error) -> Self {
        NodeError::Malformed(error)
    }
}

/// What a parent says of a child. All nodes as their parents say makes keys ascend through the whole tree: no entry comes twice, and
/// a walk ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub level: u8,
    pub first: &'a TreeKey,
    /// The first key behind it, where one is known.
    pub end: Option<&'a TreeKey>,
}

impl Node {
    /// Does it begin where its parent says, and end before what follows? Its level apart.
    pub(super) fn fits(&self, place: Place<'_>) -> bool {
        let (first, last) = match self {
            Node::Leaf(items) => (items.first().map(|(key, _)| key), items.last().map(|(key, _)| key)),
            Node::Inner { children, .. } => (children.first().map(|c| &c.first), children.last().map(|c| &c.first)),
        };
        first == Some(place.first) && place.end.is_none_or(|end| last.is_some_and(|last| last < end))
    }

    pub fn level(&self) -> u8 {
        match self {
            Node::Leaf(_) => 0,
            Node::Inner { level, .. } => *level,
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::with_capacity(4096));
        match self {
            Node::Leaf(items) => encode_leaf(&mut e, items),
            Node::Inner { level, children } => encode_inner(&mut e, *level, children),
        }
        .expect("writing to a vector cannot fail");
        e.into_writer()
    }

    /// Refuses keys that are out of order, so that a search never misses what is there.
    pub fn decode(bytes: &[u8]) -> Result<Node, NodeError> {
        if bytes.len() > MAX_NODE_BYTES {
            return Err(NodeError::Invalid("it is larger than 16 MiB"));
        }
        let mut d = Decoder::new(bytes);
        expect_array(&mut d, 2)?;
        let level = d.u8()?;
        let node = match level {
            0 => Node::Leaf(decode_leaf(&mut d)?),
            1..=MAX_LEVEL => Node::Inner { level, children: decode_inner(&mut d)? },
            _ => return Err(NodeError::Invalid("its level is above 32")),
        };
        if d.position() != bytes.len() {
            return Err(NodeError::Invalid("bytes follow it"));
        }
        Ok(node)
    }
}

type EncodeResult = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

/// `[0, [[dir, [[name, entry], …]], …]]`: a directory's path is written once per node.
fn encode_leaf(e: &mut Encoder<Vec<u8>>, items: &[(TreeKey, Entry)]) -> EncodeResult {
    let groups: Vec<_> = items.chunk_by(|a, b| a.0.dir == b.0.dir).collect();
    e.array(2)?.u8(0)?.array(groups.len() as u64)?;
    for group in groups {
        e.array(2)?.bytes(&group[0].0.dir)?.array(group.len() as u64)?;
        for (key, entry) in group {
            e.array(2)?.bytes(&key.name)?;
            entry.encode(e, &mut ())?;
        }
    }
    Ok(())
}

/// `[level, [[dir, name, id, entries, bytes], …]]`
fn encode_inner(e: &mut Encoder<Vec<u8>>, level: u8, children: &[ChildRef]) -> EncodeResult {
    e.array(2)?.u8(level)?.array(children.len() as u64)?;
    for child in children {
        e.array(5)?.bytes(&child.first.dir)?.bytes(&child.first.name)?.bytes(child.id.as_bytes())?;
        e.u64(child.entries)?.u64(child.bytes)?;
    }
    Ok(())
}

fn decode_leaf(d: &mut Decoder<'_>) -> Result<Vec<(TreeKey, Entry)>, NodeError> {
    let mut items: Vec<(TreeKey, Entry)> = Vec::new();
    for _ in 0..array_len(d)? {
        expect_array(d, 2)?;
        let dir = d.bytes()?.to_vec();
        for _ in 0..array_len(d)? {
            expect_array(d, 2)?;
            let key = TreeKey { dir: dir.clone(), name: d.bytes()?.to_vec() };
            ordered(items.last().map(|(last, _)| last), &key)?;
            items.push((key, Entry::decode(d, &mut ())?));
        }
    }
    if items.is_empty() {
        return Err(NodeError::Invalid("it is an empty leaf"));
    }
    Ok(items)
}

fn decode_inner(d: &mut Decoder<'_>) -> Result<Vec<ChildRef>, NodeError> {
    let mut children: Vec<ChildRef> = Vec::new();
    for _ in 0..array_len(d)? {
        expect_array(d, 5)?;
        let first = TreeKey { dir: d.bytes()?.to_vec(), name: d.bytes()?.to_vec() };
        ordered(children.last().map(|last| &last.first), &first)?;
        let id = ChunkId::decode(d, &mut ())?;
        children.push(ChildRef { first, id, entries: d.u64()?, bytes: d.u64()? });
    }
    if children.is_empty() {
        return Err(NodeError::Invalid("it is an inner node without children"));
    }
    Ok(children)
}

fn ordered(last: Option<&TreeKey>, next: &TreeKey) -> Result<(), NodeError> {
    if next.path().is_none() {
        return Err(NodeError::Invalid("a key is not a path inside a root"));
    }
    match last {
        Some(last) if last >= next => Err(NodeError::Invalid("its keys are out of order")),
        _ => Ok(()),
    }
}

/// A length from outside is only a loop bound: nothing is allocated by it, and the input ends the loop.
fn array_len(d: &mut Decoder<'_>) -> Result<u64, NodeError> {
    d.array()?.ok_or(NodeError::Invalid("an array has no length"))
}

fn expect_array(d: &mut Decoder<'_>, len: u64) -> Result<(), NodeError> {
    if array_len(d)? == len { Ok(()) } else { Err(NodeError::Invalid("an array has the wrong length")) }
}
