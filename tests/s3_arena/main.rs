//! Small runs of the real programs into a bucket with archive classes: what becomes of their packs, also when a program dies in
//! the middle of that.

mod bucket;
#[path = "../common/mod.rs"]
mod common;
mod crashes;
#[path = "../s3fake/mod.rs"]
mod s3fake;
