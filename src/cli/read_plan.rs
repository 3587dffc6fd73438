//! What a restore reads, how long that takes and what it costs, told before; the question where it costs something.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::context::Context;
use super::error::CliError;
use super::prompt;
use super::ways_back::{WaysBack, word};
use crate::cost::{Billed, Price, PriceFiles, PriceTable, RestoreCost, Unpriced, Wanted, prices_for};
use crate::model::with_causes;
use crate::restore::{ReadPack, Reads, ThawCounts};
use crate::status::{bytes, counted};
use crate::store::{Access, StoreUrl, ThawTier};

/// What reads at once and costs less is told and not asked: one unit of the currency.
const ASKED_FROM: &str = "1";

/// Flags of a restore that may have to thaw or costs money.
#[derive(Args, Clone, Debug)]
pub(super) struct PriceArgs {
    /// How fast an archive is to give what is wanted: slower is cheaper
    #[arg(long, value_enum, value_name = "TIER", default_value_t = Tier::Bulk, help_heading = "Archives and costs")]
    tier: Tier,
    /// Thaw, and read what costs money, without asking
    #[arg(long, help_heading = "Archives and costs")]
    yes: bool,
    /// Give up when the restore would cost more, in the currency of the prices
    #[arg(long, value_name = "AMOUNT", value_parser = amount, help_heading = "Archives and costs")]
    max_cost: Option<Price>,
    /// How long thawed copies are to stay
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=365), help_heading = "Archives and costs")]
    thaw_days: u32,
    /// A table of prices, for whatever target it is
    #[arg(long, value_name = "FILE", help_heading = "Archives and costs")]
    prices: Option<PathBuf>,
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

impl PriceArgs {
    pub(super) fn tier(&self) -> ThawTier {
        self.tier.tier()
    }

