//! What a run cost, and what waits to be merged, told when it is over. Not being able to tell it disturbs nothing.

use super::runner::Setup;
use crate::cost::{self, Billed};
use crate::model::Timestamp;
use crate::status::{ArenaUsage, RunUsage};

/// When the last run began that asked the target for anything; `None` also where nobody sends a bill.
pub(super) fn last_billed(setup: &Setup) -> Option<Timestamp> {
    last(setup, &Billed::of(&setup.url)).map(|run| run.started)
}

/// For people; `None` when no run since `before` asked for anything, and where nobody sends a bill.
pub(super) fn since(setup: &Setup, before: Option<Timestamp>) -> Option<String> {
    let billed = Billed::of(&setup.url);
    let run = last(setup, &billed).filter(|run| Some(run.started) != before)?;
    let told = cost::run_cost(&run, &billed, &setup.price_files, setup.clock.wall());
    let told = told.inspect_err(|error| tracing::warn!(%error, "what a run cost cannot be told"));
    Some(told.ok()??.text)
}

fn last(setup: &Setup, billed: &Billed) -> Option<RunUsage> {
    if *billed == Billed::Nobody {
        return None;
    }
    let last = cost::last_run(&setup.journal);
    last.inspect_err(|error| tracing::warn!(%error, "what a run cost cannot be told")).ok()?
}

/// What waits to be merged.
pub(super) fn arena(setup: &Setup) -> Vec<ArenaUsage> {
    let found = cost::arena(&setup.journal, setup.config.archive.merge.as_ref());
    found.inspect_err(|error| tracing::warn!(%error, "what waits to be merged cannot be told")).unwrap_or_default()
}
