//! Is the storage safe against whoever steals this machine's credentials? Settings are read, what must not work is tried,
//! and the answer is given in plain words. Also: the policies that make it safe.
//!
//! What must hold:
//! - Nothing counts as protected that was not seen to be: what cannot be read or tried is told as such, and a condition in
//!   a policy that is not understood protects from nothing.
//! - Trying touches only objects below `probe/` of the repository's own folder, which it makes itself. Settings are
//!   never changed by a check.
//! - Bringing back what was deleted or replaced (`undelete`) deletes nothing that was stored.
//!
//! `policy`, `facts`, `findings`, `report`, `create/plan.rs` and `undelete/plan.rs` are pure; `check`, `create/run.rs` and
//! `undelete/run.rs` ask and act.
//!
//! What survives a crash: a check that was cut off leaves probe objects of a few bytes, or an unfinished upload of one.
//!
//! Not here: the requests of backups (room `store`), what a thief of the storage itself sees (docs/threat-model.md).

mod abilities;
mod check;
mod create;
mod directory;
mod facts;
mod findings;
mod kept;
mod place;
mod policy;
mod report;
mod tried;
mod undelete;

pub use abilities::{Abilities, Answer, UploadList};
pub use check::{CheckOptions, check};
pub use create::{CreateError, Plan, Step, UNFINISHED_DAYS, Wish, create, plan};
pub use directory::{DirectoryFacts, DirectoryReport, look};
pub use facts::{Fact, Facts, Grant, LifecycleRule, Lock, PolicyFacts, PublicAccessBlock, Retention, Versioning};
pub use findings::{Finding, LONGEST_UPLOAD_DAYS, SHORTEST_UNDO_DAYS, Weight, judge};
pub use kept::{KeepError, Kept};
pub use place::{PROBES, Place, Whose};
pub use policy::{Call, Decision, Effect, Policy, Principal, Role, Statement, Values, decide, policy};
pub use report::{Can, Conclusion, Report, Sentence};
pub use tried::{Outcome, Tried};
pub use undelete::{Tally, survey, undelete};

/// How people say it.
fn in_days(count: u32) -> String {
    crate::status::counted(u64::from(count), "day", "days")
}
