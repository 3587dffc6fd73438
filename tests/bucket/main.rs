//! `rozenctl target` against buckets that are right and wrong, on the server of our own and on those that are running.

mod create;
mod lab;
mod roles;
#[path = "../s3fake/mod.rs"]
mod s3fake;
mod servers;
mod thief;
mod undelete;
