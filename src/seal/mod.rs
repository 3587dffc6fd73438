//! Chunk → compressed, encrypted frame, and back (docs/format.md, "Frames").
//!
//! What must hold: a frame counts only after it was opened again and gave back what went in; nothing is decoded
//! before it was authenticated; what is opened hashes to the id that was asked for; a frame opens under its own slot in
//! its own repository only. Content that does not compress is stored as it is, and recognised before it costs time.
//!
//! Not here: where frames lie (rooms `format`, `pack`), keys (room `crypto`).

mod compress;
mod error;
mod frame;
mod opener;
mod sealer;

pub use error::SealError;
pub use frame::{Codec, FRAME_HEAD_LEN, FRAME_OVERHEAD, FrameHead, FrameKind, MAX_RAW_LEN};
pub use opener::FrameOpener;
pub use sealer::{ChunkIds, FrameSealer};

#[cfg(test)]
mod tests;
