//! Restoring from an archive: what a thaw takes and costs, the question, the wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::context::Context;
use super::error::CliError;
use super::prompt;
use super::show::Live;
use super::ways_back::{WaysBack, word};
use crate::cost::{Billed, Price, PriceFiles, PriceTable, Unpriced, Wanted, prices_for};
use crate::model::with_causes;
use crate::repo::Repository;
use crate::restore::{Archived, RestoreError, ThawCounts};
use crate::status::{bytes, counted, span};
use crate::store::{StoreUrl, ThawTier};

/// The first look at the archive after asking, and the rarest: in between each takes twice as long.
const FIRST_LOOK: Duration = Duration::from_secs(2);
const RAREST_LOOK: Duration = Duration::from_secs(15 * 60);
const BLINK: Duration = Duration::from_millis(200);

/// Flags of a restore that may have to thaw.
#[derive(Args, Clone, Debug)]
pub(super) struct ThawArgs {
    /// How fast an archive is to give what is wanted: slower is cheaper
    #[arg(long, value_enum, value_name = "TIER", default_value_t = Tier::Bulk, help_heading = "Archive")]
    tier: Tier,
    /// Thaw without asking
    #[arg(long, help_heading = "Archive")]
    yes: bool,
    /// Give up when the restore would cost more, in the currency of the prices
    #[arg(long, value_name = "AMOUNT", value_parser = amount, help_heading = "Archive")]
    max_cost: Option<Price>,
    /// How long thawed copies are to stay
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=365), help_heading = "Archive")]
    thaw_days: u32,
    /// A table of prices, for whatever target it is
    #[arg(long, value_name = "FILE", help_heading = "Archive")]
    prices: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Tier {
    /// Hours to two days
    Bulk,
    /// Hours
    Standard,
    /// Minutes; not from DEEP_ARCHIVE
    Expedited,
}

fn amount(text: &str) -> Result<Price, String> {
    Price::parse(text).ok_or_else(|| "an amount such as 5 or 12.50".to_owned())
}

impl Tier {
    fn tier(self) -> ThawTier {
        match self {
            Tier::Bulk => ThawTier::Bulk,
            Tier::Standard => ThawTier::Standard,
            Tier::Expedited => ThawTier::Expedited,
        }
    }
}

/// What the archive takes, in time and money, for each tier.
pub(super) struct ThawPlan {
    counts: ThawCounts,
    /// Of whole packs: those of an archive, and all.
    archived_bytes: u64,
    packs_bytes: u64,
    read_bytes: u64,
    priced: Priced,
}

enum Priced {
    Costs {
        table: Box<PriceTable>,
        ways: WaysBack,
    },
    /// Whose prices are not known.
    NotKnown(String),
}

impl ThawPlan {
    pub(super) fn new(archived: &Archived, place: &str, args: &ThawArgs, context: &Context) -> Result<Self, CliError> {
        Ok(Self::of(archived, priced(archived, place, args, context)?))
    }

    fn of(archived: &Archived, priced: Priced) -> Self {
        let packs = || archived.packs.iter().map(|pack| &pack.needed);
        Self {
            counts: archived.counts(),
            archived_bytes: packs().filter(|pack| !pack.class.reads_at_once()).map(|pack| pack.size).sum(),
            packs_bytes: packs().map(|pack| pack.size).sum(),
            read_bytes: packs().map(|pack| pack.bytes).sum(),
            priced,
        }
    }

    pub(super) fn lines(&self, context: &Context) -> Vec<String> {
        let mut lines = vec![self.what()];
        match &self.priced {
            Priced::NotKnown(whose) => lines.push(format!(
                "What that costs is not known: there are no prices of {whose} (--prices FILE gives a table, docs/cost.md)"
            )),
            Priced::Costs { table, ways } => {
                lines.push(table.with_age(context.clock.wall()).to_string());
                lines.extend(ways.lines(table));
            }
        }
        lines
    }

    fn what(&self) -> String {
        let ThawCounts { readable, thawing, frozen } = self.counts;
        let packs = readable + thawing + frozen;
        format!(
            "{} to be read, {} of {}: {readable} can be read now, {thawing} are being thawed, {frozen} must be thawed",
            counted(packs as u64, "pack is", "packs are"),
            bytes(self.read_bytes),
            bytes(self.packs_bytes),
        )
    }

    pub(super) fn json(&self) -> Value {
        let ThawCounts { readable, thawing, frozen } = self.counts;
        let ways = match &self.priced {
            Priced::Costs { ways, .. } => ways.json(),
            Priced::NotKnown(_) => Value::Null,
        };
        json!({
            "readable": readable, "thawing": thawing, "frozen": frozen,
            "archived_bytes": self.archived_bytes, "read_bytes": self.read_bytes, "tiers": ways,
        })
    }

