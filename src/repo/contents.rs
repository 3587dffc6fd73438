//! Finding and reading chunks: index objects first, the packs' own directories where an index is missing or damaged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::open::{Machine, Repository};
use super::{RepoError, names};
use crate::crypto::{BodyKey, ReadKeys};
use crate::format::{FOOTER_LEN, Footer, FormatError, IndexedPack, PackLayout, open_directory, open_index};
use crate::journal::LocationTable;
use crate::model::{ChunkId, ChunkLocation, ObjectHash, PackKey};
use crate::seal::FrameOpener;
use crate::store::{Disposition, Store};
use crate::tree::NodeSource;

/// Larger index objects are refused; a commit of 256 packs stays far below.
const MAX_INDEX: u64 = 256 << 20;

/// Reads chunks by id, from any thread. What it returns hashes to the id.
pub struct Contents {
    store: Store,
    keys: ReadKeys,
    machines: Vec<Machine>,
    table: Mutex<LocationTable>,
    /// Set when the packs' own directories have been read as well.
    scanned: Mutex<bool>,
    slots: Mutex<HashMap<ObjectHash, Arc<FrameOpener>>>,
    problems: Mutex<Vec<RepoError>>,
}

impl Contents {
    pub(super) fn load(repository: &Repository) -> Result<Self, RepoError> {
        let (machines, errors) = repository.machines()?;
        let contents = Self {
            store: repository.store.clone(),
            keys: repository.keys.clone(),
            machines,
            table: Mutex::new(LocationTable::temporary()?),
            scanned: Mutex::new(false),
            slots: Mutex::default(),
            problems: Mutex::new(errors),
        };
        for machine in &contents.machines {
            contents.load_indexes(machine)?;
        }
        Ok(contents)
    }

    /// Index objects that could not be used, and why. Their packs are found by their own directories.
    pub fn take_problems(&self) -> Vec<RepoError> {
        std::mem::take(&mut *self.problems.lock().expect("no panic while it is held"))
    }

    /// `None`: no pack is known to hold it.
    pub fn locate(&self, id: &ChunkId) -> Result<Option<ChunkLocation>, RepoError> {
        Ok(self.places(id)?.into_iter().next())
    }

