//! A directory as a target: who may delete what is in it. There are no conditions and no rights beyond those of files.

mod facts;
mod report;

pub use facts::{DirectoryFacts, look};
pub use report::DirectoryReport;
