//! A file of chunks while its chunks are with the workers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::placement::Place;
use crate::model::{ChunkRef, Entry};
use crate::tree::TreeKey;

/// Complete when its reader has ended it and every chunk has its id.
pub(super) struct LargeFile {
    pub key: TreeKey,
    /// Where its content goes.
    pub place: Place,
    state: Mutex<State>,
}

/// A chunk on its way.
pub(super) struct FileChunk {
    pub file: Arc<LargeFile>,
    /// Its number in the file.
    pub at: usize,
    pub data: Vec<u8>,
}

impl AsRef<[u8]> for FileChunk {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[derive(Default)]
struct State {
    chunks: Vec<Option<ChunkRef>>,
    missing: usize,
    /// Set when the file was read to its end.
    entry: Option<Entry>,
}

/// What becomes of a complete file.
pub(super) struct CompleteFile {
    pub entry: Entry,
    pub chunks: Vec<ChunkRef>,
}

impl LargeFile {
    pub fn new(key: TreeKey, place: Place) -> Self {
        Self { key, place, state: Mutex::default() }
    }

    /// A chunk goes to the workers; gives its number.
    pub fn begin_chunk(&self) -> usize {
        let mut state = self.state();
        state.chunks.push(None);
        state.missing += 1;
        state.chunks.len() - 1
    }

    /// Whoever completes the file gets it, once.
    pub fn end_chunk(&self, at: usize, chunk: ChunkRef) -> Option<CompleteFile> {
        let mut state = self.state();
        state.chunks[at] = Some(chunk);
        state.missing -= 1;
        state.take()
    }

    /// The file was read to its end.
    pub fn end_file(&self, entry: Entry) -> Option<CompleteFile> {
        let mut state = self.state();
        state.entry = Some(entry);
        state.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> Option<CompleteFile> {
        if self.missing > 0 {
            return None;
        }
        let entry = self.entry.take()?;
        let chunks = self.chunks.drain(..).flatten().collect();
        Some(CompleteFile { entry, chunks })
    }
}
