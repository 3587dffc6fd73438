//! The nouns of the program: ids, byte-exact paths, times, file entries, problems.
//!
//! What must hold: every id is a newtype that prints and parses as lower-case hex, no bare byte array crosses a
//! room; a path is bytes, never a `String`; an [`Entry`] encodes to the same bytes whenever it is equal.
//!
//! Not here: anything that touches a disk, a clock or a network; the layout of objects (room `format`).

mod base64;
mod causes;
mod entry;
mod id;
mod listed_root;
mod location;
mod merge_rule;
mod mounts;
mod own;
mod path;
mod problem;
mod rates;
mod root_id;
mod storage_class;
mod time;

pub use base64::{base64_decode, base64_encode};
pub use causes::with_causes;
pub use entry::{ChunkRef, Content, Entry, EntryFlags, EntryKind, Extent, Xattr};
pub use id::{ChunkId, FileId, IdError, MachineId, ObjectHash, RepoId, RootTag, Seq, SlotId};
pub use listed_root::ListedRoot;
pub use location::{ChunkLocation, PackKey};
pub use merge_rule::MergeRule;
pub use mounts::Mount;
pub use own::{is_own_name, is_stage_name, stage_name};
pub use path::{PathError, RelPath};
pub use problem::{Problem, ProblemCode};
pub use rates::Rates;
pub use root_id::{RootId, RootIdError};
pub use storage_class::{StorageClass, StorageClassError};
pub use time::Timestamp;
