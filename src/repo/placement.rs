//! Which place of a chunk is read first: packs that read at once before those in an archive, and those before packs that
//! are not there any more, such as small ones that were merged and removed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::contents::Contents;
use super::{RepoError, names};
use crate::model::{ChunkId, ChunkLocation, PackKey};

/// How soon a pack can be read. The first is tried first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reads {
    AtOnce,
    WhenThawed,
    /// No list of the target names it.
    Never,
}

/// The packs of content that are there: one list of each machine's packs, made when a chunk with several places is met for the
/// first time.
#[derive(Default)]
pub(super) struct Archived(Mutex<Option<Arc<HashMap<PackKey, Reads>>>>);

impl Contents {
    /// All places, the one to be tried first at the front.
    pub fn places(&self, id: &ChunkId) -> Result<Vec<ChunkLocation>, RepoError> {
        let mut found = self.table.lock().expect("no panic while it is held").find(id)?;
        if found.is_empty() {
            self.scan_packs()?;
            found = self.table.lock().expect("no panic while it is held").find(id)?;
        }
        if found.len() > 1 && self.store.has_classes() {
            let packs = self.listed_packs()?;
            // trees are always where they read at once, and are not listed
            let unlisted = |pack: &PackKey| if pack.is_tree { Reads::AtOnce } else { Reads::Never };
            found.sort_by_key(|at| packs.get(&at.pack).copied().unwrap_or(unlisted(&at.pack)));
        }
        Ok(found)
    }

    fn listed_packs(&self) -> Result<Arc<HashMap<PackKey, Reads>>, RepoError> {
        let mut known = self.archived.0.lock().expect("no panic while it is held");
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let mut packs = HashMap::new();
        for machine in &self.machines {
            for listed in self.store.list(&names::folder(&machine.id, "packs"))? {
                let reads = if listed.class.reads_at_once() { Reads::AtOnce } else { Reads::WhenThawed };
                if let Some(hash) = names::hash_of(&listed.name) {
                    packs.insert(PackKey { machine: machine.id, is_tree: false, hash }, reads);
                }
            }
        }
        Ok(known.insert(Arc::new(packs)).clone())
    }
}
