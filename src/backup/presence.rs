//! What is stored already: the journal's rows and what this run has sealed since.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal::{Journal, JournalError};
use crate::model::{ChunkId, FileId};

/// Where a small file lies: bundle and offset.
pub(super) type Member = (ChunkId, u32);

/// Shared by all workers. In memory it holds only what is not yet in a spooled pack.
pub(super) struct Presence {
    journal: Journal,
    inflight: Mutex<Inflight>,
}

#[derive(Default)]
struct Inflight {
    chunks: HashSet<ChunkId>,
    members: HashMap<(FileId, u32), Member>,
}

impl Presence {
    pub fn new(journal: Journal) -> Self {
        Self { journal, inflight: Mutex::default() }
    }

    /// `true`: nobody has the chunk and the caller must seal it now.
    pub fn claim(&self, id: &ChunkId) -> Result<bool, JournalError> {
        let mut inflight = self.inflight();
        if inflight.chunks.contains(id) || self.journal.chunk_known(id)? {
            return Ok(false);
        }
        inflight.chunks.insert(*id);
        Ok(true)
    }

    pub fn member(&self, file: &FileId, len: u32) -> Result<Option<Member>, JournalError> {
        if let Some(found) = self.inflight().members.get(&(*file, len)) {
            return Ok(Some(*found));
        }
        self.journal.member(file, len)
    }

    pub fn add_members(&self, members: impl Iterator<Item = (FileId, u32, Member)>) {
        self.inflight().members.extend(members.map(|(file, len, member)| ((file, len), member)));
    }

    /// These stand in the journal now.
    pub fn settle(&self, chunks: impl Iterator<Item = ChunkId>, members: impl Iterator<Item = (FileId, u32)>) {
        let mut inflight = self.inflight();
        for chunk in chunks {
            inflight.chunks.remove(&chunk);
        }
        for member in members {
            inflight.members.remove(&member);
        }
    }

    /// The sets stay whole whatever panics: they are only looked into and added to.
    fn inflight(&self) -> MutexGuard<'_, Inflight> {
        self.inflight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
