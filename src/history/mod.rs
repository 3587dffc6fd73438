//! Questions about snapshots: which there are, what is in them, how they differ.
//!
//! What must hold: what cannot be read is named in the answer and costs nothing else; nothing is written; a snapshot that a
//! person names is found or refused, never guessed.
//!
//! Everything streams but the list of snapshots and one directory.
//!
//! Not here: restoring (room `restore`), checking (room `check`), printing (room `cli`).

mod cat;
mod diff;
mod entries;
mod error;
mod find;
mod pick;
mod snapshots;
mod spec;
mod versions;

#[cfg(test)]
mod tests;

pub use cat::cat;
pub use diff::{Change, ChangeKind, diff};
pub use entries::{FoundEntry, HistoryEvent, entry_at, list};
pub use error::HistoryError;
pub use find::{Pattern, find};
pub use pick::{Picked, pick, pick_machine};
pub use snapshots::{ListedSnapshot, snapshots};
pub use spec::{SnapshotSpec, SpecError};
pub use versions::{Version, versions};
