//! One pack being written.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::early::EarlyWriting;
use super::{PackError, Spool};
use crate::crypto::{KeySlot, MachineKeys, ObjectHasher};
use crate::format::{BundleMembers, IndexedFrame, IndexedPack, MemberRow, PackLayout, seal_tail};
use crate::model::ObjectHash;

/// A frame that was sealed and opened again, with the small files in it if it is a bundle.
#[derive(Debug)]
pub struct SealedFrame {
    pub bytes: Vec<u8>,
    pub frame: IndexedFrame,
    pub members: Vec<MemberRow>,
}

/// Frames are appended; [`PackWriter::finish`] makes the pack. Dropped unfinished, it leaves nothing.
pub struct PackWriter {
    spool: Spool,
    file: tempfile::NamedTempFile,
    layout: PackLayout,
    hasher: ObjectHasher,
    written: u64,
    early: EarlyWriting,
    frames: Vec<IndexedFrame>,
    members: Vec<BundleMembers>,
    rows: usize,
    is_tree: bool,
}

/// A complete pack in the spool, named by its hash. Not yet durable anywhere: a store makes it so.
#[derive(Debug)]
#[must_use = "a spooled pack is nothing until it was uploaded"]
pub struct SpooledPack {
    pub path: PathBuf,
    pub index: IndexedPack,
}

impl SpooledPack {
    pub fn hash(&self) -> ObjectHash {
        self.index.hash
    }
}

impl PackWriter {
    /// `slots`: those that the frames' body keys came from, each once.
    pub fn create(spool: &Spool, is_tree: bool, keys: &MachineKeys, slots: &[KeySlot]) -> Result<Self, PackError> {
        let file = tempfile::Builder::new()
            .suffix(".part")
            .tempfile_in(spool.dir())
            .map_err(PackError::io("create a pack in", spool.dir()))?;
        let (layout, header) = PackLayout::create(is_tree, keys.repo_id, keys.machine_id, slots);
        let mut writer = Self {
            spool: spool.clone(),
            file,
            layout,
            hasher: ObjectHasher::new(),
            written: 0,
            early: EarlyWriting::default(),
            frames: Vec::new(),
            members: Vec::new(),
            rows: 0,
            is_tree,
        };
        writer.write(&header)?;
        Ok(writer)
    }

    pub fn append(&mut self, sealed: &SealedFrame) -> Result<(), PackError> {
        if !sealed.members.is_empty() {
            self.members.push(BundleMembers::new(self.frames.len() as u32, &sealed.members));
        }
        self.rows += 1 + sealed.members.len();
        self.frames.push(sealed.frame);
        self.write(&sealed.bytes)
    }

    /// Bytes so far, without the tail.
    pub fn len(&self) -> u64 {
        self.written
    }

    /// Frames and small files so far: rows of the index.
    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// On return the pack is complete under its name in the spool.
    pub fn finish(mut self, keys: &MachineKeys) -> Result<SpooledPack, PackError> {
        let tail = seal_tail(&self.layout, &self.frames, self.written, &keys.index, &keys.signing);
        self.write(&tail)?;
        let hash = self.hasher.finish();
        let path = self.spool.path_of(&hash);
        self.file.persist(&path).map_err(|error| PackError::Io {
            action: "name the pack",
            path: path.clone(),
            source: error.error,
        })?;
        let size = self.written;
        let index = IndexedPack {
            hash,
            is_tree: self.is_tree,
            size,
            first_frame: self.layout.header_len,
            frames: self.frames,
            members: self.members,
        };
        Ok(SpooledPack { path, index })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(PackError::io("write the pack", self.file.path()))?;
        self.written += bytes.len() as u64;
        self.early.advance(self.file.as_file(), self.written).map_err(PackError::io("write the pack", self.file.path()))
    }
}

impl SpooledPack {
    /// A file that is not there is removed already.
    pub fn remove_file(path: &std::path::Path) -> Result<(), PackError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(PackError::io("remove the spooled pack", path)(error))
            }
            _ => Ok(()),
        }
    }
}
