//! Restoring from an archive: asking it for what is wanted, and the wait.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::context::Context;
use super::error::CliError;
use super::prices::Prices;
use super::read_plan::{ReadPlan, ThawArgs};
use super::show::Live;
use crate::cost::Money;
use crate::repo::Repository;
use crate::restore::{Reads, RestoreError, ThawCounts};
use crate::status::{counted, span};

/// The first look at the archive after asking, and the rarest: in between each takes twice as long.
const FIRST_LOOK: Duration = Duration::from_secs(2);
const RAREST_LOOK: Duration = Duration::from_secs(15 * 60);
const BLINK: Duration = Duration::from_millis(200);

/// Asks a person, then the archive; waits, and calls `restore` whenever something can be read that could not be before. Returns when
/// all can. `spent` grows by what asking costs.
pub(super) fn wait(
    (mut reads, spent): (Reads, &mut Money),
    repository: &Repository,
    prices: &Prices,
    args: &ThawArgs,
    context: &Context,
    mut restore: impl FnMut(&Reads) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let store = &repository.store;
    let mut pause = FIRST_LOOK;
    let mut restored = HashSet::new();
    loop {
        let counts = reads.counts();
        if counts.frozen > 0 {
            let plan = ReadPlan::new(&reads, prices, args)?;
            plan.lines(context).iter().try_for_each(|line| context.output.line(line))?;
            plan.agree(args, *spent, context)?;
            *spent += plan.of_asking(args);
            reads.thaw(store, (args.tier(), args.thaw_days()), context.clock.monotonic().0)?;
            context
                .output
                .line("asked the archive; if this is interrupted, the same command goes on where it stopped")?;
            pause = FIRST_LOOK;
        }
        let counts = reads.counts();
        if counts.thawing == 0 && counts.frozen == 0 {
            return Ok(());
        }
        let readable = reads.readable();
        if !readable.is_subset(&restored) {
            restored = readable;
            restore(&reads)?;
        }
        sleep(pause, counts, context)?;
        pause = (pause * 2).min(RAREST_LOOK);
        reads.look(store, context.clock.monotonic().0)?;
    }
}

fn sleep(pause: Duration, counts: ThawCounts, context: &Context) -> Result<(), CliError> {
    let left = Arc::new(AtomicUsize::new(pause.as_secs() as usize));
    let shown = left.clone();
    let packs = counts.readable + counts.thawing + counts.frozen;
    let live = Live::start(&context.output, move || {
        let next = span(shown.load(Relaxed) as u64);
        format!(
            "waiting for {} of {} of the archive; looking again in {next}",
            counts.thawing + counts.frozen,
            counted(packs as u64, "pack", "packs")
        )
    });
    let end = context.clock.monotonic() + pause;
    loop {
        if context.stop.load(Relaxed) {
            drop(live);
            return Err(RestoreError::Interrupted.into());
        }
        let rest = end.0.saturating_sub(context.clock.monotonic().0);
        if rest.is_zero() {
            return Ok(());
        }
        left.store(rest.as_secs() as usize, Relaxed);
        context.clock.sleep(rest.min(BLINK));
    }
}
