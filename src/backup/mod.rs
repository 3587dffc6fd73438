//! One run, end to end: cut ▸ view ▸ scan ▸ read ▸ seal ▸ pack ▸ upload ▸ commit.
//!
//! What must hold: bytes go one way through bounded queues (the table in docs/architecture.md sums them up), so the target
//! sets the pace; the cut is taken before any view is opened; a manifest is written only after all packs and indexes; the
//! book-keeping follows the manifest in one transaction. An error of the target ends the run and never becomes a problem of
//! a file; an error of a file never ends the run.
//!
//! A slice is what is read before one partial snapshot: it ends at its `deadline`, in the middle of a directory or of a large file
//! too, and what it found and did not read comes first in the next one (`feed`).
//!
//! What survives a crash: every pack that was spooled (uploaded at the next start, its content is not read again), every
//! snapshot, full or partial. The rest is done again from the hints.
//!
//! Not here: when to run (`engine`), waiting for changes (`watch`).

mod agent;
mod arena;
mod billing;
mod bundle;
mod config;
mod count;
mod cutting;
mod deadline;
mod error;
mod feed;
mod large;
mod nodes;
mod own;
mod packer;
mod pipeline;
mod placement;
mod presence;
mod preview;
mod progress;
mod racy;
mod reader;
#[cfg(test)]
mod reader_tests;
mod recover;
mod report;
mod request;
mod run;
mod snapshot;
mod target;
mod unannounced;
mod uploader;
mod view;
mod worker;

pub use agent::{Backup, BackupOptions};
pub use arena::MergedPacks;
pub use error::RunError;
pub use preview::{PackGroup, Preview, RootPreview, preview};
pub use progress::{Phase, Progress};
pub use recover::Recovered;
pub use report::{RootReport, RunReport};
pub use request::{RootGuard, RootPlan, RootScope, RunRequest};
