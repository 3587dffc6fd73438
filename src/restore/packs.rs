//! Which packs a restore reads, and how much of each: what a thaw and its price are planned from. Reads trees, no content.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use super::plan::{Plan, PlannedRoot};
use super::{RestoreError, RestoreOptions};
use crate::format::Manifest;
use crate::model::{ChunkId, Entry, EntryKind, PackKey, StorageClass};
use crate::repo::{Contents, DataParts, Files, ListedPack};
use crate::tree::{Seen, TreeReader};

/// A pack with content that is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeededPack {
    pub pack: PackKey,
    pub class: StorageClass,
    /// Of the whole object.
    pub size: u64,
    /// Frames to be read, each once, and their bytes.
    pub frames: u64,
    pub bytes: u64,
}

/// Packs in the order of their names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NeededPacks {
    pub packs: Vec<NeededPack>,
    /// Files and parts of trees of which it cannot be told where their content is.
    pub lost: u64,
}

/// Lists the packs of the target once. Remembers the id of every chunk: about 40 MiB for a TiB of content.
pub fn needed_packs(
    contents: &Contents,
    manifest: &Manifest,
    options: &RestoreOptions,
) -> Result<NeededPacks, RestoreError> {
    let plan = Plan::new(manifest, options)?;
    let files = Files::new(contents);
    let mut found = Found { contents, files, seen: HashSet::new(), packs: BTreeMap::new(), lost: 0 };
    for root in &plan.roots {
        found.root(root)?;
    }
    found.finish()
}

struct Found<'a> {
    contents: &'a Contents,
    files: Files<'a>,
    seen: HashSet<ChunkId>,
    /// Frames and their bytes.
    packs: BTreeMap<PackKey, (u64, u64)>,
    lost: u64,
}

impl Found<'_> {
    fn root(&mut self, root: &PlannedRoot) -> Result<(), RestoreError> {
        let reader = TreeReader::new(self.contents, root.tree);
        for wanted in &root.wanted {
            if !wanted.is_root() {
                match reader.entry(wanted) {
                    Ok(Some(entry)) => self.entry(&entry)?,
                    Ok(None) => {
                        return Err(RestoreError::NotInSnapshot(String::from_utf8_lossy(wanted.as_bytes()).into()));
                    }
                    Err(_) => self.lost += 1,
                }
            }
            let mut failed = None;
            let _ = reader.visit_below(wanted, &mut |seen| match seen {
                Seen::Entry(_, entry) => match self.entry(entry) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                },
                Seen::Lost(lost) => {
                    self.lost += lost.entries.unwrap_or(1);
                    ControlFlow::Continue(())
                }
            });
            failed.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), RestoreError> {
        if entry.kind != EntryKind::File {
            return Ok(());
        }
        match self.files.open(entry).map(|data| data.parts) {
            Ok(DataParts::Bundled { bundle, .. }) => self.chunk(bundle),
            Ok(DataParts::Chunks(chunks)) => chunks.into_iter().try_for_each(|chunk| self.chunk(chunk.id)),
            Err(_) => {
                self.lost += 1;
                Ok(())
            }
        }
    }

    fn chunk(&mut self, id: ChunkId) -> Result<(), RestoreError> {
        if !self.seen.insert(id) {
            return Ok(());
        }
        match self.contents.locate(&id)? {
            Some(at) => {
                let (frames, bytes) = self.packs.entry(at.pack).or_default();
                (*frames, *bytes) = (*frames + 1, *bytes + u64::from(at.len));
            }
            None => self.lost += 1,
        }
        Ok(())
    }

    fn finish(self) -> Result<NeededPacks, RestoreError> {
        let listed = self.contents.listed_packs()?;
        let mut needed = NeededPacks { packs: Vec::new(), lost: self.lost };
        for (pack, (frames, bytes)) in self.packs {
            match listed.get(&pack) {
                Some(&ListedPack { size, class }) => {
                    needed.packs.push(NeededPack { pack, class, size, frames, bytes });
                }
                None => needed.lost += frames,
            }
        }
        Ok(needed)
    }
}
