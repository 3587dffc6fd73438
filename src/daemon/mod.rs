//! The agent: threads around the engine, and nothing that decides.
//!
//! What must hold: the engine has one owner, the loop in `owner`; everything else tells it by messages. A hint is durable
//! in the journal before the engine hears of it. A run syncs the watcher before it takes its cut, and every run that was
//! started is reported exactly once. A root that is missing, or is not the folder that it was, is never read as "all
//! deleted". With the target away, or nothing to watch with, the agent goes on and says so.
//!
//! Threads: the watcher's own (hints → journal → message), the owner, the runner (one run at a time), the control
//! server's own. The queue to the owner holds small events; hints wait in the journal, not there.
//!
//! What survives a crash: the journal with hints, recovery points and what the status showed last. After every start
//! each root is compared in full once, because nobody watched meanwhile.
//!
//! Not here: what happens next (room `engine`), what a run does (room `backup`), what a person types (room `cli`).

mod agent;
mod config_file;
mod costs;
mod coverage;
mod error;
mod identity;
mod memory;
mod message;
mod owner;
mod runner;
mod service;
mod watching;

pub use agent::{Agent, AgentOptions, Stopper};
pub use error::DaemonError;
pub use identity::{RootCheck, RootMemory, check_root, guard_root, remember_root};
pub use memory::forget_unstored;
