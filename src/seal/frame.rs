//! The head of a frame: 64 bytes under the index key.

use super::SealError;
use crate::crypto::{AEAD_OVERHEAD, NONCE_LEN, TAG_LEN, fields};
use crate::model::{ChunkId, RepoId, SlotId};

/// More plain content than this is never put into one frame, and refused when a head claims it.
pub const MAX_RAW_LEN: u32 = 16 << 20;

const HEAD_PLAIN: usize = 64;
/// Length of the sealed head, with nonce and tag.
pub const FRAME_HEAD_LEN: usize = HEAD_PLAIN + AEAD_OVERHEAD;
/// What a frame has more than its codec's output.
pub const FRAME_OVERHEAD: usize = FRAME_HEAD_LEN + AEAD_OVERHEAD;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FrameKind {
    Content,
    Bundle,
    Node,
    ContentMap,
}

impl FrameKind {
    pub fn code(self) -> u8 {
        match self {
            FrameKind::Content => 0,
            FrameKind::Bundle => 1,
            FrameKind::Node => 2,
            FrameKind::ContentMap => 3,
        }
    }

    pub fn from_code(code: u8) -> Option<Self> {
        [FrameKind::Content, FrameKind::Bundle, FrameKind::Node, FrameKind::ContentMap].get(code as usize).copied()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    Stored,
    Zstd,
}

/// chunk id 32 ‖ kind u8 ‖ codec u8 ‖ flags u16 ‖ raw length u32 ‖ body length u32 ‖ zeros 20
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHead {
    pub id: ChunkId,
    pub kind: FrameKind,
    pub codec: Codec,
    /// Of the plain content, in bytes.
    pub raw_len: u32,
    /// Of the codec's output with its tag, without its nonce, in bytes.
    pub body_len: u32,
}

impl FrameHead {
    pub(super) fn encode(&self) -> [u8; HEAD_PLAIN] {
        let mut out = [0; HEAD_PLAIN];
        out[..32].copy_from_slice(self.id.as_bytes());
        out[32] = self.kind.code();
        out[33] = matches!(self.codec, Codec::Zstd) as u8;
        out[36..40].copy_from_slice(&self.raw_len.to_le_bytes());
        out[40..44].copy_from_slice(&self.body_len.to_le_bytes());
        out
    }

    pub(super) fn decode(plain: &[u8]) -> Result<Self, SealError> {
        if plain.len() != HEAD_PLAIN {
            return Err(SealError::Frame("its head has the wrong length"));
        }
        if plain[34..36] != [0, 0] || plain[44..].iter().any(|byte| *byte != 0) {
            return Err(SealError::Frame("it needs a feature that this program does not know"));
        }
        let number = |at: usize| u32::from_le_bytes(plain[at..at + 4].try_into().expect("4 bytes"));
        let head = Self {
            id: ChunkId::from_slice(&plain[..32]).expect("32 bytes"),
            kind: FrameKind::from_code(plain[32]).ok_or(SealError::Frame("its kind is unknown"))?,
            codec: match plain[33] {
                0 => Codec::Stored,
                1 => Codec::Zstd,
                _ => return Err(SealError::Frame("its codec is unknown")),
            },
            raw_len: number(36),
            body_len: number(40),
        };
        if head.raw_len > MAX_RAW_LEN {
            return Err(SealError::Frame("it claims to hold more than 16 MiB"));
        }
        head.check_body_len().map(|()| head)
    }
}

impl FrameHead {
    /// Length of the whole frame that has this head.
    pub fn frame_len(&self) -> u32 {
        (FRAME_HEAD_LEN + NONCE_LEN) as u32 + self.body_len
    }

    /// Stored content has its own length, compressed content less: so no frame is larger than its content allows.
    fn check_body_len(&self) -> Result<(), SealError> {
        let stored_len = self.raw_len + TAG_LEN as u32;
        let fits = match self.codec {
            Codec::Stored => self.body_len == stored_len,
            Codec::Zstd => (TAG_LEN as u32 + 1..stored_len).contains(&self.body_len),
        };
        if fits { Ok(()) } else { Err(SealError::Frame("its lengths contradict each other")) }
    }
}

pub(super) fn head_ad(repo: &RepoId, slot: &SlotId) -> Vec<u8> {
    fields("rozen.v1/frame-head", &[repo.as_bytes(), slot.as_bytes()])
}

pub(super) fn body_ad(repo: &RepoId, slot: &SlotId, head: &[u8]) -> Vec<u8> {
    fields("rozen.v1/frame-body", &[repo.as_bytes(), slot.as_bytes(), head])
}
