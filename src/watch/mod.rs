//! Notifications of the operating system become hints: "this directory may have changed".
//!
//! A hint says *when* to look, never *what* changed: comparing decides. Hints start work, audits close what no watcher
//! sees (stores into mapped files, writes through a hard link elsewhere, other hosts of a network filesystem).
//!
//! What must hold:
//! - Arm first, list second: a directory is listed only after its watch stands, and a subtree is hinted again when all
//!   its watches stand. So every change is either in an event or before a hint.
//! - Doubt widens. A lost event, an unknown watch, a refused watch becomes a recursive hint and a line in [`Coverage`];
//!   nothing is ever taken as unchanged because the watcher does not know.
//! - A root that goes away gives [`Reason::RootGone`] or [`Reason::Unmounted`], never the look of deleted files.
//! - The thread of the watcher waits for nothing but its sink, and the sink makes hints durable before it returns.
//! - After [`Watcher::sync`] says [`SyncOutcome::Synced`], every change that was complete before the call was handed
//!   to the sink (or lies in a subtree that [`Coverage`] names as not watched). What is still being armed then is hinted
//!   again, as it may have changed in silence.
//!
//! What survives a crash: nothing. A new [`Watcher`] begins with a recursive [`Reason::Start`] hint for every root.
//!
//! The parts: a machine without a kernel (`state.rs`, with `events.rs` and `visits.rs` that change it, `tree.rs` which
//! watch is which directory, `crawl.rs` what is still to be armed, `coalesce.rs` the batch being gathered) and the shell
//! around it (`inotify.rs` the kernel, `mounts.rs` the mount table, `driver.rs` the loop of the thread, `watcher.rs` its
//! handle).
//!
//! Not here: what is excluded from a backup beyond the predicate that is passed in, when a run starts (room `engine`),
//! where hints are kept (room `journal`), whether a root that came back is the same as before (room `source`).

mod coalesce;
mod coverage;
mod crawl;
mod driver;
mod error;
mod events;
mod hint;
mod inotify;
mod mounts;
mod state;
mod tree;
mod visits;
mod watcher;

#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod state_tests;

pub use coverage::{Coverage, Gap, RootCoverage, RootState, Unwatched};
pub use error::WatchError;
pub use hint::{Hint, Names, Reason, RootKey};
pub use watcher::{SyncOutcome, WatchOptions, WatchRoot, Watcher};