    /// The plain content, checked against the id. A chunk that stands in several packs is read from the first that gives it
    /// whole; the error is that of the first place.
    pub fn chunk(&self, id: &ChunkId) -> Result<Vec<u8>, RepoError> {
        let mut refused = None;
        for at in self.places(id)? {
            match self.read_at(&at, id) {
                Ok(content) => return Ok(content),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or(RepoError::MissingChunk(*id)))
    }

    fn places(&self, id: &ChunkId) -> Result<Vec<ChunkLocation>, RepoError> {
        let found = self.table.lock().expect("no panic while it is held").find(id)?;
        if !found.is_empty() {
            return Ok(found);
        }
        self.scan_packs()?;
        Ok(self.table.lock().expect("no panic while it is held").find(id)?)
    }

    fn read_at(&self, at: &ChunkLocation, id: &ChunkId) -> Result<Vec<u8>, RepoError> {
        let name = names::pack(&at.pack.machine, at.pack.is_tree, &at.pack.hash);
        let frame = self.store.get_range(&name, at.offset, u64::from(at.len))?;
        let opener = self.opener(&at.pack)?;
        opener.open(&frame, id).map_err(|source| RepoError::DamagedChunk { id: *id, pack: name, source })
    }

    /// Every frame that the index objects and directories name. For checks.
    pub fn each_location(&self, visit: &mut dyn FnMut(ChunkId, ChunkLocation)) -> Result<(), RepoError> {
        Ok(self.table.lock().expect("no panic while it is held").each(visit)?)
    }

    fn opener(&self, pack: &PackKey) -> Result<Arc<FrameOpener>, RepoError> {
        if let Some(opener) = self.slots.lock().expect("no panic while it is held").get(&pack.hash) {
            return Ok(opener.clone());
        }
        let name = names::pack(&pack.machine, pack.is_tree, &pack.hash);
        let layout = self.layout(pack)?;
        let mut keys: Vec<(crate::model::SlotId, BodyKey)> = Vec::new();
        let mut refused = None;
        for slot in &layout.slots {
            match slot.open(&self.keys) {
                Ok(opened) => keys.push((opened.slot_id, opened.body)),
                Err(error) => refused = Some(error),
            }
        }
        if let (true, Some(source)) = (keys.is_empty(), refused) {
            return Err(RepoError::PackKey { pack: name, source });
        }
        let opener = Arc::new(FrameOpener::new(&self.keys, keys));
        self.slots.lock().expect("no panic while it is held").insert(pack.hash, opener.clone());
        Ok(opener)
    }

    fn layout(&self, pack: &PackKey) -> Result<PackLayout, RepoError> {
        let name = names::pack(&pack.machine, pack.is_tree, &pack.hash);
        let object = |source| RepoError::Object { name: name.clone(), source };
        let head = self.store.get_range(&name, 0, PackLayout::USUAL_LEN as u64)?;
        match PackLayout::decode(pack.is_tree, &self.keys.repo_id, &head) {
            Err(FormatError::Truncated { needed, .. }) => {
                let head = self.store.get_range(&name, 0, needed)?;
                PackLayout::decode(pack.is_tree, &self.keys.repo_id, &head).map_err(object)
            }
            other => other.map_err(object),
        }
    }

    fn load_indexes(&self, machine: &Machine) -> Result<(), RepoError> {
        for listed in self.store.list(&names::folder(&machine.id, "index"))? {
            let body = self.store.get(&listed.name, MAX_INDEX).map_err(RepoError::from).and_then(|bytes| {
                open_index(&bytes, &self.keys.repo_id, &self.keys.index, Some(&machine.signers))
                    .map_err(|source| RepoError::Object { name: listed.name.clone(), source })
            });
            match body {
                Ok(body) => self.insert(machine, &body.packs)?,
                Err(RepoError::Store(error)) if error.disposition() == Disposition::Retry => return Err(error.into()),
                Err(error) => self.problems.lock().expect("no panic while it is held").push(error),
            }
        }
        Ok(())
    }

    fn insert(&self, machine: &Machine, packs: &[IndexedPack]) -> Result<(), RepoError> {
        let mut table = self.table.lock().expect("no panic while it is held");
        for pack in packs {
            let key = PackKey { machine: machine.id, is_tree: pack.is_tree, hash: pack.hash };
            table.insert(key, pack.located().map(|(frame, offset)| (frame.id, offset, frame.len)))?;
        }
        Ok(())
    }

    /// Reads the directories of all packs that no index object named. Once.
    fn scan_packs(&self) -> Result<(), RepoError> {
        let mut scanned = self.scanned.lock().expect("no panic while it is held");
        if std::mem::replace(&mut *scanned, true) {
            return Ok(());
        }
        for machine in &self.machines {
            for (folder, is_tree) in [("trees", true), ("packs", false)] {
                for listed in self.store.list(&names::folder(&machine.id, folder))? {
                    let Some(hash) = names::hash_of(&listed.name) else { continue };
                    let pack = PackKey { machine: machine.id, is_tree, hash };
                    if self.table.lock().expect("no panic while it is held").knows(&pack)? {
                        continue;
                    }
                    match self.read_directory(machine, &pack, listed.size) {
                        Ok(read) => self.insert(machine, &[read])?,
                        Err(error) => self.problems.lock().expect("no panic while it is held").push(error),
                    }
                }
            }
        }
        Ok(())
    }

    fn read_directory(&self, machine: &Machine, pack: &PackKey, size: u64) -> Result<IndexedPack, RepoError> {
        let name = names::pack(&pack.machine, pack.is_tree, &pack.hash);
        let object = |source| RepoError::Object { name: name.clone(), source };
        let layout = self.layout(pack)?;
        let tail_at = size.checked_sub(FOOTER_LEN as u64);
        let tail_at = tail_at.ok_or_else(|| object(FormatError::Truncated { len: size, needed: FOOTER_LEN as u64 }))?;
        let tail = self.store.get_range(&name, tail_at, FOOTER_LEN as u64)?;
        let footer = Footer::open(&tail, &layout, &self.keys.index, Some(&machine.signers)).map_err(object)?;
        if footer.directory_offset.checked_add(footer.directory_len) != Some(tail_at) {
            return Err(object(FormatError::Damaged("its footer points outside")));
        }
        let sealed = self.store.get_range(&name, footer.directory_offset, footer.directory_len)?;
        let frames = open_directory(&sealed, &footer, &layout, &self.keys.index).map_err(object)?;
        Ok(IndexedPack {
            hash: pack.hash,
            is_tree: pack.is_tree,
            size,
            first_frame: layout.header_len,
            frames,
            members: vec![],
        })
    }
}

impl NodeSource for Contents {
    type Error = RepoError;
    fn node(&self, id: &ChunkId) -> Result<Vec<u8>, RepoError> {
        self.chunk(id)
    }
}
