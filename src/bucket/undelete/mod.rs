//! Bringing back what somebody deleted or replaced in a bucket that keeps versions. Nothing that was stored is deleted: delete markers
//! are taken away, and what was stored first is put on top of what stands over it.

mod plan;
mod run;

pub use plan::Tally;
pub use run::{survey, undelete};
