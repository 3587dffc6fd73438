//! Stories of one agent's day, then random ones with the invariants of the room after each step.

mod random;
mod stories;
