//! Is everything that the snapshots need in the repository, and right?
//!
//! What must hold: nothing is written; what is damaged ends no check, it is named together with the files and snapshots
//! that it costs; a part of the tree that many snapshots share is looked at once.
//!
//! Without reading the data: every certificate, manifest (signature, sequence, hash of the one before) and index object;
//! every tree node is read, every chunk that a file needs lies in a pack that is there and long enough. With
//! [`CheckOptions::read_data`] each pack (or a random part of them) is also read, hashed against its name, and each of its
//! frames opened.
//!
//! A pack that is lost while everything in it lies elsewhere too is no damage: it is told apart.
//!
//! Memory: about 40 bytes for each node of all trees and 100 for each pack.
//!
//! Not here: repairing anything.

mod data;
mod error;
mod frames;
mod made_good;
mod objects;
mod progress;
mod report;
mod run;
mod snapshots;
mod trees;
mod unlisted;

#[cfg(test)]
mod tests;

pub use data::DataReads;
pub use error::CheckError;
pub use progress::{CheckNow, CheckProgress};
pub use report::{CheckReport, Damage, Finding, FindingCode};
pub use run::{Check, CheckOptions, run};
