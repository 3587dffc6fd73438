//! A tree and sorted edits → the next tree, taking over whatever no edit touches.

use std::iter::Peekable;

use super::builder::{Builder, NodeSink, TreeSummary};
use super::key::TreeKey;
use super::node::{ChildRef, Node, Place};
use super::reader::{NodeSource, TreeError, TreeReader};
use crate::model::{ChunkId, Entry, RelPath};

/// One change: `Some` puts an entry, `None` removes it. Edits come sorted by key, each key once.
pub type Edit = (TreeKey, Option<Entry>);

/// Removes every key in `from .. to` of the old tree. Puts win over it: a directory may go and come back in one run.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RangeDelete {
    pub from: TreeKey,
    pub to: TreeKey,
}

impl RangeDelete {
    /// All that is in `dir` and below it; `dir`'s own entry (in its parent) is not part of it. Not for the root itself.
    pub fn below(dir: &RelPath) -> Vec<RangeDelete> {
        debug_assert!(!dir.is_root(), "the root's entries are deleted one by one");
        let key = |dir: Vec<u8>| TreeKey { dir, name: vec![] };
        let dir = dir.as_bytes();
        let with = |last: u8| [dir, &[last]].concat();
        vec![
            RangeDelete { from: key(dir.to_vec()), to: key(with(0)) },
            // '0' is the byte after '/'
            RangeDelete { from: key(with(b'/')), to: key(with(b'0')) },
        ]
    }
}

/// What an edit wrote and left behind.
pub struct Applied {
    pub summary: Option<TreeSummary>,
    /// Nodes of the old tree that the new one was made without; some may have come back as equal nodes.
    pub replaced: Vec<ChunkId>,
}

