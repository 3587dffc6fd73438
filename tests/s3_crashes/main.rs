//! Backups to a bucket: killed at any request, hindered by every fault that a server or a network knows, they end right, and
//! what was sent is not sent again. The server is our own; it counts.

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod kills;
mod lab;
mod large;
mod proxy;
mod random;
mod request;
#[path = "../s3fake/mod.rs"]
mod s3fake;
mod servers;
mod stalled;

/// The server as a program: see `s3fake/mod.rs`.
#[test]
#[ignore = "a server that runs until it is killed"]
fn serve() {
    s3fake::serve_from_environment();
}
