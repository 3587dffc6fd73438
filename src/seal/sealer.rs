//! Sealing: one per worker, with its scratch buffers.

use zstd::bulk::Decompressor;

use super::SealError;
use super::compress::{Packer, decompress, decompressor};
use super::frame::{Codec, FRAME_OVERHEAD, FrameHead, FrameKind, MAX_RAW_LEN, body_ad, head_ad};
use crate::crypto::{BodyKey, ChunkIdKey, FrameHeadKey, IdKey, MachineKeys, SealingSlot, TAG_LEN};
use crate::model::{ChunkId, RepoId, SlotId};

/// Makes ids of chunks by kind.
#[derive(Clone)]
pub struct ChunkIds([ChunkIdKey; 4]);

impl ChunkIds {
    pub fn new(key: &IdKey) -> Self {
        Self([0, 1, 2, 3].map(|kind| key.chunk_ids(kind)))
    }

    pub fn id(&self, kind: FrameKind, plain: &[u8]) -> ChunkId {
        self.0[kind.code() as usize].id(plain)
    }
}

/// Seals chunks under one slot. Reuses its buffers: memory is about three times the largest chunk.
pub struct FrameSealer {
    repo: RepoId,
    slot: SlotId,
    heads: FrameHeadKey,
    body: BodyKey,
    ids: ChunkIds,
    packer: Packer,
    unpacker: Decompressor<'static>,
    packed: Vec<u8>,
    opened: Vec<u8>,
    unpacked: Vec<u8>,
}

impl FrameSealer {
    /// `level`: of zstd.
    pub fn new(keys: &MachineKeys, slot: &SealingSlot, level: i32) -> Result<Self, SealError> {
        Ok(Self {
            repo: keys.repo_id,
            slot: slot.slot.slot_id,
            heads: keys.index.frame_heads(),
            body: slot.body.clone(),
            ids: ChunkIds::new(&keys.id),
            packer: Packer::new(level)?,
            unpacker: decompressor()?,
            packed: Vec::new(),
            opened: Vec::new(),
            unpacked: Vec::new(),
        })
    }

    pub fn id(&self, kind: FrameKind, plain: &[u8]) -> ChunkId {
        self.ids.id(kind, plain)
    }

    /// Appends the frame to `out`. `id` must be the chunk's: it is computed again from what the frame gives back.
    pub fn seal(
        &mut self,
        kind: FrameKind,
        id: ChunkId,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<FrameHead, SealError> {
        if plain.len() > MAX_RAW_LEN as usize {
            return Err(SealError::TooLarge { len: plain.len() });
        }
        let mut packed = std::mem::take(&mut self.packed);
        let sealed = self.seal_packed(kind, id, plain, &mut packed, out);
        self.packed = packed;
        sealed
    }

    fn seal_packed(
        &mut self,
        kind: FrameKind,
        id: ChunkId,
        plain: &[u8],
        packed: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<FrameHead, SealError> {
        let is_packed = self.packer.compress(plain, packed)?;
        let (codec, payload) = if is_packed { (Codec::Zstd, &packed[..]) } else { (Codec::Stored, plain) };
        let body_len = (payload.len() + TAG_LEN) as u32;
        let head = FrameHead { id, kind, codec, raw_len: plain.len() as u32, body_len };
        let plain_head = head.encode();
        out.reserve(payload.len() + FRAME_OVERHEAD);
        self.heads.seal_into(&head_ad(&self.repo, &self.slot), &plain_head, out);
        let body_at = out.len();
        let ad = body_ad(&self.repo, &self.slot, &plain_head);
        self.body.seal_into(&ad, payload, out);
        self.check(&head, &ad, &out[body_at..])?;
        Ok(head)
    }

    /// Opens what was just sealed: wrong bits from memory, cipher or compressor end here, not in a restore.
    fn check(&mut self, head: &FrameHead, ad: &[u8], sealed: &[u8]) -> Result<(), SealError> {
        let wrong = || SealError::NotReadableAgain(head.id);
        self.body.open_into(ad, sealed, &mut self.opened).map_err(|_| wrong())?;
        let content = match head.codec {
            Codec::Stored => &self.opened,
            Codec::Zstd => {
                let raw_len = head.raw_len as usize;
                decompress(&mut self.unpacker, &self.opened, raw_len, &mut self.unpacked).map_err(|_| wrong())?;
                &self.unpacked
            }
        };
        if self.ids.id(head.kind, content) == head.id { Ok(()) } else { Err(wrong()) }
    }
}
