//! What happens next: settle, batch, retry, pause, audit. Pure: `apply(event, now) -> effects`, one at a time.
//!
//! What must hold, after every event:
//! - at most one run; none starts while paused or stopping;
//! - hints are never forgotten: those that a run took over come back unless it stored their root;
//! - while hints wait on a root that is there, a run is under way or a timer is armed;
//! - every request is answered exactly once;
//! - a recovery point never says more than was proved: it is the time of the cut of a run that compared the root in
//!   full, or that had all hints of a watcher which has missed nothing since such a run.
//!
//! Nothing here survives a crash and nothing needs to: hints, audits and recovery points are in the journal, and
//! [`KnownRoot`] brings them back. The recovery points to keep there are those of [`Engine::status`] after a run
//! has finished: only the engine knows whether a doubt came in between, and a crash before they are kept says less
//! than was true, never more.
//!
//! Not here: doing any of it (room `daemon`), what a run is (room `backup`), clocks and randomness (arguments).

mod backoff;
mod decide;
mod event;
mod machine;
mod pending;
mod requests;
mod root;
mod run;
mod running;
mod view;

pub use event::{Covered, Cut, Effect, Event, HintSeq, Now, Outcome, Progress, RootPlan, RootResult, WaitId};
pub use machine::{Engine, Settings};
pub use root::KnownRoot;

#[cfg(test)]
mod tests;
