//! Searching a tree: one key, one directory, a range in order.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::key::TreeKey;
use super::node::{ChildRef, Node, NodeError, Place};
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
    #[error("tree node {id} holds other names than the node above it says")]
    Misplaced { id: ChunkId },
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
        let Some(root) = self.root else { return Ok(None) };
        let (mut node, mut end) = (self.load(&root, None)?, None);
        loop {
            let (child, behind) = match &*node {
                Node::Leaf(items) => {
                    let found = items.binary_search_by(|(k, _)| k.cmp(key));
                    return Ok(found.ok().map(|at| items[at].1.clone()));
                }
                Node::Inner { level, children } => {
                    let at = children.partition_point(|c| c.first <= *key);
                    let Some(at) = at.checked_sub(1) else { return Ok(None) };
                    let place = place_of(children, at, level - 1, end.as_ref());
                    (self.load(&children[at].id, Some(place))?, place.end.cloned())
                }
            };
            (node, end) = (child, behind);
        }
    }

    pub fn entry(&self, path: &RelPath) -> Result<Option<Entry>, TreeError<S::Error>> {
        self.get(&TreeKey::of(path))
    }

    /// Names in `dir`, sorted by bytes; the root directory's own entry is not among them.
    pub fn list(&self, dir: &RelPath) -> Result<Vec<(Vec<u8>, Entry)>, TreeError<S::Error>> {
        self.list_after(dir, &[], usize::MAX)
    }

    /// The same, at most `limit` of them, behind the name `after`: for who wants no large directory whole.
    pub fn list_after(
        &self,
        dir: &RelPath,
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Entry)>, TreeError<S::Error>> {
        let from = TreeKey { dir: dir.as_bytes().to_vec(), name: after.to_vec() };
        let mut out = Vec::new();
        self.visit_from(&from, &mut |key, entry| {
            if key.dir != dir.as_bytes() {
                return false;
            }
            if key.name.as_slice() > after {
                out.push((key.name.clone(), entry.clone()));
            }
            out.len() < limit
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
            Some(root) => self.visit_node(&*self.load(&root, None)?, None, from, visit).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Who looks for a few entries needs no more than the first child: what follows is read ahead from the second on.
    fn visit_node(
        &self,
        node: &Node,
        end: Option<&TreeKey>,
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
                    let place = place_of(children, at, level - 1, end);
                    let child = self.load_before(&child.id, Some(place), &mut following.iter().map(|c| c.id))?;
                    if !self.visit_node(&child, place.end, from, visit)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// What is not as its parent says is refused: no cycle, no endless descent, nothing twice.
    pub(super) fn load(&self, id: &ChunkId, expected: Option<Place<'_>>) -> Result<Rc<Node>, TreeError<S::Error>> {
        self.load_before(id, expected, &mut std::iter::empty())
    }

    /// As [`TreeReader::load`], in a walk that goes on with these.
    pub(super) fn load_before(
        &self,
        id: &ChunkId,
        expected: Option<Place<'_>>,
        following: &mut dyn Iterator<Item = ChunkId>,
    ) -> Result<Rc<Node>, TreeError<S::Error>> {
        let kept = self.kept.borrow().iter().rev().find(|(k, _)| k == id).map(|(_, node)| node.clone());
        let node = match kept {
            Some(node) => node,
            None => self.fetch(id, following)?,
        };
        match expected {
            Some(Place { level, .. }) if level != node.level() => {
                Err(TreeError::WrongLevel { id: *id, expected: level, found: node.level() })
            }
            Some(place) if !node.fits(place) => Err(TreeError::Misplaced { id: *id }),
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

/// What a parent says of its child `at`. `end`: the first key behind the parent.
pub(super) fn place_of<'a>(children: &'a [ChildRef], at: usize, level: u8, end: Option<&'a TreeKey>) -> Place<'a> {
    Place { level, first: &children[at].first, end: children.get(at + 1).map(|next| &next.first).or(end) }
}
