//! Opening frames of one pack.

use std::cell::RefCell;

use super::SealError;
use super::compress::Unpacker;
use super::frame::{FRAME_HEAD_LEN, FrameHead, body_ad, head_ad};
use super::sealer::ChunkIds;
use crate::crypto::{BodyKey, FrameHeadKey, IndexKey, NONCE_LEN, ReadKeys};
use crate::model::{ChunkId, RepoId, SlotId};

thread_local! {
    static UNPACKER: RefCell<Option<Unpacker>> = const { RefCell::new(None) };
}

/// Opens frames that were sealed under any of the given slots. Usable from several threads.
pub struct FrameOpener {
    repo: RepoId,
    heads: FrameHeadKey,
    ids: ChunkIds,
    slots: Vec<(SlotId, BodyKey)>,
}

impl FrameOpener {
    pub fn new(keys: &ReadKeys, slots: Vec<(SlotId, BodyKey)>) -> Self {
        Self { repo: keys.repo_id, heads: keys.index.frame_heads(), ids: ChunkIds::new(&keys.id), slots }
    }

    /// The plain content of `frame`, which must be the whole frame and hold the chunk `id`.
    pub fn open(&self, frame: &[u8], id: &ChunkId) -> Result<Vec<u8>, SealError> {
        let (sealed_head, sealed_body) =
            frame.split_at_checked(FRAME_HEAD_LEN).ok_or(SealError::Frame("it is too short"))?;
        let (slot, body, plain_head) = self.head(sealed_head)?;
        let head = FrameHead::decode(&plain_head)?;
        if head.id != *id {
            return Err(SealError::WrongChunk { expected: *id, found: head.id });
        }
        if sealed_body.len() != NONCE_LEN + head.body_len as usize {
            return Err(SealError::Frame("its length is not the one that its head says"));
        }
        let content = unpack(&head, body, &body_ad(&self.repo, slot, &plain_head), sealed_body)?;
        let found = self.ids.id(head.kind, &content);
        if found != *id {
            return Err(SealError::WrongChunk { expected: *id, found });
        }
        Ok(content)
    }

    fn head(&self, sealed: &[u8]) -> Result<(&SlotId, &BodyKey, Vec<u8>), SealError> {
        let mut refused = SealError::Frame("its pack has no key slot");
        for (slot, body) in &self.slots {
            match self.heads.open(&head_ad(&self.repo, slot), sealed) {
                Ok(plain) => return Ok((slot, body, plain)),
                Err(error) => refused = error.into(),
            }
        }
        Err(refused)
    }

    /// The head of a frame, readable with the index key alone.
    pub fn open_head(sealed: &[u8], repo: &RepoId, slot: &SlotId, index: &IndexKey) -> Result<FrameHead, SealError> {
        FrameHead::decode(&index.frame_heads().open(&head_ad(repo, slot), sealed)?)
    }
}

fn unpack(head: &FrameHead, key: &BodyKey, ad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    UNPACKER.with_borrow_mut(|kept| {
        let unpacker = match kept {
            Some(unpacker) => unpacker,
            None => kept.insert(Unpacker::new()?),
        };
        let mut content = Vec::new();
        unpacker.open(head, key, ad, sealed, &mut content)?;
        Ok(content)
    })
}
