//! Making a bucket right: first a list of what is to be done, for people to read, then doing it.

mod plan;
mod run;

pub use plan::{Plan, Step, UNFINISHED_DAYS, Wish};
pub use run::{CreateError, create, plan};
