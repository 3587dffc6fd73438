//! Trees: every node readable, every chunk that a file needs in its place; what is not, and which snapshots need it.

use std::collections::{HashMap, HashSet};

use super::CheckError;
use super::objects::Objects;
use super::progress::CheckProgress;
use super::report::{DamageList, Finding, FindingCode};
use crate::format::{Manifest, ManifestRoot};
use crate::model::{ChunkId, Entry, EntryFlags, EntryKind, MachineId, Seq, with_causes};
use crate::repo::{ContentError, Contents, DataParts, Files, RepoError, names, unless_gone};
use crate::tree::{ChildRef, Node, NodeSource, TreeKey};

const NO_CONTENT: &str = "the snapshot has none of its content; the next full comparison of its machine stores it";

/// Remembers what is right, so that snapshots cost what they do not share.
pub(super) struct Trees<'a> {
    contents: &'a Contents,
    files: Files<'a>,
    objects: &'a Objects,
    progress: &'a CheckProgress,
    /// Nodes below which everything is right.
    clean: HashSet<ChunkId>,
    /// Nodes that cannot be read, and why.
    unreadable: HashMap<ChunkId, String>,
    /// The chunk that was looked for last: files of a bundle stand together.
    last: Option<(ChunkId, Option<String>)>,
    pub entries: u64,
    /// Some chunk is nowhere.
    pub has_lost_chunks: bool,
    /// Packs of nodes that do not open, though the packs are there.
    pub findings: Vec<Finding>,
}

/// Whose tree it is.
struct Owner<'m> {
    machine: MachineId,
    seq: Seq,
    root: &'m ManifestRoot,
}

impl<'a> Trees<'a> {
    pub fn new(contents: &'a Contents, files: Files<'a>, objects: &'a Objects, progress: &'a CheckProgress) -> Self {
        let (clean, unreadable) = (HashSet::new(), HashMap::new());
        Self {
            contents,
            files,
            objects,
            progress,
            clean,
            unreadable,
            last: None,
            entries: 0,
            has_lost_chunks: false,
            findings: vec![],
        }
    }

    pub fn check(&mut self, manifest: &Manifest, damage: &mut DamageList) -> Result<(), CheckError> {
        for root in &manifest.body.roots {
            let owner = Owner { machine: manifest.machine, seq: manifest.seq, root };
            if let Some(tree) = root.tree {
                let top = ChildRef { first: TreeKey::default(), id: tree, entries: root.entries, bytes: 0 };
                self.node(&owner, &[top], None, damage)?;
            }
        }
        Ok(())
    }

    /// Is everything right in the first of these siblings? The others come after it.
    fn node(
        &mut self,
        owner: &Owner<'_>,
        siblings: &[ChildRef],
        level: Option<u8>,
        damage: &mut DamageList,
    ) -> Result<bool, CheckError> {
        self.progress.go_on()?;
        let Some((child, others)) = siblings.split_first() else { return Ok(true) };
        if self.clean.contains(&child.id) {
            return Ok(true);
        }
        let node = match self.load(&child.id, level, others)? {
            Ok(node) => node,
            Err(reason) => {
                damage.add(owner.machine, owner.seq, owner.shown(&child.first), child.entries, &reason);
                return Ok(false);
            }
        };
        let mut is_clean = true;
        match &node {
            Node::Leaf(items) => {
                for (key, entry) in items {
                    is_clean &= self.entry(owner, key, entry, damage)?;
                }
            }
            Node::Inner { level, children } => {
                for at in 0..children.len() {
                    is_clean &= self.node(owner, &children[at..], Some(level - 1), damage)?;
                }
            }
        }
        if is_clean {
            self.clean.insert(child.id);
        }
        Ok(is_clean)
    }

