//! Which place of a chunk is read first: packs that read at once before those in an archive.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::contents::Contents;
use super::{RepoError, names};
use crate::model::{ChunkId, ChunkLocation, PackKey};

/// Packs that must be thawed before they can be read: one list of each machine's packs, made when a chunk with several
/// places is met for the first time.
#[derive(Default)]
pub(super) struct Archived(Mutex<Option<Arc<HashSet<PackKey>>>>);

impl Contents {
    /// All places, the one to be tried first at the front.
    pub fn places(&self, id: &ChunkId) -> Result<Vec<ChunkLocation>, RepoError> {
        let mut found = self.table.lock().expect("no panic while it is held").find(id)?;
        if found.is_empty() {
            self.scan_packs()?;
            found = self.table.lock().expect("no panic while it is held").find(id)?;
        }
        if found.len() > 1 && self.store.has_classes() {
            let archived = self.archived_packs()?;
            found.sort_by_key(|at| archived.contains(&at.pack));
        }
        Ok(found)
    }

    fn archived_packs(&self) -> Result<Arc<HashSet<PackKey>>, RepoError> {
        let mut known = self.archived.0.lock().expect("no panic while it is held");
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let mut archived = HashSet::new();
        for machine in &self.machines {
            for listed in self.store.list(&names::folder(&machine.id, "packs"))? {
                if let (false, Some(hash)) = (listed.class.reads_at_once(), names::hash_of(&listed.name)) {
                    archived.insert(PackKey { machine: machine.id, is_tree: false, hash });
                }
            }
        }
        Ok(known.insert(Arc::new(archived)).clone())
    }
}
