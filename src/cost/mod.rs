//! What storage costs: a table of prices, and pure arithmetic over it.
//!
//! What must hold:
//! - Amounts are integers of a millionth of a millionth of the currency's unit. No floating point number ever holds a price
//!   or an amount, and no single product can overflow within the limits that a table is checked against.
//! - A price that is not known is an error that names what is missing; it is never taken as nothing, and the prices of
//!   another region or of another provider are never taken in its place.
//! - Every result can be told together with the version, the region and the age of its prices.
//!
//! What survives a crash: nothing is kept here. A price table that was imported is replaced whole or not at all.
//!
//! `money tiers` are the numbers, `table` holds the prices, `lookup` finds them, `offer import` make a table from the files
//! that AWS publishes. The formulas: `stored` (a month), `requests` (what was asked for, what an upload will ask for),
//! `outlook` (a run that is still to come), `restore`, `forecast`; `prune` and `compact` are for the prune to come, and no
//! command shows them yet. `usage` counts what the journal knows, `bill` applies the formulas to it.
//!
//! Not here: writing down what is stored and what was asked for (rooms `journal`, `backup`), how it is shown (room `cli`).

mod bill;
mod compact;
mod error;
#[cfg(test)]
mod examples_tests;
mod forecast;
mod import;
mod lookup;
mod money;
mod offer;
mod outlook;
mod prune;
mod requests;
mod restore;
mod stored;
mod table;
mod tiers;
mod usage;

pub use bill::{Bill, NextMonth, RunBill, RunCost, everything, run_cost};
pub use compact::{Compaction, CompactionSource, Months};
pub use error::CostError;
pub use forecast::{Growth, forecast};
pub use import::{Imported, import};
pub use lookup::{Billed, PriceFiles, Unpriced, prices_for, save};
pub use money::{Currency, Money, Price};
pub use outlook::{OutlookPacks, outlook};
pub use prune::{early_deletion, saved_per_month};
pub use requests::{RequestLine, UploadShape, requests, upload};
pub use restore::{RestoreCost, RestoreOptions, Wanted, restore};
pub use stored::{Group, Inventory, Kind, MonthlyLine, commitment, monthly};
pub use table::{ClassPrices, PriceDate, PriceTable, ThawPrices};
pub use tiers::Tiers;
pub use usage::{arena, last_run, usage};
