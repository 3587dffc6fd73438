//! What reads at once: told before, with its price; asked for where it is dear.

use serde_json::{Value, json};

use super::context::Context;
use super::error::CliError;
use super::prices::{CostArgs, Priced, Prices, ask};
use super::prompt;
use crate::cost::{Price, Wanted};
use crate::status::{bytes, counted};
use crate::store::ThawTier;

/// What costs less is told and not asked: one unit of the currency.
const ASKED_FROM: &str = "1";
/// One way, whatever the tier.
const WAY: ThawTier = ThawTier::Bulk;

/// Who reads, in the words of people.
pub(super) struct Reader {
    /// As the subject of a sentence.
    pub what: &'static str,
    /// As a question begins.
    pub verb: &'static str,
    /// How it may cost less.
    pub remedy: &'static str,
}

pub(super) const RESTORE: Reader =
    Reader { what: "the restore", verb: "Restore", remedy: "Restore less, choose a slower --tier, or allow more." };
pub(super) const CHECK: Reader =
    Reader { what: "reading this", verb: "Read this", remedy: "Read a random part (--read-data=5%), or allow more." };

pub(super) struct AtOnce<'a> {
    bytes: u64,
    packs: u64,
    priced: Priced<'a>,
}

impl<'a> AtOnce<'a> {
    /// `wanted` must be in classes that read at once, `packs` are all its packs.
    pub fn new(wanted: &[Wanted], packs: u64, prices: &'a Prices) -> Result<Self, CliError> {
        let bytes = wanted.iter().map(|wanted| wanted.read_bytes).sum();
        Ok(Self { bytes, packs, priced: Priced::new(prices, wanted, 0)? })
    }

    pub fn line(&self, context: &Context) -> String {
        let (read, packs) = (bytes(self.bytes), counted(self.packs, "pack", "packs"));
        match &self.priced {
            Priced::NotKnown(whose) => {
                format!("{read} of {packs} to be read; what that costs is not known: there are no prices of {whose}")
            }
            Priced::Costs { table, .. } => {
                let cost = self.priced.cost(WAY).map_or_else(String::new, |cost| table.currency.show(cost.total()));
                format!("{read} of {packs} to be read, for {cost} at most ({})", table.with_age(context.clock.wall()))
            }
        }
    }

    pub fn json(&self) -> Value {
        json!({ "read_bytes": self.bytes, "cost": self.priced.json().get(0) })
    }

    /// An error where it is more than is allowed, or somebody at the terminal does not want it. Without a terminal nothing but
    /// `--max-cost` keeps anybody from their data.
    pub fn agree(&self, reader: &Reader, args: &CostArgs, context: &Context) -> Result<(), CliError> {
        let (table, cost) = match (&self.priced, self.priced.cost(WAY)) {
            (Priced::Costs { table, .. }, Some(cost)) => (table, cost.total()),
            (Priced::NotKnown(whose), _) => return args.without_prices(whose),
            (Priced::Costs { .. }, None) => return Ok(()),
        };
        let shown = args.within(cost, &table.currency, reader.what, reader.remedy)?;
        let is_dear = cost >= Price::parse(ASKED_FROM).expect("a decimal").once();
        match is_dear && !args.yes && prompt::is_possible() {
            true => ask(&format!("{} for {shown}? [y/N] ", reader.verb), context),
            false => Ok(()),
        }
    }
}
