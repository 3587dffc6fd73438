//! How two snapshots differ: both trees are walked side by side, and parts that they share are not read.

use std::cmp::Ordering;

use super::HistoryError;
use super::entries::shown;
use super::versions::is_same_version;
use crate::format::Manifest;
use crate::model::{ChunkId, Entry, EntryKind};
use crate::repo::{Contents, RepoError};
use crate::tree::{Node, NodeSource, TreeError, TreeKey};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeKind {
    Added,
    Removed,
    /// Other content or another type.
    Content,
    /// The same content with other metadata.
    Metadata,
}

/// One path that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub kind: ChangeKind,
    /// Absolute, as it was on the machine.
    pub shown: Vec<u8>,
    pub before: Option<Entry>,
    pub after: Option<Entry>,
}

/// Every difference from `before` to `after`, root by root (matched by their ids) in the order of the tree. `each` answers
/// whether to go on. A damaged tree is an error: half a difference would mislead.
pub fn diff(
    contents: &Contents,
    before: &Manifest,
    after: &Manifest,
    each: &mut dyn FnMut(Change) -> bool,
) -> Result<(), HistoryError> {
    let mut ids: Vec<&String> = before.body.roots.iter().chain(&after.body.roots).map(|root| &root.id).collect();
    ids.sort();
    ids.dedup();
    for id in ids {
        let side = |manifest: &Manifest| manifest.body.roots.iter().position(|root| root.id == *id);
        let (old, new) = (side(before), side(after));
        let tree = |manifest: &Manifest, at: Option<usize>| at.and_then(|at| manifest.body.roots[at].tree);
        let mut sides = (Side::new(contents, tree(before, old)), Side::new(contents, tree(after, new)));
        let go_on = merge(&mut sides, &mut |key, old_entry, new_entry| {
            let (manifest, at) = if new.is_some() { (after, new) } else { (before, old) };
            let path = key.path().unwrap_or_default();
            match change(old_entry, new_entry) {
                Some(kind) => each(Change {
                    kind,
                    shown: shown(manifest, at.unwrap_or_default(), &path),
                    before: old_entry.cloned(),
                    after: new_entry.cloned(),
                }),
                None => true,
            }
        })?;
        if !go_on {
            break;
        }
    }
    Ok(())
}

fn change(before: Option<&Entry>, after: Option<&Entry>) -> Option<ChangeKind> {
    match (before, after) {
        (None, None) => None,
        (None, Some(_)) => Some(ChangeKind::Added),
        (Some(_), None) => Some(ChangeKind::Removed),
        (Some(before), Some(after)) if is_same_version(before, after) => None,
        (Some(before), Some(after)) if same_content(before, after) => Some(ChangeKind::Metadata),
        (Some(_), Some(_)) => Some(ChangeKind::Content),
    }
}

fn same_content(before: &Entry, after: &Entry) -> bool {
    let id = |entry: &Entry| entry.content.as_ref().map(|content| content.id());
    before.kind == after.kind
        && (before.kind != EntryKind::File || before.size == after.size && id(before) == id(after))
        && before.target == after.target
        && before.device == after.device
}

type Each<'e> = &'e mut dyn FnMut(&TreeKey, Option<&Entry>, Option<&Entry>) -> bool;

/// `false`: whoever asked has enough.
fn merge((old, new): &mut (Side<'_>, Side<'_>), each: Each<'_>) -> Result<bool, TreeError<RepoError>> {
    loop {
        skip_shared(old, new)?;
        let (left, right) = (old.entry()?, new.entry()?);
        let order = match (&left, &right) {
            (None, None) => return Ok(true),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        let go_on = match (left, right) {
            (Some((key, entry)), _) if order == Ordering::Less => each(key, Some(entry), None),
            (_, Some((key, entry))) if order == Ordering::Greater => each(key, None, Some(entry)),
            (Some((key, left)), Some((_, right))) => each(key, Some(left), Some(right)),
            _ => true,
        };
        if !go_on {
            return Ok(false);
        }
        if order != Ordering::Greater {
            old.advance();
        }
        if order != Ordering::Less {
            new.advance();
        }
    }
}

/// Where both stand before the same node, neither reads it. Nodes of different levels are opened until they are of one.
fn skip_shared(old: &mut Side<'_>, new: &mut Side<'_>) -> Result<(), TreeError<RepoError>> {
    while let (Some(left), Some(right)) = (old.unopened(), new.unopened()) {
        if left.id == right.id {
            old.stack.pop();
            new.stack.pop();
            continue;
        }
        match left.level.cmp(&right.level) {
            Ordering::Greater => old.open()?,
            Ordering::Less => new.open()?,
            Ordering::Equal => {
                old.open()?;
                new.open()?;
            }
        }
    }
    Ok(())
}

/// A walk through one tree that opens nodes only when it must.
struct Side<'a> {
    contents: &'a Contents,
    /// What is still to come, the next on top.
    stack: Vec<Step>,
}

enum Step {
    Unopened(Unopened),
    Entry(TreeKey, Box<Entry>),
}

#[derive(Clone, Copy)]
struct Unopened {
    id: ChunkId,
    /// As the parent says; the root's own is not known before it was read.
    level: u8,
    is_root: bool,
}

impl<'a> Side<'a> {
    fn new(contents: &'a Contents, root: Option<ChunkId>) -> Self {
        let root = root.map(|id| Step::Unopened(Unopened { id, level: u8::MAX, is_root: true }));
        Self { contents, stack: root.into_iter().collect() }
    }

    fn unopened(&self) -> Option<Unopened> {
        match self.stack.last() {
            Some(Step::Unopened(node)) => Some(*node),
            _ => None,
        }
    }

    /// Opens nodes until an entry is next.
    fn entry(&mut self) -> Result<Option<(&TreeKey, &Entry)>, TreeError<RepoError>> {
        while self.unopened().is_some() {
            self.open()?;
        }
        Ok(match self.stack.last() {
            Some(Step::Entry(key, entry)) => Some((key, entry)),
            _ => None,
        })
    }

    fn advance(&mut self) {
        self.stack.pop();
    }

    fn open(&mut self) -> Result<(), TreeError<RepoError>> {
        let Some(Unopened { id, level, is_root }) = self.unopened() else { return Ok(()) };
        self.stack.pop();
        let bytes = self.contents.node(&id).map_err(|source| TreeError::Read { id, source })?;
        let node = Node::decode(&bytes).map_err(|source| TreeError::Damaged { id, source })?;
        if !is_root && node.level() != level {
            return Err(TreeError::WrongLevel { id, expected: level, found: node.level() });
        }
        match node {
            Node::Leaf(items) => {
                self.stack.extend(items.into_iter().rev().map(|(key, entry)| Step::Entry(key, Box::new(entry))));
            }
            Node::Inner { level, children } => {
                let child = |id| Step::Unopened(Unopened { id, level: level - 1, is_root: false });
                self.stack.extend(children.into_iter().rev().map(|c| child(c.id)));
            }
        }
        Ok(())
    }
}