    /// An error unless somebody wants it at that price.
    fn agree(&self, args: &ThawArgs, context: &Context) -> Result<(), CliError> {
        let tier = args.tier.tier();
        let cost = match &self.priced {
            Priced::Costs { table, ways } => match ways.cost(tier) {
                Some(cost) => Some((cost, table)),
                None => {
                    let what = format!("the archive does not offer {}", word(tier));
                    return Err(CliError::usage(what, "Choose another --tier: bulk or standard."));
                }
            },
            Priced::NotKnown(whose) if args.max_cost.is_some() => {
                let what = format!("--max-cost cannot be kept: there are no prices of {whose}");
                return Err(CliError::refused(what, "Give a table with --prices FILE, or leave --max-cost out."));
            }
            Priced::NotKnown(_) => None,
        };
        let shown = cost.map(|(cost, table)| (cost.total(), table.currency.show(cost.total())));
        if let (Some(most), Some((total, shown))) = (args.max_cost, &shown)
            && *total > most.once()
        {
            let what = format!("the restore would cost {shown}, more than --max-cost allows; nothing was asked for");
            return Err(CliError::refused(what, "Restore less, choose a slower --tier, or allow more."));
        }
        if args.yes {
            return Ok(());
        }
        if !prompt::is_possible() {
            let what = "a thaw costs money, and there is no terminal to ask on";
            let remedy = format!("Give --yes --tier {} (and --max-cost AMOUNT).", word(tier));
            return Err(CliError::usage(what, remedy));
        }
        let price = shown.map_or("an unknown amount".to_owned(), |(_, shown)| shown);
        let question = format!("Thaw ({}) and restore for {price}? [y/N] ", word(tier));
        match prompt::yes(&question, &context.stop)? {
            true => Ok(()),
            false => Err(CliError::refused("nothing was asked for", "Run it again when you want it.")),
        }
    }
}

/// A table that lies about and cannot be used must not stand between somebody and their files; one that was named for this is meant.
fn priced(archived: &Archived, place: &str, args: &ThawArgs, context: &Context) -> Result<Priced, CliError> {
    let billed = Billed::of(&StoreUrl::parse(place)?);
    match priced_by_table(archived, &billed, args, context) {
        Err(error) if args.prices.is_none() => {
            let remedy = error.remedy();
            context.output.warn(format!("{}. {remedy}", with_causes(&error)));
            Ok(Priced::NotKnown(billed.whose().unwrap_or_default()))
        }
        priced => priced,
    }
}

fn priced_by_table(
    archived: &Archived,
    billed: &Billed,
    args: &ThawArgs,
    context: &Context,
) -> Result<Priced, CliError> {
    // on an empty machine there may be no place for tables of one's own
    let usual = context.places().map(|places| PriceFiles::usual(&places.config, &places.state)).unwrap_or_default();
    let files = PriceFiles { given: args.prices.clone(), ..usual };
    let table = match prices_for(billed, &files)? {
        Ok(table) => table,
        Err(Unpriced::NotKnown(whose)) => return Ok(Priced::NotKnown(whose)),
        Err(Unpriced::NoBill) => return Ok(Priced::NotKnown("a directory".to_owned())),
    };
    let wanted: Vec<Wanted> = archived.packs.iter().map(wanted).collect();
    let ways = WaysBack::new(&table, &wanted, args.thaw_days)?;
    Ok(Priced::Costs { table: Box::new(table), ways })
}

/// What was asked for already is paid for: only its way here still costs.
fn wanted(pack: &crate::restore::ReadPack) -> Wanted {
    let asked = pack.access != crate::store::Access::NeedsThaw;
    let (objects, needed) = (if asked { 0 } else { 1 }, &pack.needed);
    let (read_bytes, reads) = (needed.bytes, needed.frames);
    Wanted { class: needed.class, objects, object_bytes: needed.size, read_bytes, reads }
}

/// Asks a person, then the archive; waits, and calls `restore` whenever more can be read than before. Returns when all can.
pub(super) fn wait(
    mut archived: Archived,
    repository: &Repository,
    args: &ThawArgs,
    context: &Context,
    mut restore: impl FnMut() -> Result<(), CliError>,
) -> Result<(), CliError> {
    let store = &repository.store;
    let mut pause = FIRST_LOOK;
    let mut restored = 0;
    loop {
        let counts = archived.counts();
        if counts.frozen > 0 {
            let plan = ThawPlan::new(&archived, store.place(), args, context)?;
            plan.lines(context).iter().try_for_each(|line| context.output.line(line))?;
            plan.agree(args, context)?;
            archived.thaw(store, args.tier.tier(), args.thaw_days)?;
            context
                .output
                .line("asked the archive; if this is interrupted, the same command goes on where it stopped")?;
            pause = FIRST_LOOK;
        }
        let counts = archived.counts();
        if counts.thawing == 0 && counts.frozen == 0 {
            return Ok(());
        }
        if counts.readable > restored {
            restored = counts.readable;
            restore()?;
        }
        sleep(pause, counts, context)?;
        pause = (pause * 2).min(RAREST_LOOK);
        archived.look(store)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MachineId, ObjectHash, PackKey, StorageClass};
    use crate::restore::{NeededPack, ReadPack};
    use crate::store::Access;

    fn pack(class: StorageClass, size: u64, bytes: u64, access: Access) -> ReadPack {
        let pack = PackKey { machine: MachineId([1; 16]), is_tree: false, hash: ObjectHash([2; 32]) };
        ReadPack { needed: NeededPack { pack, class, size, frames: 1, bytes }, access }
    }

    #[test]
    fn what_is_read_is_never_more_than_what_it_is_a_part_of() {
        let packs = vec![
            pack(StorageClass::Standard, 10 << 20, 9 << 20, Access::Now),
            pack(StorageClass::DeepArchive, 100 << 20, 95 << 20, Access::NeedsThaw),
        ];
        let plan = ThawPlan::of(&Archived { packs }, Priced::NotKnown("x".to_owned()));
        let what = plan.what();
        assert!(what.starts_with("2 packs are to be read, 104.0 MiB of 110.0 MiB: 1 can be read now"), "{what}");
        assert_eq!(plan.json()["archived_bytes"], 100 << 20);
    }
}
