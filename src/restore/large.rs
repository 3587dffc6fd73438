//! A large file: created once, written by several workers at their offsets, ended by whoever writes the last part.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::batch::Item;
use super::context::ItemError;
use super::existing::Staged;
use crate::model::{ChunkId, ChunkRef, Content, Entry};
use crate::repo::{DataParts, FileData};
use crate::source::DestFile;

/// A part is so many chunks, some 20 MiB. A file of no more chunks is written by one worker.
const PART_CHUNKS: usize = 8;

/// Is it worth more than one worker?
pub(super) fn is_large(entry: &Entry) -> bool {
    match &entry.content {
        Some(Content::Chunked { chunks, .. }) => chunks.len() > PART_CHUNKS,
        Some(Content::Mapped { .. }) => true,
        _ => false,
    }
}

pub(super) struct LargeFile {
    pub item: Item,
    pub staged: Staged<DestFile>,
    pub data: FileData,
    parts_left: AtomicUsize,
    failed: AtomicBool,
    failure: Mutex<Option<ItemError>>,
}

impl LargeFile {
    pub fn new(item: Item, staged: Staged<DestFile>, data: FileData) -> Self {
        let parts = chunks(&data).len().div_ceil(PART_CHUNKS).max(1);
        Self {
            item,
            staged,
            data,
            parts_left: AtomicUsize::new(parts),
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// At least one, so that a file without data is ended as well. Made one after another: there may be many.
    pub fn parts(self: Arc<Self>) -> impl Iterator<Item = LargePart> {
        let count = self.parts_left.load(Ordering::Relaxed);
        let mut at = 0;
        (0..count).map(move |part| {
            let first = part * PART_CHUNKS;
            let part = LargePart { file: self.clone(), first, at };
            at += part.chunks().iter().map(|chunk| u64::from(chunk.len)).sum::<u64>();
            part
        })
    }

    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// The first failure counts.
    pub fn note(&self, written: Result<(), ItemError>) {
        if let Err(error) = written {
            self.failed.store(true, Ordering::Relaxed);
            self.failure.lock().expect("nothing panics while it is held").get_or_insert(error);
        }
    }

    /// Was it the last one? What the other workers wrote and noted is seen by whoever gets `true`.
    pub fn end_part(&self) -> bool {
        self.parts_left.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub fn take_failure(&self) -> Option<ItemError> {
        self.failure.lock().expect("nothing panics while it is held").take()
    }
}

/// Some chunks of a large file.
pub(super) struct LargePart {
    pub file: Arc<LargeFile>,
    first: usize,
    /// Where they begin in the file's data.
    at: u64,
}

impl LargePart {
    fn chunks(&self) -> &[ChunkRef] {
        let chunks = &chunks(&self.file.data)[self.first..];
        &chunks[..chunks.len().min(PART_CHUNKS)]
    }

    pub fn chunk_ids(&self) -> impl Iterator<Item = ChunkId> {
        self.chunks().iter().map(|chunk| chunk.id)
    }

    pub fn each_chunk(&self, mut each: impl FnMut(u64, &ChunkRef) -> Result<(), ItemError>) -> Result<(), ItemError> {
        let mut at = self.at;
        for chunk in self.chunks() {
            each(at, chunk)?;
            at += u64::from(chunk.len);
        }
        Ok(())
    }
}

fn chunks(data: &FileData) -> &[ChunkRef] {
    match &data.parts {
        DataParts::Chunks(chunks) => chunks,
        DataParts::Bundled { .. } => &[],
    }
}
