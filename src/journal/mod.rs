//! The journal: what this machine must remember, in one SQLite file. The only room with SQL.
//!
//! What must hold:
//! - Every method is one transaction that outlives the process on return (WAL, `synchronous = NORMAL`). What must outlive a
//!   power cut too is written durably, and all before it with it: the announcement of a manifest, the intent to freeze,
//!   ids and receipts of uploads by parts.
//!   Anything else that a power cut takes back is found again: a run's end by the announced manifest, packs by their hashes
//!   or by storing their content once more, hints by the audit that every start begins with.
//! - A hint is forgotten only by [`Journal::finish_run`], and only when it is not younger than the cut of that run. Doubt
//!   is merged by widening: recursive wins, "any name" wins, the older time wins.
//! - A chunk is known only while the row of its pack is there; a pack's rows are written together.
//! - One process at a time uses a state directory (a lock that dies with its process).
//!
//! What survives a crash: every transaction that returned; after a power cut, all up to the last durable one. The file
//! can be thrown away: it is rebuilt from the target and an audit, without storing content again. Losing it loses no
//! snapshot.
//!
//! A file per family of tables: `arena billing hints roots runs freezes packs uploads presence nodes listing staging machine`; `finish` is the
//! transaction that ends a run and touches many of them.
//!
//! Not here: what the rows lead to (rooms `engine`, `backup`, `repo`), bytes of packs (the spool), secrets.

mod arena;
mod billing;
mod error;
mod finish;
mod freezes;
mod handle;
mod hints;
mod listing;
mod locations;
mod lock;
mod machine;
mod migrate;
mod nodes;
mod packs;
mod presence;
mod roots;
mod runs;
mod sql;
mod staging;
#[cfg(test)]
mod tests;
mod uploads;

pub use arena::ArenaPack;
pub use billing::{RequestCount, RunRequests, StoredPack};
pub use error::JournalError;
pub use finish::{FinishRoot, FinishRun, NewTree, Reading};
pub use freezes::{FreezeRow, FreezeState};
pub use handle::Journal;
pub use hints::{Cut, Hint, HintRow, Pending};
pub use locations::LocationTable;
pub use packs::{FrameRow, MemberRow, PackContents, PackKind, PackRow};
pub use roots::{AuditMark, Distrust, RootState};
pub use runs::{Run, RunId, RunRow, RunState};
pub use staging::StagedEntry;
pub use uploads::{OrphanRow, PartRow, UploadRow, UploadState};
