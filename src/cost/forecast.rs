//! What the next month will cost, if it goes on as before.

use super::CostError;
use super::money::Money;
use super::prune::MONTH_DAYS;
use super::stored::{Inventory, monthly};
use super::table::PriceTable;

/// What was added in the days that were looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Growth {
    pub days: u32,
    pub added: Inventory,
    /// What the requests of these days cost.
    pub requests: Money,
}

impl Growth {
    /// Bytes in 30 days at this rate.
    pub fn bytes_a_month(&self) -> u64 {
        scaled(self.added.bytes(), self.days)
    }
}

/// The next 30 days: what is there now, half of what will be added (it comes little by little), and as many requests.
pub fn forecast(table: &PriceTable, now: &Inventory, growth: &Growth) -> Result<Money, CostError> {
    let mut average = now.clone();
    for (&(class, kind), group) in &growth.added.groups {
        let objects = scaled(group.objects, growth.days).div_ceil(2);
        let bytes = scaled(group.bytes, growth.days) / 2;
        average.add(table, (class, kind), objects, bytes)?;
    }
    let storage: Money = monthly(table, &average)?.iter().map(|line| line.cost).sum();
    Ok(storage + growth.requests.share(MONTH_DAYS, growth.days))
}

/// From `days` to a month.
fn scaled(number: u64, days: u32) -> u64 {
    let month = u128::from(number) * u128::from(MONTH_DAYS);
    u64::try_from(month.checked_div(u128::from(days)).unwrap_or(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Kind;
    use crate::cost::examples_tests::table;
    use crate::cost::money::{GB, Price};
    use crate::model::StorageClass;

    fn stored(gb: u64) -> Inventory {
        let mut inventory = Inventory::default();
        inventory.add(&table(), (StorageClass::Standard, Kind::Content), gb, gb * GB).unwrap();
        inventory
    }

    #[test]
    fn what_will_be_added_counts_half_and_requests_go_on() {
        let requests = Price::parse("0.5").unwrap().for_each(1000);
        let growth = Growth { days: 15, added: stored(100), requests };
        assert_eq!(growth.bytes_a_month(), 200 * GB);
        // 1000 GB and half of 200, and 1.00 for requests
        assert_eq!(forecast(&table(), &stored(1000), &growth).unwrap().to_string(), "26.30");
    }

    #[test]
    fn without_growth_the_next_month_is_as_this_one() {
        let still = Growth { days: 30, ..Growth::default() };
        assert_eq!(forecast(&table(), &stored(1000), &still).unwrap().to_string(), "23.00");
    }
}
