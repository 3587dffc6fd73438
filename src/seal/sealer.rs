//! Sealing: one per worker, with its scratch buffers.

use super::SealError;
use super::compress::{Packer, Unpacker};
use super::frame::{Codec, FRAME_HEAD_LEN, FRAME_OVERHEAD, FrameHead, FrameKind, MAX_RAW_LEN, body_ad, head_ad};
use crate::crypto::{BodyKey, ChunkIdKey, ChunkIdLanes, FrameHeadKey, IdKey, MachineKeys, SealingSlot, TAG_LEN};
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

    /// For whoever has many chunks of one kind.
    pub fn lanes<T: AsRef<[u8]>>(&self, kind: FrameKind) -> ChunkIdLanes<T> {
        self.0[kind.code() as usize].lanes()
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
    unpacker: Unpacker,
    packed: Vec<u8>,
    opened_again: Vec<u8>,
    /// A frame of this sealer was opened by both cryptographic libraries.
    cross_checked: bool,
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
            unpacker: Unpacker::new()?,
            packed: Vec::new(),
            opened_again: Vec::new(),
            cross_checked: false,
        })
    }

    pub fn id(&self, kind: FrameKind, plain: &[u8]) -> ChunkId {
        self.ids.id(kind, plain)
    }

    /// Appends the frame to `out`, or nothing on an error. `id` must be the one that [`FrameSealer::id`] gave for `plain`.
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
        let start = out.len();
        let mut packed = std::mem::take(&mut self.packed);
        let is_packed = self.packer.compress(plain, &mut packed);
        let sealed = is_packed.and_then(|is_packed| {
            let (codec, payload) = if is_packed { (Codec::Zstd, &packed[..]) } else { (Codec::Stored, plain) };
            let body_len = (payload.len() + TAG_LEN) as u32;
            let head = FrameHead { id, kind, codec, raw_len: plain.len() as u32, body_len };
            self.append(&head, payload, out);
            self.cross_check(&head, payload, &out[start..])?;
            self.check(&head, plain, &out[start..]).map(|()| head)
        });
        self.packed = packed;
        sealed.inspect_err(|_| out.truncate(start))
    }

    fn append(&self, head: &FrameHead, payload: &[u8], out: &mut Vec<u8>) {
        let plain_head = head.encode();
        out.reserve(payload.len() + FRAME_OVERHEAD);
        self.heads.seal_into(&head_ad(&self.repo, &self.slot), &plain_head, out);
        self.body.seal_into(&body_ad(&self.repo, &self.slot, &plain_head), payload, out);
    }

    /// Lets the other library open the first frame: one that on this processor seals what only it can open is found before
    /// anything counts. For every frame that would take as long as sealing it twice more.
    fn cross_check(&mut self, head: &FrameHead, payload: &[u8], frame: &[u8]) -> Result<(), SealError> {
        if self.cross_checked {
            return Ok(());
        }
        let ad = body_ad(&self.repo, &self.slot, &head.encode());
        match self.body.cross_check(&ad, &frame[FRAME_HEAD_LEN..]) {
            Ok(opened) if opened == payload => {
                self.cross_checked = true;
                Ok(())
            }
            _ => Err(SealError::NotReadableAgain(head.id)),
        }
    }

    /// Opens what was just sealed and compares it with what went in: wrong bits from memory, cipher or compressor end
    /// here, not in a restore. Comparing instead of hashing again leaves the time between the id and the seal, in which the
    /// chunk waits in memory, and saves a sixth of the time of content that does not compress.
    fn check(&mut self, head: &FrameHead, plain: &[u8], frame: &[u8]) -> Result<(), SealError> {
        let wrong = || SealError::NotReadableAgain(head.id);
        let (sealed_head, sealed_body) = frame.split_at(FRAME_HEAD_LEN);
        let plain_head = self.heads.open(&head_ad(&self.repo, &self.slot), sealed_head).map_err(|_| wrong())?;
        if FrameHead::decode(&plain_head).ok() != Some(*head) {
            return Err(wrong());
        }
        let ad = body_ad(&self.repo, &self.slot, &plain_head);
        let opened = self.unpacker.open(head, &self.body, &ad, sealed_body, &mut self.opened_again);
        opened.map_err(|_| wrong())?;
        if self.opened_again == plain { Ok(()) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{RecoverySecret, random};

    #[test]
    fn a_frame_that_does_not_give_back_what_went_in_counts_for_neither_library() {
        let machine = MachineKeys::generate(&RecoverySecret::generate(), RepoId(random()), 1);
        let mut sealer = FrameSealer::new(&machine, &SealingSlot::create(&machine), 3).unwrap();
        let plain = b"the only copy ".repeat(100);
        let (id, mut frame) = (sealer.id(FrameKind::Content, &plain), Vec::new());
        let head = sealer.seal(FrameKind::Content, id, &plain, &mut frame).unwrap();
        let payload = sealer.packed.clone();
        assert!(sealer.cross_checked);
        let mut is_refused = |payload: &[u8], plain: &[u8], frame: &[u8]| {
            sealer.cross_checked = false;
            let by_other = sealer.cross_check(&head, payload, frame);
            let again = sealer.check(&head, plain, frame);
            [by_other, again].map(|checked| matches!(checked, Err(SealError::NotReadableAgain(of)) if of == id))
        };
        assert_eq!(is_refused(&payload, &plain, &frame), [false, false]);
        let flipped = |bytes: &[u8], at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        assert_eq!(is_refused(&flipped(&payload, 3), &flipped(&plain, 3), &frame), [true, true]);
        for at in FRAME_HEAD_LEN..frame.len() {
            assert_eq!(is_refused(&payload, &plain, &flipped(&frame, at)), [true, true], "byte {at}");
        }
        assert_eq!(is_refused(&payload, &plain, &flipped(&frame, 0)), [false, true]);
    }
}
