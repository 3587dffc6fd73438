//! What a person reads of a check: settings, tries, findings, and what a thief could do. Pure.

mod bucket;
mod lines;
mod table;
mod verdict;

pub use bucket::{Conclusion, Report};
pub(super) use lines::{block, conclusion, findings, gib, thief};
pub use verdict::{Can, Sentence, verdict};
