//! Named fault points: places where a test lets the process die as by kill -9.
//!
//! `ROZEN_CRASH_AT="name:n"` in the environment aborts the process at the n-th hit (from 1) of the point `name`; no
//! destructor runs, nothing is flushed. Without the variable a point costs one atomic load.
//!
//! What must hold: every name stands in [`POINTS`], [`POINTS_OF_PARTS`] or [`POINTS_OF_ARENA`], so that a crash test can go through all of them; a variable that
//! names no point stops the process with a message, as a crash test that never crashes proves nothing.
//!
//! Not here: injected errors of a store (`store::Faults`); those return, a fault point does not.

mod point;
mod table;

pub use point::point;
pub use table::{POINTS, POINTS_OF_ARENA, POINTS_OF_PARTS};
