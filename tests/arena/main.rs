//! Small runs into an archive class, in process: their packs wait where they read at once, then become one pack.

#[path = "../common/mod.rs"]
mod common;
mod lab;
mod merging;
