//! A view, the tree of the snapshot before and hints → what to store, what to read, what is gone.
//!
//! What must hold: comparison decides, never a hint alone; a directory that could not be listed keeps what the tree before
//! had of it, and so does an empty one from which a filesystem has gone; only a complete listing makes a name count as
//! deleted; excludes are matched on the logical path; a file with several names that changed is compared under all of them; no
//! two findings of one scan contradict each other, for they are not applied in their order (`visited`). The walk holds a bounded
//! number of directories open and no list longer than one directory.
//!
//! Entries of which no directory is known are found at the end of a full comparison (`orphans`). Of the tree before a page is read at
//! a time (`known`); on the way to a target each directory is listed once for a scan (`way`).
//!
//! What survives a crash: nothing, a scan is done again.
//!
//! Not here: reading content (room `backup`), the decision when to scan (`engine`).

mod compare;
#[cfg(test)]
mod fault_tests;
mod found;
mod held;
mod known;
mod links;
#[cfg(test)]
mod mount_tests;
mod orphans;
mod place;
mod rules;
mod targets;
#[cfg(test)]
mod tests;
mod visited;
mod walk;
mod wanted;
mod way;

pub use compare::is_doubtful;
pub use found::{Found, ReadJob, ScanError};
pub use held::HeldDir;
pub use rules::IgnoreFile;
pub use targets::Target;
pub use walk::{Scan, ScanOptions};
pub use wanted::is_wanted;
