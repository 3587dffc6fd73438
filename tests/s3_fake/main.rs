//! The S3 of our own refuses what AWS refuses, keeps what it acknowledged, and lets the ordered faults happen.

mod access;
mod archive;
mod faults;
mod objects;
mod parts;
mod rig;
#[path = "../s3fake/mod.rs"]
mod s3fake;

/// The server as a program: see `s3fake/mod.rs`.
#[test]
#[ignore = "a server that runs until it is killed"]
fn serve() {
    s3fake::serve_from_environment();
}
