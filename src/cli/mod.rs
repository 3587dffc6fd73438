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

// the frame of every command: from the command line to output and exit code
mod args;
mod context;
mod entry;
mod error;
mod exit;
mod output;
mod stop;

mod commands;
mod doctor;

// what several commands do: set up, back up, open and read, restore, recover
mod already;
mod protection;
mod reading;
mod recovering;
mod restoring;
mod running;
mod setup;
mod thaw;

// what a person gives: secrets and answers, paths, rates
mod pacing;
mod prompt;
mod typed;

// prices, and what is told before they are paid
mod at_once;
mod bill;
mod prices;
mod read_plan;
mod ways_back;

// words and JSON
mod checked;
mod dry_run;
mod entries;
mod kept;
mod show;

pub use entry::{agent_main, main};
