//! Policies: their language, those that we recommend, and what they say about a call.

mod document;
mod evaluate;
mod roles;
#[cfg(test)]
mod table_tests;

pub use document::{Effect, Policy, Principal, Statement, Values};
pub use evaluate::{Call, Decision, decide};
pub use roles::{Role, policy};