/// Errors of reading the old tree and of storing the new one stay apart.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError<R, W> {
    #[error("could not read the tree of the snapshot before")]
    Read(#[source] TreeError<R>),
    #[error("could not store a tree node")]
    Store(#[source] W),
    #[error("could not read the list of edits")]
    Edits(#[source] W),
}

/// Makes the next tree. `edits` sorted by key; `ranges` sorted by `from`.
///
/// Reads and writes O((edits + ranges) · log n) nodes.
pub fn apply<R: NodeSource, W: NodeSink>(
    old: &TreeReader<R>,
    edits: impl Iterator<Item = Result<Edit, W::Error>>,
    ranges: Vec<RangeDelete>,
    sink: &mut W,
) -> Result<Applied, ApplyError<R::Error, W::Error>> {
    merge(old, edits, ranges, sink, true)
}

/// The same tree, but nothing is taken over: `sink` gets all of its nodes.
pub fn rewrite<R: NodeSource, W: NodeSink>(
    old: &TreeReader<R>,
    edits: impl Iterator<Item = Result<Edit, W::Error>>,
    ranges: Vec<RangeDelete>,
    sink: &mut W,
) -> Result<Applied, ApplyError<R::Error, W::Error>> {
    merge(old, edits, ranges, sink, false)
}

fn merge<R: NodeSource, W: NodeSink>(
    old: &TreeReader<R>,
    edits: impl Iterator<Item = Result<Edit, W::Error>>,
    mut ranges: Vec<RangeDelete>,
    sink: &mut W,
    takes_over: bool,
) -> Result<Applied, ApplyError<R::Error, W::Error>> {
    ranges.sort();
    let mut merge = Merge {
        old,
        takes_over,
        edits: edits.peekable(),
        ranges: ranges.into_iter().peekable(),
        deleted_to: TreeKey::default(),
        builder: Builder::new(sink),
        replaced: Vec::new(),
    };
    if let Some(root) = old.root() {
        merge.node(&root, None, true)?;
    }
    merge.edits_before(None)?;
    let summary = merge.builder.finish().map_err(ApplyError::Store)?;
    Ok(Applied { summary, replaced: merge.replaced })
}

struct Merge<'a, R, W, I: Iterator> {
    old: &'a TreeReader<R>,
    /// What no edit touches.
    takes_over: bool,
    edits: Peekable<I>,
    ranges: Peekable<std::vec::IntoIter<RangeDelete>>,
    /// Old keys below this are deleted, as far as ranges have begun.
    deleted_to: TreeKey,
    builder: Builder<'a, W>,
    replaced: Vec<ChunkId>,
}

impl<R, W, I> Merge<'_, R, W, I>
where
    R: NodeSource,
    W: NodeSink,
    I: Iterator<Item = Result<Edit, W::Error>>,
{
    /// `rightmost`: the node ends with the tree, so its end need not be one that keys decide.
    fn node(
        &mut self,
        id: &ChunkId,
        expected: Option<Place<'_>>,
        rightmost: bool,
    ) -> Result<(), ApplyError<R::Error, W::Error>> {
        self.replaced.push(*id);
        let node = self.old.load(id, expected).map_err(ApplyError::Read)?;
        match &*node {
            Node::Leaf(items) => items.iter().try_for_each(|(key, entry)| self.item(key, entry)),
            Node::Inner { level, children } => {
                for (at, child) in children.iter().enumerate() {
                    let next = children.get(at + 1);
                    self.child(child, level - 1, next.map(|n| &n.first), rightmost && next.is_none())?;
                }
                Ok(())
            }
        }
    }

    /// `end`: the first key behind the child, as far as the parent knows.
    fn child(
        &mut self,
        child: &ChildRef,
        level: u8,
        end: Option<&TreeKey>,
        rightmost: bool,
    ) -> Result<(), ApplyError<R::Error, W::Error>> {
        self.edits_before(Some(&child.first))?;
        self.ranges_from(&child.first);
        let takes_over =
            self.takes_over && self.builder.is_aligned(level) && self.is_untouched(child, end, rightmost)?;
        if takes_over {
            return self.builder.push_node(level, child.clone()).map_err(ApplyError::Store);
        }
        self.node(&child.id, Some(Place { level, first: &child.first, end }), rightmost)
    }

    /// No edit and no range may fall between the child's first key and the end of the child. Without a known end
    /// (the parent's last child) nothing at all may follow.
    fn is_untouched(
        &mut self,
        child: &ChildRef,
        end: Option<&TreeKey>,
        rightmost: bool,
    ) -> Result<bool, ApplyError<R::Error, W::Error>> {
        let next_edit = match self.edits.peek() {
            Some(Ok((key, _))) => Some(key.clone()),
            Some(Err(_)) => return self.fail_edits(),
            None => None,
        };
        let next_range = self.ranges.peek().map(|range| range.from.clone());
        let free = |next: Option<TreeKey>| match (next, end) {
            (None, _) => true,
            (Some(next), Some(end)) => next >= *end,
            (Some(_), None) => false,
        };
        let quiet_end = !rightmost || self.edits.peek().is_none();
        Ok(self.deleted_to <= child.first && free(next_edit) && free(next_range) && quiet_end)
    }

    fn item(&mut self, key: &TreeKey, entry: &Entry) -> Result<(), ApplyError<R::Error, W::Error>> {
        self.edits_before(Some(key))?;
        self.ranges_from(key);
        if let Some(Ok((edited, _))) = self.edits.peek()
            && edited == key
        {
            return self.edit();
        }
        if *key < self.deleted_to {
            return Ok(());
        }
        self.builder.push(key.clone(), entry.clone()).map_err(ApplyError::Store)
    }

    fn edits_before(&mut self, limit: Option<&TreeKey>) -> Result<(), ApplyError<R::Error, W::Error>> {
        loop {
            match self.edits.peek() {
                Some(Ok((key, _))) if limit.is_none_or(|limit| key < limit) => self.edit()?,
                Some(Err(_)) => return self.fail_edits(),
                _ => return Ok(()),
            }
        }
    }

    fn edit(&mut self) -> Result<(), ApplyError<R::Error, W::Error>> {
        match self.edits.next() {
            Some(Ok((key, Some(entry)))) => self.builder.push(key, entry).map_err(ApplyError::Store),
            Some(Err(error)) => Err(ApplyError::Edits(error)),
            Some(Ok((_, None))) | None => Ok(()),
        }
    }

    fn fail_edits<T>(&mut self) -> Result<T, ApplyError<R::Error, W::Error>> {
        match self.edits.next() {
            Some(Err(error)) => Err(ApplyError::Edits(error)),
            _ => unreachable!("only called when the next edit is an error"),
        }
    }

    fn ranges_from(&mut self, key: &TreeKey) {
        while let Some(range) = self.ranges.next_if(|range| range.from <= *key) {
            if range.to > self.deleted_to {
                self.deleted_to = range.to;
            }
        }
    }
}

#[cfg(test)]
mod tests;
