//! Worked examples, computed by hand from the prices of 2026-07-01 in us-east-1, to the cent and finer.

use super::lookup::EMBEDDED;
use super::money::GB;
use super::*;
use crate::model::StorageClass::{self, DeepArchive, Glacier, Standard};
use crate::store::{ThawTier, Verb};

pub(super) fn table() -> PriceTable {
    PriceTable::parse(EMBEDDED[0]).unwrap()
}

/// Nothing was sent out in this month before.
pub(super) fn options(tier: ThawTier, days: u32) -> RestoreOptions {
    RestoreOptions { tier, days, transferred_before: 0, in_region: false }
}

fn dollars(money: Money) -> String {
    table().currency.show(money)
}

/// `count` packs of a GiB.
fn packs(class: StorageClass, count: u64) -> Inventory {
    let mut inventory = Inventory::default();
    inventory.add(&table(), (class, Kind::Content), count, count * GB).unwrap();
    inventory
}

fn month(inventory: &Inventory) -> Money {
    monthly(&table(), inventory).unwrap().iter().map(|line| line.cost).sum()
}

fn tebibyte(part_bytes: u64) -> UploadShape {
    UploadShape { class: DeepArchive, objects: 1024, bytes: 1024 * GB, part_bytes: Some(part_bytes), staged_hours: 0 }
}

/// All of these packs, each read by one request.
fn all_of(packs: u64) -> [Wanted; 1] {
    let bytes = packs * GB;
    [Wanted { class: DeepArchive, objects: packs, object_bytes: bytes, read_bytes: bytes, reads: packs }]
}

fn back(packs: u64, tier: ThawTier, days: u32) -> RestoreCost {
    restore(&table(), &all_of(packs), &options(tier, days)).unwrap().unwrap()
}

#[test]
fn uploading_a_tebibyte_to_deep_archive_costs_38_cents_in_small_parts_and_14_in_large_ones() {
    assert_eq!(upload(&table(), &tebibyte(16 << 20)).unwrap().to_string(), "0.384");
    assert_eq!(dollars(upload(&table(), &tebibyte(64 << 20)).unwrap()), "$0.14");
    let parts = requests(&table(), [((Verb::PutPart, DeepArchive), 65_536)]).unwrap();
    assert_eq!(parts[0].cost.to_string(), "0.32768");
}

#[test]
fn a_tebibyte_in_deep_archive_costs_a_dollar_a_month_and_six_in_any_case() {
    let stored = packs(DeepArchive, 1024);
    let cost = month(&stored);
    assert!(cost.to_string().starts_with("1.0139"), "{cost}");
    assert_eq!(dollars(cost), "$1.01");
    let data = table().class(DeepArchive).unwrap().month(1024 * GB);
    assert!((cost - data).to_string().starts_with("0.0002"), "the entries of 1,024 objects");
    assert_eq!(dollars(commitment(&table(), &stored).unwrap()), "$6.08");
}

#[test]
fn a_tebibyte_comes_back_from_deep_archive_for_91_or_109_dollars() {
    let bulk = back(1024, ThawTier::Bulk, 7);
    assert_eq!(dollars(bulk.requests + bulk.retrieval), "$2.59");
    assert_eq!(dollars(bulk.copies), "$5.50");
    assert_eq!(dollars(bulk.transfer), "$83.16");
    assert_eq!((dollars(bulk.total()), bulk.minutes), ("$91.24".to_owned(), 48 * 60));
    let standard = back(1024, ThawTier::Standard, 7);
    assert_eq!(dollars(standard.requests + standard.retrieval), "$20.58");
    assert_eq!((dollars(standard.total()), standard.minutes), ("$109.24".to_owned(), 12 * 60));
}

#[test]
fn fifty_gibibytes_within_what_is_free_come_back_for_24_cents_or_1_dollar_12() {
    assert_eq!(dollars(back(50, ThawTier::Bulk, 3).total()), "$0.24");
    assert_eq!(dollars(back(50, ThawTier::Standard, 3).total()), "$1.12");
}

#[test]
fn deleting_100_gibibytes_after_30_days_costs_half_a_dollar_in_deep_archive_and_72_cents_in_glacier() {
    let fee = |class| early_deletion(&table(), class, 100 * GB, 30).unwrap().to_string();
    assert_eq!(fee(DeepArchive), "0.495");
    assert_eq!(fee(Glacier), "0.72");
}

#[test]
fn the_entry_of_an_object_of_21_mebibytes_is_one_per_cent_of_its_storage() {
    // thousandths of the entries' cost: 100,000 when they are one per cent
    let data_of_entry = |mib: u64| {
        let data = table().class(DeepArchive).unwrap().month(mib << 20);
        data.thousandths_of(saved_per_month(&table(), DeepArchive, mib << 20).unwrap() - data).unwrap()
    };
    assert!(data_of_entry(21) < 100_000 && data_of_entry(22) > 100_000);
}

#[test]
fn one_put_is_worth_52_months_of_a_mebibyte_or_a_twentieth_month_of_a_gibibyte() {
    let put = requests(&table(), [((Verb::Put, DeepArchive), 1)]).unwrap()[0].cost;
    let months = |bytes: u64| put.thousandths_of(table().class(DeepArchive).unwrap().month(bytes)).unwrap();
    assert_eq!((months(1 << 20) + 500) / 1000, 52);
    assert_eq!((months(16 << 20) + 50) / 100, 32);
    assert_eq!((months(GB) + 5) / 10, 5);
}

/// A pack of a GiB that is half live and old enough, in months until its compaction has paid for itself.
fn pays_back(class: StorageClass, source: CompactionSource) -> Months {
    let pack =
        Compaction { class, bytes: GB, live_bytes: GB / 2, age_days: 180, part_bytes: 16 << 20, thaw_days: 1, source };
    pack.pays_back_after(&table()).unwrap().unwrap()
}

#[test]
fn compacting_an_archive_pays_from_local_files_and_never_by_downloading_it() {
    let tier = ThawTier::Bulk;
    let shown = |class, source| pays_back(class, source).to_string();
    assert_eq!(shown(DeepArchive, CompactionSource::InRegion { tier }), "7.1 months");
    assert_eq!(shown(DeepArchive, CompactionSource::Download { tier }), "98.0 months");
    assert_eq!(shown(DeepArchive, CompactionSource::LocalFiles), "0.4 months");
    assert_eq!(shown(Standard, CompactionSource::Download { tier }), "3.9 months");
    assert_eq!(shown(Standard, CompactionSource::LocalFiles), "under 0.1 months");
    assert_eq!(pays_back(Standard, CompactionSource::LocalFiles), Months(15));
}

#[test]
fn a_young_pack_pays_for_the_time_that_it_was_to_stay() {
    let young = |age_days| {
        let (bytes, live_bytes) = (GB, GB / 2);
        let source = CompactionSource::LocalFiles;
        let pack =
            Compaction { class: DeepArchive, bytes, live_bytes, age_days, part_bytes: 16 << 20, thaw_days: 1, source };
        pack.cost(&table()).unwrap().unwrap()
    };
    assert_eq!(young(30) - young(180), early_deletion(&table(), DeepArchive, GB, 30).unwrap());
    let expedited = CompactionSource::InRegion { tier: ThawTier::Expedited };
    let pack = Compaction {
        class: DeepArchive,
        bytes: GB,
        live_bytes: GB,
        age_days: 0,
        part_bytes: 16 << 20,
        thaw_days: 1,
        source: expedited,
    };
    assert_eq!(pack.pays_back_after(&table()).unwrap(), None);
}
