//! Walking a pack from head to head: the last way to what is in it, where no index object lists it and its own directory or
//! footer is damaged. A head says which chunk follows and where the next head is; it opens with the index key.
//!
//! Nobody has signed what is found so. That costs nothing: a chunk is given away only when it hashes to the id that was asked for.

use super::certificates::unless_gone;
use super::contents::Contents;
use super::{RepoError, names};
use crate::format::{IndexedFrame, PackLayout};
use crate::model::PackKey;
use crate::seal::{FRAME_HEAD_LEN, FrameHead, FrameOpener};
use crate::store::ObjectName;

const HEAD: u64 = FRAME_HEAD_LEN as u64;
/// Read at a time: many small frames, or the head of a large one and an eighth of what follows.
const WINDOW: u64 = 128 << 10;

impl Contents {
    /// The frames of a pack of `size` bytes from the first on, until a head does not open or cannot be read: there its directory
    /// begins, or damage. Each step is longer than a head. An error only when the target is gone.
    pub(super) fn walk_heads(
        &self,
        pack: &PackKey,
        layout: &PackLayout,
        size: u64,
    ) -> Result<Vec<IndexedFrame>, RepoError> {
        let name = names::pack(&pack.machine, pack.is_tree, &pack.hash);
        let mut window = Window { contents: self, name, size, from: 0, bytes: vec![] };
        let (mut frames, mut at) = (Vec::new(), u64::from(layout.header_len));
        while let Some(sealed) = window.head_at(at)? {
            let Some(head) = self.open_head(sealed, layout) else { break };
            let len = head.frame_len();
            if size - at < u64::from(len) {
                break;
            }
            frames.push(IndexedFrame { id: head.id, kind: head.kind.code(), len, raw_len: head.raw_len });
            at += u64::from(len);
        }
        Ok(frames)
    }

    /// Under any of the slots.
    fn open_head(&self, sealed: &[u8], layout: &PackLayout) -> Option<FrameHead> {
        let (repo, index) = (&self.keys.repo_id, &self.keys.index);
        layout.slots.iter().find_map(|slot| FrameOpener::open_head(sealed, repo, &slot.slot_id, index).ok())
    }
}

/// A part of a pack that moves on.
struct Window<'a> {
    contents: &'a Contents,
    name: ObjectName,
    /// Of the pack.
    size: u64,
    from: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// `None`: there is none, or the disk cannot read it.
    fn head_at(&mut self, at: u64) -> Result<Option<&[u8]>, RepoError> {
        if self.size < at.saturating_add(HEAD) {
            return Ok(None);
        }
        if self.held(at).is_none() && !self.read(at, WINDOW.min(self.size - at))? {
            // what cannot be read may lie behind the head
            self.read(at, HEAD)?;
        }
        Ok(self.held(at))
    }

    fn read(&mut self, at: u64, len: u64) -> Result<bool, RepoError> {
        match self.contents.store.get_range(&self.name, at, len) {
            Ok(bytes) => {
                (self.from, self.bytes) = (at, bytes);
                Ok(true)
            }
            Err(error) => unless_gone(error.into()).map(|_| false),
        }
    }

    fn held(&self, at: u64) -> Option<&[u8]> {
        let start = usize::try_from(at.checked_sub(self.from)?).ok()?;
        self.bytes.get(start..start.checked_add(FRAME_HEAD_LEN)?)
    }
}
