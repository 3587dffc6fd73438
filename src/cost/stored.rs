//! What is stored, by class and kind, and what a month of it costs.

use std::collections::BTreeMap;

use super::CostError;
use super::money::Money;
use super::table::PriceTable;
use crate::model::StorageClass;

/// What an object is stored for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Content of files.
    Content,
    /// Names, trees, indexes, manifests: all that finding the content takes.
    Metadata,
}

/// Objects of one class and kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Group {
    pub objects: u64,
    pub bytes: u64,
    /// What is paid for at the price of the class: small objects at their smallest size, and what is added to each.
    pub billed: u64,
}

/// All objects, summed up for one table of prices.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inventory {
    pub groups: BTreeMap<(StorageClass, Kind), Group>,
}

/// A line of the bill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MonthlyLine {
    pub class: StorageClass,
    pub kind: Kind,
    pub group: Group,
    pub cost: Money,
}

impl Inventory {
    /// `objects` of about the same size, `bytes` together.
    pub fn add(
        &mut self,
        table: &PriceTable,
        (class, kind): (StorageClass, Kind),
        objects: u64,
        bytes: u64,
    ) -> Result<(), CostError> {
        let prices = table.class(class)?;
        let group = self.groups.entry((class, kind)).or_default();
        let billed = prices.billed(objects, bytes).saturating_add(objects.saturating_mul(prices.overhead_bytes));
        group.objects = group.objects.saturating_add(objects);
        group.bytes = group.bytes.saturating_add(bytes);
        group.billed = group.billed.saturating_add(billed);
        Ok(())
    }

    pub fn bytes(&self) -> u64 {
        self.groups.values().map(|group| group.bytes).sum()
    }

    pub fn objects(&self) -> u64 {
        self.groups.values().map(|group| group.objects).sum()
    }
}

/// What it costs to hold all of it for a month. Volume bands are counted from the first of these objects.
pub fn monthly(table: &PriceTable, inventory: &Inventory) -> Result<Vec<MonthlyLine>, CostError> {
    let mut used: BTreeMap<StorageClass, u64> = BTreeMap::new();
    let mut lines = Vec::new();
    for (&(class, kind), &group) in &inventory.groups {
        let prices = table.class(class)?;
        let before = used.entry(class).or_default();
        let in_class = prices.storage_gb_month.cost(*before, group.billed);
        *before = before.saturating_add(group.billed);
        let in_standard = group.objects.saturating_mul(prices.overhead_standard_bytes);
        let cost = in_class + table.standard()?.month(in_standard);
        lines.push(MonthlyLine { class, kind, group, cost });
    }
    Ok(lines)
}

/// What is owed for the storage of these objects even if all were deleted tomorrow: their class's smallest time.
pub fn commitment(table: &PriceTable, inventory: &Inventory) -> Result<Money, CostError> {
    let mut owed = Money::ZERO;
    for (&(class, _), group) in &inventory.groups {
        let prices = table.class(class)?;
        owed +=
            prices.month(prices.billed(group.objects, group.bytes)).share(prices.min_days, super::prune::MONTH_DAYS);
    }
    Ok(owed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::examples_tests::table;
    use crate::cost::money::GB;

    fn one(class: StorageClass, size: u64) -> Money {
        let mut inventory = Inventory::default();
        inventory.add(&table(), (class, Kind::Content), 1, size).unwrap();
        monthly(&table(), &inventory).unwrap().iter().map(|line| line.cost).sum()
    }

    #[test]
    fn a_small_object_is_paid_for_at_the_smallest_size_of_its_class() {
        let kib = 1024;
        assert_eq!(one(StorageClass::StandardIa, 1), one(StorageClass::StandardIa, 128 * kib));
        assert!(one(StorageClass::StandardIa, 1) < one(StorageClass::StandardIa, 129 * kib));
        assert!(one(StorageClass::Standard, 1) < one(StorageClass::Standard, 2));
    }

    #[test]
    fn an_archived_object_pays_for_its_entry_in_two_classes() {
        let empty = one(StorageClass::DeepArchive, 0);
        let expected = table().class(StorageClass::DeepArchive).unwrap().month(32 << 10)
            + table().class(StorageClass::Standard).unwrap().month(8 << 10);
        assert_eq!(empty, expected);
    }

    #[test]
    fn volume_bands_go_on_from_kind_to_kind() {
        let mut inventory = Inventory::default();
        for kind in [Kind::Content, Kind::Metadata] {
            inventory.add(&table(), (StorageClass::Standard, kind), 1, 40_000 * GB).unwrap();
        }
        let lines = monthly(&table(), &inventory).unwrap();
        let total: Money = lines.iter().map(|line| line.cost).sum();
        // 51,200 at 0.023 and 28,800 at 0.022
        assert_eq!(total.to_string(), "1811.20");
        assert_eq!((inventory.objects(), inventory.bytes()), (2, 80_000 * GB));
    }
}
