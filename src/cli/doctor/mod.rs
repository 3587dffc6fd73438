//! What `rozenctl doctor` looks at: each look gives one finding with a remedy, and none ends the others.
//!
//! What must hold: nothing is changed; what cannot be looked at is said, never passed over.
//!
//! Not here: what a person reads of it (the command), repairing anything.

mod finding;
mod machine;
mod places;
mod repository;
mod service;

pub(super) use finding::{Finding, State};
pub(super) use machine::{clock, watches};
pub(super) use places::{config, machine_key, recovery_files, roots, state_dir};
pub(super) use repository::target;
pub(super) use service::{agent, installed};
