//! Object storage in the few verbs that a backup needs.
//!
//! What must hold for every kind of store (`conformance.rs` tests it):
//! - [`Store::put_if_absent`] is atomic: an object is there whole or not at all, and what is there is never replaced.
//! - What `put_if_absent` returned `Ok` for is durable, whether it was created now or was there already.
//! - Every verb may be repeated; a repeated put finds its own object.
//! - A failed [`Store::list`] is an error, never a short or an empty list. An object that is damaged ends no list: it is in it.
//! - Uploads by parts ([`Store::part_rules`]) have ids that the caller keeps: nothing about them is remembered here.
//!
//! What survives a crash: all objects that were acknowledged. A put that was cut off leaves at most a temporary file
//! outside the name space of objects, which a later process removes.
//!
//! [`Store`] is concrete and cheap to clone; the kinds (`dir`, `s3`, `memory`) and the decorators (`retry`, `record`,
//! `fault`) stand behind a private trait. All verbs block. How fast bytes may go (`limit`) is asked by `dir` and `s3` for
//! each piece.
//!
//! Not here: what the objects mean and how they are named (room `repo`), resuming uploads (room `upload`).

#[cfg(test)]
mod conformance;
mod dir;
mod error;
mod escape;
mod fault;
mod info;
mod limit;
mod memory;
mod multipart;
mod name;
mod record;
mod requests;
mod retry;
mod s3;
mod seam;
mod url;
mod versions;

pub use error::{Disposition, StoreError, Verb};
pub use fault::{Faults, Moment};
pub use info::{Access, ObjectInfo, ThawOutcome, ThawTier};
pub use limit::Limiter;
pub use memory::MemoryTarget;
pub use multipart::{CompleteOutcome, PartReceipt, PartRules, PartSource, Upload, UploadId};
pub use name::{NameError, ObjectName};
pub use record::{Counts, Recorder};
pub use requests::Requests;
pub use retry::RetryPolicy;
pub use s3::{S3Address, S3Client, S3Refusal};
pub use seam::{Listed, PutOutcome, PutSource, Store};
pub use url::StoreUrl;
pub use versions::{Hidden, Version, VersionData, VersionMark, VersionPage, Versions, Walk};
