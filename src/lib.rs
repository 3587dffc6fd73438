//! Rozen: continuous, encrypted, deduplicated backup. docs/architecture.md shows the rooms and how data goes.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "Rozen runs on Linux so far: the rooms `watch`, `freeze` and `source` have no other back end yet (docs/testing.md says more)"
);

pub mod backup;
pub mod bucket;
pub mod check;
pub mod chunk;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod cost;
pub mod crypto;
pub mod daemon;
pub mod engine;
pub mod fault;
pub mod format;
pub mod freeze;
pub mod history;
pub mod journal;
pub mod model;
pub mod pack;
pub mod repo;
pub mod restore;
pub mod scan;
pub mod seal;
pub mod source;
pub mod status;
pub mod store;
pub mod tree;
pub mod upload;
pub mod watch;

/// The S3 server for tests of any room.
#[cfg(test)]
#[path = "../tests/s3fake/mod.rs"]
mod s3fake;
