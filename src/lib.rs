//! Rozen: continuous, encrypted, deduplicated backup. docs/architecture.md shows the rooms and how data goes.

pub mod clock;
pub mod config;
pub mod fault;
pub mod model;
pub mod store;
