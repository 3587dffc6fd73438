//! Which packs of content the target lists, and so which place of a chunk is read first: packs that read at once before those in
//! an archive, those before packs that are not there any more, such as small ones that were merged and removed, and last what
//! was found damaged.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::contents::Contents;
use super::{RepoError, names};
use crate::model::{ChunkId, ChunkLocation, PackKey, StorageClass};

/// How soon a pack can be read. The first is tried first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reads {
    AtOnce,
    WhenThawed,
    /// No list of the target names it.
    Never,
    /// It was read, and is not what it should be.
    Damaged,
}

/// A pack of content as the target's list has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListedPack {
    /// In bytes.
    pub size: u64,
    pub class: StorageClass,
}

/// The packs of content that are there.
pub type ListedPacks = HashMap<PackKey, ListedPack>;

/// Frames that were found damaged, of chunks that lie elsewhere as well: the other place may have to be thawed first, and whoever plans that
/// must not choose the damaged one again. Shared by all [`Contents`] of a repository, for as long as it is open.
#[derive(Clone, Default)]
pub(super) struct DamagedPlaces(Arc<Mutex<HashSet<(ChunkId, PackKey)>>>);

impl DamagedPlaces {
    pub fn note(&self, id: &ChunkId, at: &ChunkLocation) {
        self.0.lock().expect("no panic while it is held").insert((*id, at.pack));
    }

    pub fn count(&self) -> usize {
        self.0.lock().expect("no panic while it is held").len()
    }

    fn holds(&self, id: &ChunkId, at: &ChunkLocation) -> bool {
        self.0.lock().expect("no panic while it is held").contains(&(*id, at.pack))
    }
}

/// One list of each machine's packs, made when it is wanted for the first time.
#[derive(Default)]
pub(super) struct Listed(Mutex<Option<Arc<ListedPacks>>>);

impl Contents {
    /// All places, the one to be tried first at the front.
    pub fn places(&self, id: &ChunkId) -> Result<Vec<ChunkLocation>, RepoError> {
        let mut found = self.table.lock().expect("no panic while it is held").find(id)?;
        if found.is_empty() {
            self.unlisted()?;
            found = self.table.lock().expect("no panic while it is held").find(id)?;
        }
        if found.len() > 1 && self.store.has_classes() {
            let packs = self.listed_packs()?;
            found.sort_by_key(|at| match self.damaged.holds(id, at) {
                true => Reads::Damaged,
                false => reads(&packs, &at.pack),
            });
        }
        Ok(found)
    }

    /// Packs of content of all machines. Asks the target once; a list that is older than what it holds now names packs that were
    /// merged since.
    pub fn listed_packs(&self) -> Result<Arc<ListedPacks>, RepoError> {
        let mut known = self.listed.0.lock().expect("no panic while it is held");
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let mut packs = HashMap::new();
        for machine in &self.machines {
            for listed in self.store.list(&names::folder(&machine.id, "packs"))? {
                if let Some(hash) = names::hash_of(&listed.name) {
                    let pack = ListedPack { size: listed.size, class: listed.class };
                    packs.insert(PackKey { machine: machine.id, is_tree: false, hash }, pack);
                }
            }
        }
        Ok(known.insert(Arc::new(packs)).clone())
    }
}

/// Trees are always where they read at once, and are not listed.
fn reads(packs: &ListedPacks, pack: &PackKey) -> Reads {
    match packs.get(pack) {
        _ if pack.is_tree => Reads::AtOnce,
        Some(listed) if listed.class.reads_at_once() => Reads::AtOnce,
        Some(_) => Reads::WhenThawed,
        None => Reads::Never,
    }
}
