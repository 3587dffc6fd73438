//! A store in memory: the reference that the conformance suite compares the others with, and the target of tests.
//!
//! With rules for parts it is as strict about uploads as the strictest target that we know, so that the state machine
//! of room `upload` is tested without a network: parts must be consecutive, of one size and at least the least one, as
//! their receipts say; a name that was deleted since the upload began is a conflict; a completed upload is forgotten.

mod store;
#[cfg(test)]
mod tests;
mod uploads;

pub(super) use store::MemoryStore;
pub use uploads::MemoryTarget;
