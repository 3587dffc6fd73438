//! One spooled object → durable in the target, resumable after any crash.
//!
//! What must hold: only this room makes a [`Durable`], and only after the target said that the object is there and the
//! journal has recorded it (packs). A spool file of an earlier process is checked by its hash before a byte of it is
//! sent. An object whose name is not its hash (a manifest) is compared when its name was taken already, so that a lost
//! answer and a second writer with the same identity are told apart.
//!
//! What survives a crash: the spool file and its row until the row says `durable`; then the file is removed. Every step
//! may be repeated. `state` is the pure machine, `driver` acts. Parts of multipart uploads will be states between
//! `Ready` and `Stored`, with rows of their own in the journal.
//!
//! Not here: tries after an error of the target (`store`), order of objects within a commit (`repo`).

mod driver;
mod error;
mod object;
mod state;

pub use driver::Uploader;
pub use error::UploadError;
pub use object::{Body, Durable, Origin, Role, SpooledObject};
