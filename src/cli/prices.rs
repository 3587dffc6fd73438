//! What a command may cost: the prices of the target, and what somebody allows.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::context::Context;
use super::error::CliError;
use super::prompt;
use super::ways_back::WaysBack;
use crate::cost::{Billed, Currency, Money, Price, PriceFiles, PriceTable, RestoreCost, Unpriced, Wanted, prices_for};
use crate::model::with_causes;
use crate::store::{StoreUrl, ThawTier};

/// Flags of commands whose reading may cost money.
#[derive(Args, Clone, Debug)]
pub(super) struct CostArgs {
    /// Do what costs money without asking
    #[arg(long, help_heading = "Costs")]
    pub yes: bool,
    /// Give up when it would cost more, in the currency of the prices
    #[arg(long, value_name = "AMOUNT", value_parser = amount, help_heading = "Costs")]
    pub max_cost: Option<Price>,
    /// A table of prices, for whatever target it is
    #[arg(long, value_name = "FILE", help_heading = "Costs")]
    pub prices: Option<PathBuf>,
}

fn amount(text: &str) -> Result<Price, String> {
    Price::parse(text).ok_or_else(|| "an amount such as 5 or 12.50".to_owned())
}

impl CostArgs {
    /// The amount for people, unless it is more than is allowed; `what` would cost it, `remedy` is how it may cost less.
    pub fn within(
        &self,
        cost: Money,
        currency: &Currency,
        what: &str,
        remedy: &'static str,
    ) -> Result<String, CliError> {
        let shown = currency.show(cost);
        if self.max_cost.is_some_and(|most| cost > most.once()) {
            let what = format!("{what} would cost {shown}, more than --max-cost allows; nothing was asked for");
            return Err(CliError::refused(what, remedy));
        }
        Ok(shown)
    }

    /// A limit that nobody can keep is refused.
    pub fn without_prices(&self, whose: &str) -> Result<(), CliError> {
        if self.max_cost.is_none() {
            return Ok(());
        }
        let what = format!("--max-cost cannot be kept: there are no prices of {whose}");
        Err(CliError::refused(what, "Give a table with --prices FILE, or leave --max-cost out."))
    }
}

/// What the same data cost by each way to get them.
pub(super) enum Priced<'a> {
    Costs {
        table: &'a PriceTable,
        ways: WaysBack,
    },
    /// There are no prices of these.
    NotKnown(&'a str),
}

impl<'a> Priced<'a> {
    /// `days`: thawed copies stay so long.
    pub fn new(prices: &'a Prices, wanted: &[Wanted], days: u32) -> Result<Self, CliError> {
        Ok(match prices {
            Prices::Known(table) => Self::Costs { table, ways: WaysBack::new(table, wanted, days)? },
            Prices::NotKnown(whose) => Self::NotKnown(whose),
            Prices::NoBill => Self::NotKnown("a directory"),
        })
    }

    /// `None`: there are no prices, or some class does not offer the tier.
    pub fn cost(&self, tier: ThawTier) -> Option<&RestoreCost> {
        match self {
            Self::Costs { ways, .. } => ways.cost(tier),
            Self::NotKnown(_) => None,
        }
    }

    pub fn json(&self) -> Value {
        match self {
            Self::Costs { ways, .. } => ways.json(),
            Self::NotKnown(_) => Value::Null,
        }
    }
}

/// An error unless somebody at the terminal wants it.
pub(super) fn ask(question: &str, context: &Context) -> Result<(), CliError> {
    match prompt::yes(question, &context.stop)? {
        true => Ok(()),
        false => Err(CliError::refused("nothing was asked for", "Run it again when you want it.")),
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
    pub(super) fn of(place: &str, args: &CostArgs, context: &Context) -> Result<Self, CliError> {
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
    pub(super) fn matter(&self, args: &CostArgs) -> bool {
        match self {
            Self::Known(_) => true,
            Self::NotKnown(_) => args.max_cost.is_some(),
            Self::NoBill => false,
        }
    }
}
