//! The frames of a pack, opened from its bytes as these come by: a pack is read once, not again for each frame.

use crate::model::{ChunkId, ChunkLocation};
use crate::repo::Contents;

pub(super) struct Frames<'a> {
    contents: &'a Contents,
    /// What has not come by, by offset.
    rest: &'a [(ChunkId, ChunkLocation)],
    /// Bytes of the pack from `from` on: a frame that has not come whole. At most a frame and a piece.
    held: Vec<u8>,
    from: u64,
    suspects: Vec<ChunkId>,
}

impl<'a> Frames<'a> {
    /// `frames` in the order in which they lie in the pack.
    pub fn new(contents: &'a Contents, frames: &'a [(ChunkId, ChunkLocation)]) -> Self {
        Self { contents, rest: frames, held: vec![], from: 0, suspects: vec![] }
    }

    /// The next bytes of the pack.
    pub fn piece(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        while let Some(((id, at), others)) = self.rest.split_first() {
            let Some(frame) = self.whole(at) else { break };
            if self.contents.open_frame(at, frame, id).is_err() {
                self.suspects.push(*id);
            }
            self.rest = others;
        }
        let next = self.rest.first().map_or(u64::MAX, |(_, at)| at.offset);
        let done = usize::try_from(next.saturating_sub(self.from)).unwrap_or(usize::MAX).min(self.held.len());
        self.held.drain(..done);
        self.from += done as u64;
    }

    /// Chunks whose frames did not open or did not come.
    pub fn suspects(self) -> Vec<ChunkId> {
        let missing = self.rest.iter().map(|(id, _)| *id);
        self.suspects.into_iter().chain(missing).collect()
    }

    /// `None` while a part of it is to come.
    fn whole(&self, at: &ChunkLocation) -> Option<&[u8]> {
        let start = usize::try_from(at.offset.checked_sub(self.from)?).ok()?;
        self.held.get(start..start.checked_add(at.len as usize)?)
    }
}
