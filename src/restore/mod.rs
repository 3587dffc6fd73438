//! Putting files back from a snapshot: all of it, or single files and folders; beside the originals or in their place.
//!
//! What must hold
//! - Nothing is returned as right that is not: every chunk and every file is checked against its id; a file that cannot
//!   be given whole is not there at the end (or still looks unfinished, as an earlier restore left it), and named as a problem.
//! - A file of a person is never taken for an unfinished one of ours, and an unfinished one never for a person's: what has its real
//!   name has the mark, or is complete, or is theirs.
//! - Damage costs only the files that it hits, of tree nodes too: the rest is restored.
//! - Nothing leaves the destination (room `source` holds that), and what stands there is replaced only as
//!   [`Overwrite`] allows: the old file stays until the new one is complete.
//! - Directories are held open within shares of the limit of open files (`shares`); where that is not enough the restore ends: it is no
//!   problem of single files.
//! - Memory is bounded (docs/architecture.md has the sum): queues of small batches, one window of frames for each worker where the
//!   target is far, one shared cache of bundles; lists that grow with the tree go through
//!   files without a name. What grows in memory is about 250 bytes for each inode with several names.
//!
//! What survives a crash: complete files, which have their own modification time and mode. The next restore skips them, does
//! unfinished ones again, and needs no state. Step by step:
//! - A small file is created with a mode that is a mark (room `source`), written, gets owner, attributes, times, ACLs, and last its
//!   mode. Dead before that: it has the mark and is done again, under another name until it is complete.
//! - A large file, a link, a special file, and whatever replaces something (or is to have the mark's mode in the end, or goes to a
//!   filesystem that keeps no modes) has another name (`.rozen-restore-…`) until it is complete, and is then renamed. Dead before
//!   that: what had the name has it still, and the next restore that comes into the directory removes the rest. Ended in order,
//!   by a person or an error: nothing is left.
//! - Further names of files come in one call each; one that is missing is made by the next restore.
//! - Immutable and append-only come after all files: a complete file that should be protected and is not is protected then.
//! - Directories have their mark until all else is done, also those above the parts that were asked for.
//! - What could not be set is told by the next restore too, which compares the metadata of what is complete.
//!
//! When it ends all is on the disk, also on those that are mounted below the destination.
//!
//! After a power cut: all of a restore that had ended, and of one that had not no large file that looks complete and is not. A small
//! one may have its time and mode and less data, as its size goes to the disk with the data (one that ends with a hole gets its size
//! when the data is there): the next restore does it again. Directories look complete only when all else is on the disk.
//!
//! Archives: what must be thawed is found and asked for apart (`archive`). While packs thaw, a restore may run over what
//! reads already: with [`RestoreOptions::leave_archived`] files of frozen packs are counted, and left to the next one.
//!
//! The order: one thread walks the tree, makes directories and hands out batches of files in tree order (so that the files
//! of a bundle stay together) and parts of large files; workers write them. Then hard links, then flags that forbid
//! changes, then the metadata of directories, deepest first. Beside the workers a thread flushes what they wrote; what did not get to
//! the disk, then or at the end, ends the restore with an error of its own.
//!
//! Layout with [`RestoreTo::Dir`]: of one root, its content stands directly in the directory (`DIR/a` was `ROOT/a`);
//! of a snapshot with several roots, each in `DIR/<root id>`, also when only one of them is restored.
//!
//! Not here: which snapshot (room `history`), how metadata is set (room `source`).

mod archive;
mod batch;
mod bundles;
mod complete;
mod context;
mod counting;
mod error;
mod existing;
mod finish;
mod flushing;
mod large;
mod later;
mod links;
mod options;
mod outage;
mod packs;
mod places;
mod plan;
mod progress;
mod reading;
mod report;
mod run;
mod shares;
mod stages;
mod walk;
mod worker;

#[cfg(test)]
mod far_tests;
#[cfg(test)]
mod power_cut_tests;
#[cfg(test)]
mod tests;

pub use archive::{ReadPack, Reads, ThawCounts};
pub use counting::plan;
pub use error::RestoreError;
pub use options::{Overwrite, RestoreOptions, RestoreTo};
pub use packs::{NeededPack, NeededPacks, needed_packs};
pub use plan::{Plan, PlanTotals, PlannedRoot};
pub use progress::{Progress, ProgressNow};
pub use report::RestoreReport;
pub use run::run;
