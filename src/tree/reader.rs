//! Searching a tree: one key, one directory, a range in order.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::key::TreeKey;
use super::node::{Node, NodeError};
use crate::model::{ChunkId, Entry, RelPath};

/// Where nodes come from. The bytes must be those that the id was made of; the caller of the source checks that.
pub trait NodeSource {
    type Error;
    fn node(&self, id: &ChunkId) -> Result<Vec<u8>, Self::Error>;

    /// The same, for a walk that will probably want `following` soon, in this order: a source may read them as well.
    fn node_before(&self, id: &ChunkId, _following: &mut dyn Iterator<Item = ChunkId>) -> Result<Vec<u8>, Self::Error> {
        self.node(id)
    }
}

impl<T: NodeSource + ?Sized> NodeSource for &T {
    type Error = T::Error;
    fn node(&self, id: &ChunkId) -> Result<Vec<u8>, Self::Error> {
        (**self).node(id)
    }
    fn node_before(&self, id: &ChunkId, following: &mut dyn Iterator<Item = ChunkId>) -> Result<Vec<u8>, Self::Error> {
        (**self).node_before(id, following)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TreeError<E> {
    #[error("could not read tree node {id}")]
    Read {
        id: ChunkId,
        #[source]
        source: E,
    },
    #[error("tree node {id} is damaged")]
    Damaged {
        id: ChunkId,
        #[source]
        source: NodeError,
    },
    #[error("tree node {id} is of level {found}, expected {expected}")]
    WrongLevel { id: ChunkId, expected: u8, found: u8 },
}

/// Decoded nodes that are kept, newest last: a walk in nearly sorted order decodes each node once.
const KEPT_NODES: usize = 24;

/// Reads one tree. Keeps a few decoded nodes; memory is bounded by [`KEPT_NODES`] nodes.
pub struct TreeReader<S> {
    source: S,
    root: Option<ChunkId>,
    kept: RefCell<VecDeque<(ChunkId, Rc<Node>)>>,
}

impl<S: NodeSource> TreeReader<S> {
    /// `None` reads as the empty map.
    pub fn new(source: S, root: Option<ChunkId>) -> Self {
        Self { source, root, kept: RefCell::default() }
    }

    pub fn root(&self) -> Option<ChunkId> {
        self.root
    }

    /// How many there are, as its top node says.
    pub fn entries(&self) -> Result<u64, TreeError<S::Error>> {
        let Some(root) = self.root else { return Ok(0) };
        Ok(match &*self.load(&root, None)? {
            Node::Leaf(items) => items.len() as u64,
            Node::Inner { children, .. } => children.iter().map(|child| child.entries).sum(),
        })
    }

    pub fn get(&self, key: &TreeKey) -> Result<Option<Entry>, TreeError<S::Error>> {
        let Some(mut id) = self.root else { return Ok(None) };
        let mut expected = None;
        loop {
            let node = self.load(&id, expected)?;
            match &*node {
                Node::Leaf(items) => {
                    let found = items.binary_search_by(|(k, _)| k.cmp(key));
                    return Ok(found.ok().map(|at| items[at].1.clone()));
                }
                Node::Inner { level, children } => {
                    let at = children.partition_point(|c| c.first <= *key);
                    let Some(child) = at.checked_sub(1).map(|at| &children[at]) else { return Ok(None) };
                    (id, expected) = (child.id, Some(level - 1));
                }
            }
        }
    }

    pub fn entry(&self, path: &RelPath) -> Result<Option<Entry>, TreeError<S::Error>> {
        self.get(&TreeKey::of(path))
    }

    /// Names in `dir`, sorted by bytes; the root directory's own entry is not among them.
    pub fn list(&self, dir: &RelPath) -> Result<Vec<(Vec<u8>, Entry)>, TreeError<S::Error>> {
        let from = TreeKey { dir: dir.as_bytes().to_vec(), name: vec![] };
        let mut out = Vec::new();
        self.visit_from(&from, &mut |key, entry| {
            if key.dir != dir.as_bytes() {
                return false;
            }
            if !key.name.is_empty() {
                out.push((key.name.clone(), entry.clone()));
            }
            true
        })?;
        Ok(out)
    }

    /// Calls `visit` for every entry from `from` on, in key order, until it answers `false`.
    pub fn visit_from(
        &self,
        from: &TreeKey,
        visit: &mut dyn FnMut(&TreeKey, &Entry) -> bool,
    ) -> Result<(), TreeError<S::Error>> {
        match self.root {
            Some(root) => self.visit_node(&*self.load(&root, None)?, from, visit).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Who looks for a few entries needs no more than the first child: what follows is read ahead from the second on.
    fn visit_node(
        &self,
        node: &Node,
        from: &TreeKey,
        visit: &mut dyn FnMut(&TreeKey, &Entry) -> bool,
    ) -> Result<bool, TreeError<S::Error>> {
        match node {
            Node::Leaf(items) => {
                let start = items.partition_point(|(key, _)| key < from);
                Ok(items[start..].iter().all(|(key, entry)| visit(key, entry)))
            }
            Node::Inner { level, children } => {
                let start = children.partition_point(|c| c.first <= *from).saturating_sub(1);
                for (at, child) in children.iter().enumerate().skip(start) {
                    let following = if at == start { &[] } else { &children[at + 1..] };
                    let child = self.load_before(&child.id, Some(level - 1), &mut following.iter().map(|c| c.id))?;
                    if !self.visit_node(&child, from, visit)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// Ids of all nodes, parents before children: what a check or a garbage collection walks.
    pub fn visit_nodes(&self, visit: &mut dyn FnMut(&ChunkId, Result<&Node, &TreeError<S::Error>>)) {
        let mut open: Vec<(ChunkId, Option<u8>)> = self.root.iter().map(|id| (*id, None)).collect();
        while let Some((id, expected)) = open.pop() {
            match self.load_before(&id, expected, &mut open.iter().rev().map(|(id, _)| *id)) {
                Ok(node) => {
                    visit(&id, Ok(&node));
                    if let Node::Inner { level, children } = &*node {
                        open.extend(children.iter().rev().map(|c| (c.id, Some(level - 1))));
                    }
                }
                Err(error) => visit(&id, Err(&error)),
            }
        }
    }

    /// A level that does not fit its parent is refused: no cycle, no endless descent.
    pub(super) fn load(&self, id: &ChunkId, expected: Option<u8>) -> Result<Rc<Node>, TreeError<S::Error>> {
        self.load_before(id, expected, &mut std::iter::empty())
    }

    /// As [`TreeReader::load`], in a walk that goes on with these.
    pub(super) fn load_before(
        &self,
        id: &ChunkId,
        expected: Option<u8>,
        following: &mut dyn Iterator<Item = ChunkId>,
    ) -> Result<Rc<Node>, TreeError<S::Error>> {
        let kept = self.kept.borrow().iter().rev().find(|(k, _)| k == id).map(|(_, node)| node.clone());
        let node = match kept {
            Some(node) => node,
            None => self.fetch(id, following)?,
        };
        match expected {
            Some(expected) if expected != node.level() => {
                Err(TreeError::WrongLevel { id: *id, expected, found: node.level() })
            }
            _ => Ok(node),
        }
    }

    fn fetch(
        &self,
        id: &ChunkId,
        following: &mut dyn Iterator<Item = ChunkId>,
    ) -> Result<Rc<Node>, TreeError<S::Error>> {
        let bytes = self.source.node_before(id, following).map_err(|source| TreeError::Read { id: *id, source })?;
        let node = Node::decode(&bytes).map_err(|source| TreeError::Damaged { id: *id, source })?;
        let node = Rc::new(node);
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT_NODES {
            kept.pop_front();
        }
        kept.push_back((*id, node.clone()));
        Ok(node)
    }
}
