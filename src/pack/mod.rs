//! Frames → packs in the spool.
//!
//! What must hold: a pack exists under its final spool name only when it is complete; its name is the hash of its bytes.
//! It is not fsynced here, but by whoever stores it (rooms `store` and `upload`): after a power cut a spool file is verified by its hash and, if it was lost, its content is read
//! again, because hints are forgotten only after the manifest. A pack that was being written when the process died is a temporary file: removed at start.
//!
//! Small packs that are meant for an archive class leave a copy in the arena ([`Arena`]). A copy can be lost without harm: it is
//! read only as the bytes of its hash, and its pack is in the target.
//!
//! Orders as types: [`PackWriter`] → [`SpooledPack`] → (room `upload`) durable.
//!
//! Not here: sealing of frames (room `seal`), uploading, the journal's rows, when copies are merged (room `backup`).

mod arena;
mod early;
mod error;
mod spool;
mod writer;

pub use arena::Arena;
pub use error::PackError;
pub use spool::Spool;
pub use writer::{PackWriter, SealedFrame, SpooledPack};
