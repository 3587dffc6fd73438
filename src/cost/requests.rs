//! What requests cost: those that were counted, and those that an upload will make.

use super::CostError;
use super::money::{Money, Price};
use super::table::PriceTable;
use crate::model::StorageClass;
use crate::store::{ThawTier, Verb};

/// Requests of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestLine {
    pub verb: Verb,
    pub class: StorageClass,
    pub count: u64,
    pub cost: Money,
}

/// Requests as a store counts them; those that failed are counted too, so the sum is rather too large than too small.
pub fn requests(
    table: &PriceTable,
    counts: impl IntoIterator<Item = ((Verb, StorageClass), u64)>,
) -> Result<Vec<RequestLine>, CostError> {
    let line = |((verb, class), count)| {
        let price = price_of(table, verb, class)?;
        Ok(RequestLine { verb, class, count, cost: price.for_each(count) })
    };
    counts.into_iter().map(line).collect()
}

/// Of a thousand.
fn price_of(table: &PriceTable, verb: Verb, class: StorageClass) -> Result<Price, CostError> {
    let prices = || table.class(class);
    Ok(match verb {
        Verb::Put | Verb::CompleteUpload | Verb::PutBack => prices()?.put_per_1000,
        Verb::CreateUpload | Verb::PutPart => prices()?.part_per_1000,
        Verb::Get | Verb::GetRange | Verb::Head => prices()?.get_per_1000,
        Verb::List | Verb::ListParts | Verb::ListUploads | Verb::ListVersions => table.list_per_1000,
        // how fast it was asked for is not counted: most ask for no hurry, none for less than this
        Verb::Thaw => prices()?.thaw(ThawTier::Standard).map_or(Price::ZERO, |thaw| thaw.request_per_1000),
        Verb::Open | Verb::Delete | Verb::AbortUpload | Verb::RemoveMarkers => Price::ZERO,
    })
}

/// Objects that will be uploaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UploadShape {
    pub class: StorageClass,
    pub objects: u64,
    /// Of all of them.
    pub bytes: u64,
    /// `None`: each object goes in one request.
    pub part_bytes: Option<u64>,
    /// Parts wait so long, on the average, until their upload is complete. Until then they are paid for as STANDARD.
    pub staged_hours: u32,
}

/// Hours of a month as bills count them.
const MONTH_HOURS: u32 = 730;

pub fn upload(table: &PriceTable, shape: &UploadShape) -> Result<Money, CostError> {
    let prices = table.class(shape.class)?;
    let whole = prices.put_per_1000.for_each(shape.objects);
    let Some(part_bytes) = shape.part_bytes.filter(|bytes| *bytes > 0 && shape.objects > 0) else { return Ok(whole) };
    // parts are cut object by object; objects of about the same size
    let parts_each = shape.bytes.div_ceil(shape.objects).div_ceil(part_bytes).max(1);
    let parts = prices.part_per_1000.for_each(shape.objects.saturating_mul(parts_each + 1));
    let staged = table.standard()?.month(shape.bytes).share(shape.staged_hours, MONTH_HOURS);
    Ok(whole + parts + staged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::examples_tests::table;

    fn cost(verb: Verb, class: StorageClass) -> String {
        let lines = requests(&table(), [((verb, class), 1000)]).unwrap();
        lines.iter().map(|line| line.cost).sum::<Money>().to_string()
    }

    #[test]
    fn each_verb_is_paid_for_at_its_price() {
        let deep = StorageClass::DeepArchive;
        assert_eq!(cost(Verb::Put, deep), "0.05");
        assert_eq!(cost(Verb::CompleteUpload, deep), "0.05");
        assert_eq!(cost(Verb::PutPart, deep), "0.005");
        assert_eq!(cost(Verb::CreateUpload, deep), "0.005");
        assert_eq!(cost(Verb::Thaw, deep), "0.10");
        assert_eq!(cost(Verb::Put, StorageClass::StandardIa), "0.01");
        assert_eq!(cost(Verb::Head, StorageClass::Standard), "0.0004");
        assert_eq!(cost(Verb::ListParts, deep), "0.005");
        assert_eq!(cost(Verb::Delete, deep), "0.00");
    }

    #[test]
    fn every_verb_has_a_price_in_every_class() {
        for verb in Verb::ALL {
            for class in StorageClass::ALL {
                assert!(price_of(&table(), verb, class).is_ok(), "{verb} {class}");
            }
        }
    }

    #[test]
    fn parts_that_wait_are_paid_for_meanwhile() {
        let class = StorageClass::DeepArchive;
        let shape = UploadShape { class, objects: 1, bytes: 1 << 30, part_bytes: Some(64 << 20), staged_hours: 0 };
        let now = upload(&table(), &shape).unwrap();
        let later = upload(&table(), &UploadShape { staged_hours: MONTH_HOURS, ..shape }).unwrap();
        assert_eq!((later - now).to_string(), "0.023");
        let empty = UploadShape { objects: 0, bytes: 0, ..shape };
        assert_eq!(upload(&table(), &empty).unwrap(), Money::ZERO);
    }
}
