//! The control socket: how `rozenctl` and programs talk to a running agent. docs/control.md is the reference.
//!
//! What must hold: nothing that a client sends, or does not read, ends or slows the agent: lines, connections and
//! queues are bounded, a client that lags gets a fresh state instead of a growing queue. Who may do what follows
//! from the credentials that the kernel gives for the connection: the agent's own user and root operate, others
//! learn the version. One socket has one agent: a lock is held before an old socket is removed.
//!
//! The socket survives no crash and need not: the lock dies with its process, a stale socket is replaced.
//!
//! Not here: what a request does (room `engine`), what a status says (room `status`).

mod client;
mod connection;
mod delta;
mod endpoint;
mod error;
mod lines;
mod protocol;
mod server;

pub use client::{Client, HangUp};
pub use endpoint::Endpoint;
pub use error::ControlError;
pub use protocol::{ErrorCode, PROTOCOL, WireError};
pub use server::{Ask, Publisher, Reply, Server, Wish};

#[cfg(test)]
mod tests;
