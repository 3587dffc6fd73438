//! Frames of chunks that are wanted together, read in few requests where requests are dear.
//!
//! What must hold: nothing is lost by gathering. What cannot be read as a part of a range, whatever the reason, is not
//! gathered; whoever wants it reads it by itself, from all its places, and gets the reason.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::RepoError;
use super::contents::Contents;
use super::ranges::{self, RangedRead, Wanted};
use crate::model::{ChunkId, ChunkLocation};

/// Requests of one gathering that are under way at once.
const AT_ONCE: usize = 4;
/// … and its frames. This bounds the small gaps that are read over: a gathering takes no more memory than its bytes, a
/// sixteenth of them and 1 MiB.
const MOST_FRAMES: usize = 64;
/// A range that begins so near to its pack's beginning begins there, where nobody has read the pack's header yet.
const HEADER_REACH: u64 = 64 << 10;

/// Sealed frames that wait for those who want their chunks. It holds the ranges that they were read in, with all their gaps.
#[derive(Default)]
pub(super) struct Gathered {
    frames: HashMap<ChunkId, (ChunkLocation, Arc<ReadRange>)>,
    /// How many of the chunks that were asked for it is about: the first so many.
    pub covered: usize,
}

struct ReadRange {
    /// Of the first byte in the pack.
    offset: u64,
    bytes: Vec<u8>,
}

impl Gathered {
    pub fn holds(&self, id: &ChunkId) -> bool {
        self.frames.contains_key(id)
    }

    /// The sealed frame, and where it was.
    pub fn find(&self, id: &ChunkId) -> Option<(&ChunkLocation, &[u8])> {
        let (at, read) = self.frames.get(id)?;
        let from = usize::try_from(at.offset - read.offset).ok()?;
        Some((at, read.bytes.get(from..from + at.len as usize)?))
    }

    /// One frame alone, without the others.
    pub fn remove(&mut self, id: &ChunkId) -> Option<Gathered> {
        let (id, frame) = self.frames.remove_entry(id)?;
        Some(Gathered { frames: HashMap::from([(id, frame)]), covered: 1 })
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    fn add(&mut self, frames: Vec<Wanted>, read: Arc<ReadRange>) {
        self.frames.extend(frames.into_iter().map(|frame| (frame.id, (frame.at, read.clone()))));
    }
}

impl Contents {
    /// Reads the frames of the first of these chunks, in the order in which they are wanted: at most `most` bytes, but one frame in
    /// any case.
    pub(super) fn gather(&self, ids: impl Iterator<Item = ChunkId>, most: u64) -> Gathered {
        let (wanted, covered) = self.first_of(ids, most);
        let gathered = Mutex::new(Gathered { covered, ..Gathered::default() });
        let reads: Vec<_> = ranges::plan(wanted).into_iter().map(|read| Mutex::new(Some(read))).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(read) = reads.get(next.fetch_add(1, Ordering::Relaxed)) {
                let read = read.lock().expect("nothing panics while it is held").take();
                let read = read.expect("each is taken by one thread");
                match self.read_range(&read) {
                    Ok(bytes) => gathered.lock().expect("nothing panics while it is held").add(read.frames, bytes),
                    Err(error) => tracing::debug!(%error, "a range cannot be read; its frames are read one by one"),
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..AT_ONCE.min(reads.len()) {
                scope.spawn(work);
            }
            work();
        });
        gathered.into_inner().expect("nothing panics while it is held")
    }

    /// What is known of the first of these chunks, and how many that are.
    fn first_of(&self, ids: impl Iterator<Item = ChunkId>, most: u64) -> (Vec<Wanted>, usize) {
        let (mut wanted, mut seen) = (Vec::new(), HashSet::new());
        let (mut bytes, mut covered) = (0u64, 0);
        for id in ids {
            // what is nowhere, or cannot be looked for now, is told to whoever wants it
            if let (Ok(Some(at)), true) = (self.locate(&id), seen.insert(id)) {
                bytes = bytes.saturating_add(u64::from(at.len));
                if bytes > most && !wanted.is_empty() || wanted.len() == MOST_FRAMES {
                    break;
                }
                wanted.push(Wanted { id, at });
            }
            covered += 1;
        }
        (wanted, covered)
    }

    fn read_range(&self, read: &RangedRead) -> Result<Arc<ReadRange>, RepoError> {
        let with_header = read.range.start <= HEADER_REACH && self.wants_header(&read.pack);
        let offset = if with_header { 0 } else { read.range.start };
        let bytes = self.range(&read.pack, offset, read.range.end - offset)?;
        if with_header {
            self.learn_header(&read.pack, &bytes);
        }
        Ok(Arc::new(ReadRange { offset, bytes }))
    }
}
