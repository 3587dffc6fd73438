//! Asking a real bucket: reading its settings, trying what must not work. Everything that is decided from it is pure and
//! stands in `findings` and `report`.

mod ask;
mod completing;
mod probe;
mod probes;
mod read;
mod run;
mod verifying;

pub use run::{CheckOptions, check};

pub(super) use ask::{Ask, Refusal};
pub(super) use read::{location, read};
pub(super) use run::is_there;
