//! Freezing a filesystem: a read-only state that it keeps itself, made to read from, and gone after the run.
//!
//! What must hold:
//! - A frozen view holds every change that was complete before [`Plan::create`] was called, and never changes.
//! - What happens *during* the call may be in it or not, as after a power cut: renames and what was made durable
//!   (fsync) keep their order, buffered writes to different files may be of different moments. btrfs writes files out
//!   one after the other before it freezes; there is no instant for all. Each subvolume is frozen on its own.
//! - A mount below the root, and a nested subvolume that could not be frozen, is read live in the view and named. One
//!   that cannot even be opened is there as a directory that cannot be read. Nothing is silently an empty directory.
//! - Where freezing is not possible the view is live and says why; a backup is never refused for it.
//! - Only names of our own form *and* machine inside [`FREEZE_DIR`] are ever removed.
//!
//! What survives a crash: the freezes. Their names are known before they are made ([`Plan::names`]: the
//! caller records them as an intent), and [`Freezer::reap`] removes all that no run claims. The mount through which they
//! are made and read has no place in the tree of files and ends with the process.
//!
//! btrfs by ioctl, with the rights of root: `<top of the filesystem>/.rozen-freeze/<machine>-<run>-<root>-<n>`, one for
//! each subvolume. Reading a tree that holds the top must leave out [`FREEZE_DIR`].
//!
//! Not here: the intent rows (room `journal`), when to freeze and for how long (room `engine`), reading (room `source`),
//! filesystems other than btrfs.

mod btrfs;
mod error;
mod freezer;
mod ioctl;
mod name;
mod place;
mod plan;

#[cfg(test)]
mod btrfs_tests;

pub use error::FreezeError;
pub use freezer::{Freezer, Reaped};
pub use name::{FREEZE_DIR, FreezeId, FreezeName};
pub use plan::{Frozen, FrozenParts, Hold, LiveReason, Plan, PlanOptions};
