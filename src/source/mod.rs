//! Files with all their metadata: read from a [`View`], put back into a [`Destination`]. And, for whoever writes files that
//! must get to the disk, the call that begins it.
//!
//! What must hold
//! - Nothing is followed out of the view or the destination: every name is one component, opened relative to a
//!   directory that is already open, links are never followed. Only the path of the root itself may hold links.
//! - What could not be read is an error or a [`Problem`](crate::model::Problem), never an entry that looks complete: a
//!   listing is whole or an error, a file is read to its end or an error, an attribute is there or reported.
//! - A file that changed while it was read says so ([`FileState::Changed`]); trying again is the caller's policy.
//! - No call here blocks on a FIFO, a device or an automount.
//! - Depth is not bounded by PATH_MAX: long paths are walked in pieces. A [`Dir`] holds one descriptor and can be
//!   opened again by its path, so a walk need not hold one for each level.
//! - Restored metadata is set in the order that makes it exact: owner, attributes, times, ACLs, mode, and the flags that
//!   forbid all further change at the very end.
//!
//! What survives a crash: files and directories that a restore did not end have a mark (`unfinished`); their own mode takes it
//! away and is set when all else is.
//!
//! Needs Linux 5.8 (openat2, `utimensat` on a descriptor) and a mounted `/proc`.
//!
//! Not here: which files to read (room `scan`), chunks, freezing (room `freeze`), the order of a restore and what to do
//! with files that are already there (room `restore`).

mod acl;
mod apply;
mod attributes;
mod compare;
mod destination;
mod destination_error;
mod devices;
mod dir;
mod entry;
mod error;
mod extents;
mod file;
mod flags;
mod linux;
mod listing;
mod names;
mod not_set;
mod open_files;
mod owner;
mod restored;
mod stat;
mod unfinished;
mod view;
mod writeback;
mod xattr;

pub use apply::{CoarseTimes, MetadataWriter, Target};
pub use destination::{DestDir, Destination};
pub use destination_error::DestinationError;
pub use dir::Dir;
pub use entry::entry_of;
pub use error::{Disposition, SourceError};
pub use file::{FileReader, FileState, ReadFile, SourceFile};
pub use listing::{Listed, Listing};
pub use names::Names;
pub use open_files::{open_file_limit, raise_open_file_limit};
pub use owner::OwnerPolicy;
pub use restored::{DestFile, DestNode, LinkSource};
pub use stat::Stat;
pub use unfinished::looks_unfinished;
pub use view::View;
pub use writeback::begin_writeback;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
