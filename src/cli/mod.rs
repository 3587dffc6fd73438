//! `rozenctl`: what a person types, and what they read.
//!
//! What must hold: every command is one file with an args struct whose doc comments are the help; everything that is
//! printed goes through [`output`](self); every error is printed in one place, with its causes and what to do about it,
//! and ends in one of the exit codes of docs/cli.md. With `--json` the standard output holds JSON and nothing else.
//! Secrets are never on a command line, in a log or in an error.
//!
//! Nothing here survives a crash or decides about data: commands call the rooms and show what they return.
//!
//! Not here: the agent itself (room `daemon`), what may be asked of it over the socket (room `control`).

mod already;
mod args;
mod at_once;
mod bill;
mod checked;
mod commands;
mod context;
mod doctor;
mod dry_run;
mod entries;
mod entry;
mod error;
mod exit;
mod kept;
mod output;
mod pacing;
mod prices;
mod prompt;
mod protection;
mod read_plan;
mod reading;
mod recovering;
mod restoring;
mod running;
mod setup;
mod show;
mod stop;
mod thaw;
mod typed;
mod ways_back;

pub use entry::{agent_main, main};
