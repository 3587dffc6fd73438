//! What a person reads of a check: settings, tries, findings, and what a thief could do. Pure.

mod bucket;
mod table;
mod verdict;

pub use bucket::{Conclusion, Report};
pub use verdict::{Can, Sentence, verdict};
