//! What a restore from an archive reads, how long that takes and what it costs, told before; the question before a thaw.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::at_once::{AtOnce, RESTORE};
use super::context::Context;
use super::error::CliError;
use super::prices::{CostArgs, Priced, Prices, ask};
use super::prompt;
use super::ways_back::{WaysBack, word};
use crate::cost::{Money, Wanted};
use crate::restore::{ReadPack, Reads, ThawCounts};
use crate::status::{bytes, counted};
use crate::store::{Access, ThawTier};

/// Flags of a restore that may have to thaw.
#[derive(Args, Clone, Debug)]
pub(super) struct ThawArgs {
    /// How fast an archive is to give what is wanted: slower is cheaper
    #[arg(long, value_enum, value_name = "TIER", default_value_t = Tier::Bulk, help_heading = "Archives")]
    tier: Tier,
    /// How long thawed copies are to stay
    #[arg(long, value_name = "NUMBER", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=365), help_heading = "Archives")]
    thaw_days: u32,
    #[command(flatten)]
    pub cost: CostArgs,
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

impl ThawArgs {
    pub(super) fn tier(&self) -> ThawTier {
        match self.tier {
            Tier::Bulk => ThawTier::Bulk,
            Tier::Standard => ThawTier::Standard,
            Tier::Expedited => ThawTier::Expedited,
        }
    }

    pub(super) fn thaw_days(&self) -> u32 {
        self.thaw_days
    }
}

/// What is read without asking an archive.
pub(super) fn at_once<'a>(reads: &Reads, prices: &'a Prices) -> Result<AtOnce<'a>, CliError> {
    let wanted: Vec<Wanted> = reads.packs.iter().map(wanted).collect();
    AtOnce::new(&wanted, reads.packs.len() as u64, prices)
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

impl<'a> ReadPlan<'a> {
    pub(super) fn new(reads: &Reads, prices: &'a Prices, args: &ThawArgs) -> Result<Self, CliError> {
        let wanted: Vec<Wanted> = reads.packs.iter().map(wanted).collect();
        Ok(Self::of(reads, Priced::new(prices, &wanted, args.thaw_days)?))
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

    fn what(&self) -> String {
        let ThawCounts { readable, thawing, frozen } = self.counts;
        let packs = (readable + thawing + frozen) as u64;
        format!(
            "{} to be read, {} of {}: {readable} can be read now, {thawing} are being thawed, {frozen} must be thawed",
            counted(packs, "pack is", "packs are"),
            bytes(self.read_bytes),
            bytes(self.packs_bytes),
        )
    }

    pub(super) fn json(&self) -> Value {
        let ThawCounts { readable, thawing, frozen } = self.counts;
        json!({
            "readable": readable, "thawing": thawing, "frozen": frozen,
            "archived_bytes": self.archived_bytes, "read_bytes": self.read_bytes, "tiers": self.priced.json(),
        })
    }

    /// An error unless somebody wants it at that price. `spent`: what the same command asked an archive for before.
    pub(super) fn agree(&self, args: &ThawArgs, spent: Money, context: &Context) -> Result<(), CliError> {
        let price = self.price(args, spent)?;
        if args.cost.yes {
            return Ok(());
        }
        let tier = word(args.tier());
        if !prompt::is_possible() {
            let what = "a thaw costs money, and there is no terminal to ask on";
            let remedy = format!("Give --yes --tier {tier} (and --max-cost AMOUNT).");
            return Err(CliError::usage(what, remedy));
        }
        let price = price.unwrap_or("an unknown amount".to_owned());
        ask(&format!("Thaw ({tier}) and restore for {price}? [y/N] "), context)
    }

    /// Of asking the archive, without what the way here costs.
    pub(super) fn of_asking(&self, args: &ThawArgs) -> Money {
        self.priced.cost(args.tier()).map_or(Money::ZERO, |cost| cost.requests + cost.retrieval + cost.copies)
    }

    /// For people, where it is known and not more than is allowed.
    fn price(&self, args: &ThawArgs, spent: Money) -> Result<Option<String>, CliError> {
        match &self.priced {
            Priced::Costs { table, ways } => {
                let Some(cost) = ways.cost(args.tier()) else { return Err(not_offered(args.tier(), ways)) };
                args.cost.within(spent + cost.total(), &table.currency, RESTORE.what, RESTORE.remedy).map(Some)
            }
            Priced::NotKnown(whose) => args.cost.without_prices(whose).map(|()| None),
        }
    }
}

fn not_offered(tier: ThawTier, ways: &WaysBack) -> CliError {
    let what = format!("the archive does not offer {}, or the table has no price of it", word(tier));
    let others: Vec<_> = ways.tiers().map(word).collect();
    match others.is_empty() {
        true => CliError::usage(what, "Give a table that has its prices with --prices FILE (docs/cost.md)."),
        false => CliError::usage(what, format!("Choose another --tier: {}.", others.join(" or "))),
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
    use crate::cost::{Billed, PriceFiles, prices_for};
    use crate::model::{MachineId, ObjectHash, PackKey, StorageClass};
    use crate::restore::NeededPack;

    fn pack(class: StorageClass, size: u64, bytes: u64, access: Access) -> ReadPack {
        let pack = PackKey { machine: MachineId([1; 16]), is_tree: false, hash: ObjectHash([2; 32]) };
        ReadPack::new(NeededPack { pack, class, size, frames: 1, bytes }, access)
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

    fn args(tier: Tier, max_cost: Option<&str>) -> ThawArgs {
        let max_cost = max_cost.and_then(crate::cost::Price::parse);
        ThawArgs { tier, thaw_days: 7, cost: CostArgs { yes: true, max_cost, prices: None } }
    }

    fn deep_archive(args: &ThawArgs, check: impl Fn(ReadPlan)) {
        let aws = Billed::Aws { region: "us-east-1".into(), assumed: false };
        let table = prices_for(&aws, &PriceFiles::default()).unwrap().unwrap();
        let reads = Reads { packs: vec![pack(StorageClass::DeepArchive, 1 << 40, 1 << 40, Access::NeedsThaw)] };
        check(ReadPlan::new(&reads, &Prices::Known(Box::new(table)), args).unwrap());
    }

    #[test]
    fn a_tier_that_is_not_offered_is_not_among_those_to_choose() {
        let args = args(Tier::Expedited, None);
        deep_archive(&args, |plan| {
            let error = plan.price(&args, Money::ZERO).unwrap_err();
            assert_eq!(error.remedy(), "Choose another --tier: bulk or standard.");
        });
    }

    #[test]
    fn what_was_spent_before_counts_against_the_limit() {
        let args = args(Tier::Bulk, Some("150"));
        deep_archive(&args, |plan| {
            assert!(plan.of_asking(&args) < plan.priced.cost(ThawTier::Bulk).unwrap().total());
            assert!(plan.price(&args, Money::ZERO).is_ok());
            assert!(plan.price(&args, crate::cost::Price::parse("100").unwrap().once()).is_err());
        });
    }
}
