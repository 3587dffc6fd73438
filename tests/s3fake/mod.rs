//! An S3 server of our own for tests: as strict as AWS documents it, with faults on demand, counting what it receives.
//!
//! The protocol (parsing, signatures, XML) is the crate `s3s`; what a request means is decided here. Servers that exist
//! are lenient in different places each; this one refuses all that AWS may refuse, so that what works with it works there.
//!
//! What must hold:
//! - What was answered with success is on the disk: a server that was killed continues where it was, with all uploads.
//! - A request has its whole effect or none, and its effect happens before its answer.
//! - What AWS leaves open (is a repeated Complete 200 or 404?) is a switch in [`Settings`], and tests try both.
//!
//! Three ways to use it:
//! - [`S3Fake::start`]: in this process, on a port of its own; the handle changes settings, injects faults, reads counts.
//! - [`Program`]: as a child process that can be killed. The child is the test's own binary, started again with the name
//!   of one ignored test ([`serve_from_environment`]), as Cargo builds no example for `cargo test --test x`.
//! - Unit tests of the library include this file with `#[path]`: it names nothing of the library.
//!
//! By hand: `ROZEN_S3FAKE_DIR=/tmp/s3 cargo test --test s3_fake serve -- --ignored --nocapture` prints where it listens.
//!
//! Not here: TLS, virtual-hosted buckets, replication, tags, Select, directory buckets. Times of the store (thaw,
//! retention, lifecycle) follow a clock that only moves forward when told to; signatures follow the real one.

// each test file uses its own part of it
#![allow(dead_code)]

mod access;
mod archive;
mod body;
mod bucket;
mod control;
mod count;
mod delete;
mod disk;
mod fault;
mod flow;
mod handle;
mod lifecycle;
mod list;
mod lock;
mod multipart;
mod object;
mod operation;
mod policy;
mod program;
mod service;
mod state;
mod store;
mod sums;
mod uploads;
mod wire;

#[allow(unused_imports, reason = "each test file uses its own part")]
pub use control::{Command, Contents, Control};
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use count::{Counts, Received};
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use fault::{Fault, Rule, When};
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use handle::{ACCESS_KEY, S3Fake, SECRET_KEY};
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use policy::{Call, Decision, decide};
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use program::{Program, serve_from_environment};
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use state::{Settings, User};
