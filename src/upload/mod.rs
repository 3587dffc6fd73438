//! One spooled object → durable in the target, resumable after any crash.
//!
//! What must hold: only this room makes a [`Durable`], and only after the target said that the object is there and the
//! journal has recorded it (packs). A spool file of an earlier process is checked by its hash before a byte of it is
//! sent. An object whose name is not its hash (a manifest) is compared when its name was taken already, so that a lost
//! answer and a second writer with the same identity are told apart.
//!
//! Large packs go by parts where the target wants it. Then the journal is the truth: the wish to begin is recorded before
//! the target is asked, its id before a part is sent, each receipt before the next part of the same thread, the wish to
//! complete before that is asked. The target's own list of parts is a cross-check, at every resumption and when the target
//! misses a part; what it holds beyond the receipts counts when its checksum is that of our bytes.
//!
//! What survives a crash: the spool file and its rows until the row says `durable`; then the file is removed. Every step
//! may be repeated; at most the parts in flight that were cut off are sent again. An upload that nobody goes on with is ended, by the next
//! start at the latest. docs/uploads.md has every state with every answer.
//!
//! `state` is the pure machine; `driver` acts on whole objects, `parts` on parts (`layout` cuts, `send` sends), `spool` says
//! whether a file can be used, `orphans` tidies.
//!
//! Not here: tries after an error of the target (`store`), order of objects within a commit (`repo`).

mod driver;
mod error;
mod layout;
mod object;
mod orphans;
mod parts;
mod send;
mod spool;
mod state;
#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod tests;

pub use driver::Uploader;
pub use error::UploadError;
pub use object::{Body, Durable, Origin, Role, SpooledObject};
pub use orphans::Orphans;