    pub(super) fn thaw_days(&self) -> u32 {
        self.thaw_days
    }
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

/// The prices of a target.
pub(super) enum Prices {
    Known(Box<PriceTable>),
    /// Whose.
    NotKnown(String),
    /// Nobody sends a bill.
    NoBill,
}

impl Prices {
    /// A table that lies about and cannot be used must not stand between somebody and their files; one that was named for this is
    /// meant.
    pub(super) fn of(place: &str, args: &PriceArgs, context: &Context) -> Result<Self, CliError> {
        let billed = Billed::of(&StoreUrl::parse(place)?);
        // on an empty machine there may be no place for tables of one's own
        let usual = context.places().map(|places| PriceFiles::usual(&places.config, &places.state)).unwrap_or_default();
        let files = PriceFiles { given: args.prices.clone(), ..usual };
        match prices_for(&billed, &files) {
            Ok(Ok(table)) => Ok(Self::Known(Box::new(table))),
            Ok(Err(Unpriced::NotKnown(whose))) => Ok(Self::NotKnown(whose)),
            Ok(Err(Unpriced::NoBill)) => Ok(Self::NoBill),
            Err(error) if args.prices.is_none() => {
                let error = CliError::from(error);
                context.output.warn(format!("{}. {}", with_causes(&error), error.remedy()));
                Ok(billed.whose().map_or(Self::NoBill, Self::NotKnown))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it must be known what is read, though no archive has to be asked.
    pub(super) fn matter(&self, args: &PriceArgs) -> bool {
        match self {
            Self::Known(_) => true,
            Self::NotKnown(_) => args.max_cost.is_some(),
            Self::NoBill => false,
        }
    }
}

/// What a restore reads, and what that takes in time and money.
pub(super) struct ReadPlan<'a> {
    counts: ThawCounts,
    /// Of whole packs: those of an archive, and all.
    archived_bytes: u64,
    packs_bytes: u64,
    read_bytes: u64,
    priced: Priced<'a>,
}

enum Priced<'a> {
    Costs { table: &'a PriceTable, ways: WaysBack },
    NotKnown(&'a str),
}

impl<'a> ReadPlan<'a> {
    pub(super) fn new(reads: &Reads, prices: &'a Prices, args: &PriceArgs) -> Result<Self, CliError> {
        let priced = match prices {
            Prices::Known(table) => {
                let wanted: Vec<Wanted> = reads.packs.iter().map(wanted).collect();
                Priced::Costs { table, ways: WaysBack::new(table, &wanted, args.thaw_days)? }
            }
            Prices::NotKnown(whose) => Priced::NotKnown(whose),
            Prices::NoBill => Priced::NotKnown("a directory"),
        };
        Ok(Self::of(reads, priced))
    }

    fn of(reads: &Reads, priced: Priced<'a>) -> Self {
        let packs = || reads.packs.iter().map(|pack| &pack.needed);
        Self {
            counts: reads.counts(),
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

    /// One line, for what nobody has to wait for.
    pub(super) fn line_at_once(&self, context: &Context) -> String {
        let (read, packs) = (bytes(self.read_bytes), counted(self.packs() as u64, "pack", "packs"));
        match &self.priced {
            Priced::NotKnown(whose) => {
                format!("{read} of {packs} to be read; what that costs is not known: there are no prices of {whose}")
            }
            Priced::Costs { table, .. } => {
                let cost = self.cost(ThawTier::Bulk).map_or_else(String::new, |cost| table.currency.show(cost.total()));
                format!("{read} of {packs} to be read, for {cost} at most ({})", table.with_age(context.clock.wall()))
            }
        }
    }

    fn packs(&self) -> usize {
        let ThawCounts { readable, thawing, frozen } = self.counts;
        readable + thawing + frozen
    }

    fn what(&self) -> String {
        let ThawCounts { readable, thawing, frozen } = self.counts;
        format!(
            "{} to be read, {} of {}: {readable} can be read now, {thawing} are being thawed, {frozen} must be thawed",
            counted(self.packs() as u64, "pack is", "packs are"),
            bytes(self.read_bytes),
            bytes(self.packs_bytes),
        )
    }

    pub(super) fn json(&self) -> Value {
        let ThawCounts { readable, thawing, frozen } = self.counts;
        json!({
            "readable": readable, "thawing": thawing, "frozen": frozen,
            "archived_bytes": self.archived_bytes, "read_bytes": self.read_bytes, "tiers": self.ways_json(),
        })
    }

    /// What it costs to read all of it at once.
    pub(super) fn json_at_once(&self) -> Value {
        json!({ "read_bytes": self.read_bytes, "cost": self.ways_json().get(0) })
    }

    fn ways_json(&self) -> Value {
        match &self.priced {
            Priced::Costs { ways, .. } => ways.json(),
            Priced::NotKnown(_) => Value::Null,
        }
    }

    fn cost(&self, tier: ThawTier) -> Option<&RestoreCost> {
        match &self.priced {
            Priced::Costs { ways, .. } => ways.cost(tier),
            Priced::NotKnown(_) => None,
        }
    }

    /// An error unless somebody wants it at that price.
    pub(super) fn agree(&self, args: &PriceArgs, context: &Context) -> Result<(), CliError> {
        let tier = args.tier();
        let price = self.price(tier, args)?;
        if args.yes {
            return Ok(());
        }
        if !prompt::is_possible() {
            let what = "a thaw costs money, and there is no terminal to ask on";
            let remedy = format!("Give --yes --tier {} (and --max-cost AMOUNT).", word(tier));
            return Err(CliError::usage(what, remedy));
        }
        let price = price.unwrap_or("an unknown amount".to_owned());
        let question = format!("Thaw ({}) and restore for {price}? [y/N] ", word(tier));
        self.ask(&question, context)
    }

    /// As [`Self::agree`], for what reads at once: without a terminal nothing but `--max-cost` keeps somebody from their files.
    pub(super) fn agree_at_once(&self, args: &PriceArgs, context: &Context) -> Result<(), CliError> {
        // one way, whatever the tier
        let price = self.price(ThawTier::Bulk, args)?;
        let asked_from = Price::parse(ASKED_FROM).expect("a decimal").once();
        let dear = self.cost(ThawTier::Bulk).is_some_and(|cost| cost.total() >= asked_from);
        match price {
            Some(price) if dear && !args.yes && prompt::is_possible() => {
                self.ask(&format!("Restore for {price}? [y/N] "), context)
            }
            _ => Ok(()),
        }
    }

    /// For people, where it is known and not more than is allowed.
    fn price(&self, tier: ThawTier, args: &PriceArgs) -> Result<Option<String>, CliError> {
        match &self.priced {
            Priced::Costs { table, ways } => {
                let Some(cost) = ways.cost(tier) else {
                    let what = format!("the archive does not offer {}", word(tier));
                    return Err(CliError::usage(what, "Choose another --tier: bulk or standard."));
                };
                let (total, shown) = (cost.total(), table.currency.show(cost.total()));
                if args.max_cost.is_some_and(|most| total > most.once()) {
                    let what =
                        format!("the restore would cost {shown}, more than --max-cost allows; nothing was asked for");
                    return Err(CliError::refused(what, "Restore less, choose a slower --tier, or allow more."));
                }
                Ok(Some(shown))
            }
            Priced::NotKnown(whose) if args.max_cost.is_some() => {
                let what = format!("--max-cost cannot be kept: there are no prices of {whose}");
                Err(CliError::refused(what, "Give a table with --prices FILE, or leave --max-cost out."))
            }
            Priced::NotKnown(_) => Ok(None),
        }
    }

    fn ask(&self, question: &str, context: &Context) -> Result<(), CliError> {
        match prompt::yes(question, &context.stop)? {
            true => Ok(()),
            false => Err(CliError::refused("nothing was asked for", "Run it again when you want it.")),
        }
    }
}

/// What was asked for already is paid for: only its way here still costs.
fn wanted(pack: &ReadPack) -> Wanted {
    let asked = pack.access != Access::NeedsThaw;
    let (objects, needed) = (if asked { 0 } else { 1 }, &pack.needed);
    let (read_bytes, reads) = (needed.bytes, needed.frames);
    Wanted { class: needed.class, objects, object_bytes: needed.size, read_bytes, reads }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MachineId, ObjectHash, PackKey, StorageClass};
    use crate::restore::NeededPack;

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
        let plan = ReadPlan::of(&Reads { packs }, Priced::NotKnown("x"));
        let what = plan.what();
        assert!(what.starts_with("2 packs are to be read, 104.0 MiB of 110.0 MiB: 1 can be read now"), "{what}");
        assert_eq!(plan.json()["archived_bytes"], 100 << 20);
    }
}
