//! Finding and reading chunks: where each one is, and its plain content, checked.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::gather::Gathered;
use super::open::{Machine, Repository};
use super::openers::Openers;
use super::placement::{DamagedPlaces, Listed};
use super::shelf::Shelf;
use super::unlisted::UnlistedPack;
use super::{RepoError, names};
use crate::crypto::ReadKeys;
use crate::journal::LocationTable;
use crate::model::{ChunkId, ChunkLocation, PackKey};
use crate::seal::FrameOpener;
use crate::store::{Store, StoreError};
use crate::tree::NodeSource;

/// Reads chunks by id, from any thread. What it returns hashes to the id.
pub struct Contents {
    pub(super) store: Store,
    pub(super) keys: ReadKeys,
    pub(super) machines: Vec<Machine>,
    pub(super) table: Mutex<LocationTable>,
    /// Packs that no index object names; `None` until they were looked into.
    pub(super) unlisted: Mutex<Option<Arc<Vec<UnlistedPack>>>>,
    pub(super) listed: Listed,
    pub(super) damaged: DamagedPlaces,
    pub(super) openers: Openers,
    shelf: Shelf,
    frozen: HashSet<PackKey>,
    problems: Mutex<Vec<RepoError>>,
}

impl Contents {
    pub(super) fn load(repository: &Repository, given_up: &AtomicBool) -> Result<Self, RepoError> {
        let (machines, errors) = repository.machines()?;
        let contents = Self {
            store: repository.store.clone(),
            keys: repository.keys.clone(),
            machines,
            table: Mutex::new(LocationTable::temporary()?),
            unlisted: Mutex::new(None),
            listed: Listed::default(),
            damaged: repository.damaged.clone(),
            openers: Openers::default(),
            shelf: Shelf::default(),
            frozen: HashSet::new(),
            problems: Mutex::new(errors),
        };
        for machine in &contents.machines {
            contents.load_indexes(machine, given_up)?;
        }
        Ok(contents)
    }

    /// These are archived, as the target has said: it is not asked for what is in them, and they count as refused.
    pub fn with_frozen(self, frozen: HashSet<PackKey>) -> Self {
        Self { frozen, ..self }
    }

    /// A range of a pack.
    pub(super) fn range(&self, pack: &PackKey, offset: u64, len: u64) -> Result<Vec<u8>, RepoError> {
        let name = names::pack(&pack.machine, pack.is_tree, &pack.hash);
        match self.frozen.contains(pack) {
            true => Err(StoreError::Archived { name }.into()),
            false => Ok(self.store.get_range(&name, offset, len)?),
        }
    }

    /// Index objects that could not be used, and why. Their packs are found by their own directories.
    pub fn take_problems(&self) -> Vec<RepoError> {
        std::mem::take(&mut *self.problems.lock().expect("no panic while it is held"))
    }

    pub(super) fn note(&self, problem: RepoError) {
        self.problems.lock().expect("no panic while it is held").push(problem);
    }

    /// Where it is read from; `None`: no pack is known to hold it.
    pub fn locate(&self, id: &ChunkId) -> Result<Option<ChunkLocation>, RepoError> {
        Ok(self.places(id)?.into_iter().next())
    }

    /// The plain content, checked against the id. A chunk that stands in several packs is read from the first that gives it
    /// whole, those that read at once before archives. The error is that of the first place that may still give it, such as one
    /// that must be thawed first; without any, of the first.
    pub fn chunk(&self, id: &ChunkId) -> Result<Vec<u8>, RepoError> {
        let mut refused: Option<RepoError> = None;
        let places = self.places(id)?;
        for at in &places {
            match self.read_at(at, id) {
                Ok(content) => return Ok(content),
                Err(error) => {
                    if places.len() > 1 && error.is_damage() {
                        self.damaged.note(id, at);
                    }
                    if refused.as_ref().is_none_or(|before| before.is_damage() && error.is_archived()) {
                        refused = Some(error);
                    }
                }
            }
        }
        Err(refused.unwrap_or(RepoError::MissingChunk(*id)))
    }

    /// As [`Contents::chunk`], without a request where the frame was gathered and is right.
    pub(super) fn chunk_of(&self, gathered: &Gathered, id: &ChunkId) -> Result<Vec<u8>, RepoError> {
        let Some((at, frame)) = gathered.find(id) else { return self.chunk(id) };
        self.open_frame(at, frame, id).or_else(|error| {
            tracing::debug!(%error, "a frame is read once more, by itself");
            self.chunk(id)
        })
    }

    /// What is read from.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether it is worth knowing what will be wanted next.
    pub fn is_far(&self) -> bool {
        self.store.is_far()
    }

    fn read_at(&self, at: &ChunkLocation, id: &ChunkId) -> Result<Vec<u8>, RepoError> {
        let frame = self.range(&at.pack, at.offset, u64::from(at.len))?;
        self.open_frame(at, &frame, id)
    }

    /// The plain content of the frame that stands there, checked against the id. Reads the pack's header, once.
    pub fn open_frame(&self, at: &ChunkLocation, frame: &[u8], id: &ChunkId) -> Result<Vec<u8>, RepoError> {
        let opener: Arc<FrameOpener> = self.opener(&at.pack)?;
        opener.open(frame, id).map_err(|source| {
            let pack = names::pack(&at.pack.machine, at.pack.is_tree, &at.pack.hash);
            RepoError::DamagedChunk { id: *id, pack, source }
        })
    }
}

impl NodeSource for Contents {
    type Error = RepoError;
    fn node(&self, id: &ChunkId) -> Result<Vec<u8>, RepoError> {
        self.chunk_of(&self.shelf.take(id), id)
    }

    fn node_before(&self, id: &ChunkId, following: &mut dyn Iterator<Item = ChunkId>) -> Result<Vec<u8>, RepoError> {
        if self.is_far() && !self.shelf.holds(id) {
            self.shelf.put(self.gather(std::iter::once(*id).chain(following), Shelf::WINDOW));
        }
        self.node(id)
    }
}
