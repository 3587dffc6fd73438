//! What getting data back costs, and how long an archive takes to give it.

use super::CostError;
use super::money::Money;
use super::prune::MONTH_DAYS;
use super::table::PriceTable;
use crate::model::StorageClass;
use crate::store::ThawTier;

/// Objects of one class that a restore touches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub class: StorageClass,
    pub objects: u64,
    /// Of the whole objects: an archive thaws nothing less.
    pub object_bytes: u64,
    /// What is read of them.
    pub read_bytes: u64,
    /// Requests that read.
    pub reads: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestoreOptions {
    pub tier: ThawTier,
    /// Thawed copies stay so long.
    pub days: u32,
    /// Sent out in this month before.
    pub transferred_before: u64,
    /// Read by a machine in the same region: nothing leaves it.
    pub in_region: bool,
}

/// A restore, part by part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RestoreCost {
    /// Asking the archive.
    pub requests: Money,
    /// What the archive gives, and what classes for rare reading take.
    pub retrieval: Money,
    /// Thawed copies, for as long as they stay.
    pub copies: Money,
    pub reads: Money,
    pub transfer: Money,
    /// Until all can be read, at most; 0 when nothing must be thawed.
    pub minutes: u32,
}

impl RestoreCost {
    pub fn total(&self) -> Money {
        self.requests + self.retrieval + self.copies + self.reads + self.transfer
    }
}

/// `None` where one of the classes does not offer the tier.
pub fn restore(
    table: &PriceTable,
    wanted: &[Wanted],
    options: &RestoreOptions,
) -> Result<Option<RestoreCost>, CostError> {
    let mut cost = RestoreCost::default();
    for wanted in wanted {
        let prices = table.class(wanted.class)?;
        cost.reads += prices.get_per_1000.for_each(wanted.reads);
        cost.retrieval += prices.read_gb.for_bytes(wanted.read_bytes);
        if wanted.class.reads_at_once() || wanted.objects == 0 {
            continue;
        }
        let Some(thaw) = prices.thaw(options.tier) else { return Ok(None) };
        cost.requests += thaw.request_per_1000.for_each(wanted.objects);
        cost.retrieval += thaw.gb.for_bytes(wanted.object_bytes);
        cost.copies += table.standard()?.month(wanted.object_bytes).share(options.days, MONTH_DAYS);
        cost.minutes = cost.minutes.max(thaw.minutes);
    }
    if !options.in_region {
        let read = wanted.iter().fold(0u64, |sum, wanted| sum.saturating_add(wanted.read_bytes));
        cost.transfer = table.transfer(options.transferred_before, read);
    }
    Ok(Some(cost))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::examples_tests::{options, table};
    use crate::cost::money::GB;

    fn wanted(class: StorageClass) -> Wanted {
        Wanted { class, objects: 10, object_bytes: 10 * GB, read_bytes: GB, reads: 10 }
    }

    #[test]
    fn an_archive_thaws_whole_objects_and_only_what_is_read_leaves() {
        let part = restore(&table(), &[wanted(StorageClass::DeepArchive)], &options(ThawTier::Standard, 1)).unwrap();
        let part = part.unwrap();
        assert_eq!(part.retrieval.to_string(), "0.20");
        assert_eq!(part.transfer, Money::ZERO, "within what is free");
        let used = RestoreOptions { transferred_before: 100 * GB, ..options(ThawTier::Standard, 1) };
        let used = restore(&table(), &[wanted(StorageClass::DeepArchive)], &used).unwrap().unwrap();
        assert_eq!(used.transfer.to_string(), "0.09");
    }

    #[test]
    fn what_reads_at_once_needs_no_thaw_whatever_the_tier() {
        let classes = [StorageClass::Standard, StorageClass::GlacierIr];
        let cost = restore(&table(), &classes.map(wanted), &options(ThawTier::Expedited, 7)).unwrap().unwrap();
        assert_eq!((cost.requests, cost.copies, cost.minutes), (Money::ZERO, Money::ZERO, 0));
        assert_eq!(cost.retrieval.to_string(), "0.03");
    }

    #[test]
    fn a_tier_that_a_class_does_not_offer_has_no_price() {
        let deep = wanted(StorageClass::DeepArchive);
        assert_eq!(restore(&table(), &[deep], &options(ThawTier::Expedited, 1)).unwrap(), None);
        let none = Wanted { objects: 0, object_bytes: 0, read_bytes: 0, reads: 0, ..deep };
        assert!(restore(&table(), &[none], &options(ThawTier::Expedited, 1)).unwrap().is_some());
    }

    #[test]
    fn the_slowest_class_says_how_long_it_takes() {
        let both = [StorageClass::Glacier, StorageClass::DeepArchive].map(wanted);
        let cost = restore(&table(), &both, &options(ThawTier::Bulk, 1)).unwrap().unwrap();
        assert_eq!(cost.minutes, 48 * 60);
    }
}
