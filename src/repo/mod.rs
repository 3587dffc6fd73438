//! A repository: names of objects, making and opening one, committing snapshots, reading chunks and trees.
//!
//! What must hold: a manifest is written only after everything that it needs is durable — [`SealedManifest::commit`] takes the proof as a
//! value; a repository is opened only with keys that its signed record, or without one a certificate, fits; nothing is read as right that
//! does not hash to its id.
//!
//! What survives a crash: every committed snapshot. Packs and index objects without a manifest are found again through the
//! journal, or stay as unreferenced objects.
//!
//! Reading from a target that is far: `ranges` plans requests, `gather` makes them, `ahead` (chunks in a known order) and `shelf`
//! (siblings of a tree) keep what was read until it is wanted. Memory: 14 MiB for each [`Ahead`], 25 MiB for trees.
//!
//! Not here: which files changed (`scan`), running a backup (`backup`), writing files back (`restore`).

mod adopt;
mod ahead;
mod certificates;
mod commit;
mod contents;
mod create;
mod error;
mod files;
mod gather;
mod heads;
mod indexes;
pub mod names;
mod open;
mod openers;
mod placement;
mod places;
mod ranges;
mod rebuild;
mod shelf;
mod succession;
#[cfg(test)]
pub(crate) mod testing;
mod unlisted;

pub use adopt::{CaughtUp, catch_up, is_last_there};
pub use ahead::Ahead;
pub use certificates::unless_gone;
pub use commit::{CommittedSnapshot, DurableIndex, SealedManifest, is_committed, write_index};
pub use contents::Contents;
pub use create::{create, enroll, take_over};
pub use error::RepoError;
pub use files::{ContentError, DataParts, DataSink, FileData, Files};
pub use open::{Machine, Repository, SnapshotRef};
pub use placement::{ListedPack, ListedPacks};
pub use places::{PathQueryError, Place, places_of};
pub use rebuild::{Rebuilt, contents_of, missing_packs, open_for_backup, rebuild};
pub use succession::{OldKey, Succession};
pub use unlisted::{FoundBy, UnlistedPack};
