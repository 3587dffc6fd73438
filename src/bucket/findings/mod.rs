//! From what was read and tried to what is wrong, how much it matters and what to do about it. Pure.

mod finding;
mod settings;
#[cfg(test)]
pub(in crate::bucket) mod testing;
mod tries;

pub use finding::{Finding, Weight, judge};
pub use settings::{LONGEST_UPLOAD_DAYS, SHORTEST_UNDO_DAYS};
pub(in crate::bucket) use tries::can_be_undone;