    fn load(
        &mut self,
        id: &ChunkId,
        level: Option<u8>,
        following: &[ChildRef],
    ) -> Result<Result<Node, String>, CheckError> {
        if let Some(reason) = self.unreadable.get(id) {
            return Ok(Err(reason.clone()));
        }
        let mut following = following.iter().map(|c| c.id).filter(|id| !self.clean.contains(id));
        let read = match self.contents.node_before(id, &mut following) {
            Ok(bytes) => Node::decode(&bytes).map_err(|error| with_causes(&error)),
            Err(error) => Err(self.damaged(id, unless_gone(error)?)?),
        };
        let read = read.and_then(|node| match level {
            Some(level) if level != node.level() => Err("a tree node is of the wrong level".to_owned()),
            _ => Ok(node),
        });
        if let Err(reason) = &read {
            self.unreadable.insert(*id, reason.clone());
        }
        Ok(read)
    }

    /// Why the node cannot be read. Its packs are named, so that they can be stored again.
    fn damaged(&mut self, id: &ChunkId, error: RepoError) -> Result<String, CheckError> {
        let reason = with_causes(&error);
        let places = self.contents.places(id)?;
        self.has_lost_chunks |= places.is_empty();
        // of a pack that is lost or cut off this was told already
        for at in places.iter().filter(|at| self.objects.fault(id, at).is_none()) {
            let object = names::pack(&at.pack.machine, at.pack.is_tree, &at.pack.hash).to_string();
            self.findings.push(Finding { code: FindingCode::Frame, object, message: reason.clone() });
        }
        Ok(reason)
    }

    fn entry(
        &mut self,
        owner: &Owner<'_>,
        key: &TreeKey,
        entry: &Entry,
        damage: &mut DamageList,
    ) -> Result<bool, CheckError> {
        self.entries += 1;
        self.progress.entry();
        if entry.kind != EntryKind::File {
            return Ok(true);
        }
        let fault = self.content(entry)?;
        if let Some(reason) = &fault {
            damage.add(owner.machine, owner.seq, owner.shown(key), 1, reason);
        }
        Ok(fault.is_none())
    }

    /// What is wrong with a file's content.
    fn content(&mut self, entry: &Entry) -> Result<Option<String>, CheckError> {
        let data = match self.files.open(entry) {
            Ok(data) => data,
            // the backup said so when it was made: no damage of the repository
            Err(ContentError::NotStored) if entry.flags.has(EntryFlags::UNREADABLE) => return Ok(None),
            // one of an earlier version, which nobody was told of
            Err(ContentError::NotStored) => return Ok(Some(NO_CONTENT.to_owned())),
            Err(error) => return Ok(Some(with_causes(&error))),
        };
        match &data.parts {
            DataParts::Bundled { bundle, .. } => self.chunk(bundle),
            DataParts::Chunks(chunks) => {
                for chunk in chunks {
                    if let Some(fault) = self.chunk(&chunk.id)? {
                        return Ok(Some(fault));
                    }
                }
                Ok(None)
            }
        }
    }

    fn chunk(&mut self, id: &ChunkId) -> Result<Option<String>, CheckError> {
        if let Some((last, fault)) = &self.last
            && last == id
        {
            return Ok(fault.clone());
        }
        let places = self.contents.places(id)?;
        let mut faults = places.iter().map(|at| self.objects.fault(id, at));
        // one whole place is enough; of several faults the first is told
        let fault = match faults.next() {
            None => {
                self.has_lost_chunks = true;
                Some(RepoError::MissingChunk(*id).to_string())
            }
            Some(first) => first.filter(|_| faults.all(|other| other.is_some())),
        };
        self.last = Some((*id, fault.clone()));
        Ok(fault)
    }
}

impl Owner<'_> {
    fn shown(&self, key: &TreeKey) -> Vec<u8> {
        let root = &self.root.path;
        match key.path() {
            Some(path) if !path.is_root() => [root.strip_suffix(b"/").unwrap_or(root), b"/", path.as_bytes()].concat(),
            _ => root.clone(),
        }
    }
}
