//! Small runs into an archive class: their packs wait where they read at once, then become one pack. At every point where that
//! can break off, nothing is lost and nothing is there twice.

mod bucket;
#[path = "../common/mod.rs"]
mod common;
mod crashes;
mod lab;
mod merging;
#[path = "../s3fake/mod.rs"]
mod s3fake;
