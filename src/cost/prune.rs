//! What deleting costs and saves.

use super::CostError;
use super::money::Money;
use super::table::PriceTable;
use crate::model::StorageClass;

/// Days of a month as these formulas count them.
pub(super) const MONTH_DAYS: u32 = 30;

/// What a class still takes for an object that is deleted at this age. Deleting itself costs nothing.
pub fn early_deletion(table: &PriceTable, class: StorageClass, bytes: u64, age_days: u32) -> Result<Money, CostError> {
    let prices = table.class(class)?;
    let left = prices.min_days.saturating_sub(age_days);
    Ok(prices.month(prices.billed(1, bytes)).share(left, MONTH_DAYS))
}

/// What is not paid any more each month when an object is gone.
pub fn saved_per_month(table: &PriceTable, class: StorageClass, bytes: u64) -> Result<Money, CostError> {
    let prices = table.class(class)?;
    let in_class = prices.month(prices.billed(1, bytes).saturating_add(prices.overhead_bytes));
    Ok(in_class + table.standard()?.month(prices.overhead_standard_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::examples_tests::table;
    use crate::cost::money::GB;

    #[test]
    fn after_its_smallest_time_an_object_is_deleted_for_nothing() {
        let fee = |class, age| early_deletion(&table(), class, GB, age).unwrap();
        assert_eq!(fee(StorageClass::DeepArchive, 180), Money::ZERO);
        assert_eq!(fee(StorageClass::DeepArchive, u32::MAX), Money::ZERO);
        assert_eq!(fee(StorageClass::Standard, 0), Money::ZERO);
        assert_eq!(fee(StorageClass::StandardIa, 0).to_string(), "0.0125");
    }

    #[test]
    fn what_is_saved_is_what_the_month_costs() {
        use crate::cost::{Inventory, Kind, monthly};
        for class in StorageClass::ALL {
            let mut inventory = Inventory::default();
            inventory.add(&table(), (class, Kind::Content), 1, 1000).unwrap();
            let month: Money = monthly(&table(), &inventory).unwrap().iter().map(|line| line.cost).sum();
            assert_eq!(saved_per_month(&table(), class, 1000).unwrap(), month, "{class}");
        }
    }
}
