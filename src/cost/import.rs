//! From the offer files of AWS to a table of prices.
//!
//! What looks obvious there is often wrong, so each price is asked for by its exact usage type and operation:
//! - Usage types begin with a sign of the region (`USW2-`, `EUC1-`, nothing in us-east-1) that is no part of the region's
//!   name; it is taken from the product that is plain standard storage.
//! - Other products end in the same words (`Tables-TimedStorage-ByteHrs`): usage types are compared whole.
//! - One usage type has several prices that only the operation tells apart (`Requests-Tier3`: restoring, moving).
//! - Prices come in volume bands, in no order.
//! - What the internet costs stands in the file AWSDataTransfer, beside routes that cost nothing.
//! - Deep Archive has a file of its own; in the main one stands only what uploads under way cost, many times as much.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::CostError;
use super::lookup::EMBEDDED;
use super::money::Price;
use super::offer::{Found, Offer};
use super::table::{AWS, ClassPrices, PriceTable, ThawPrices, TransferOut};
use super::tiers::Tiers;
use crate::model::StorageClass;
use crate::store::ThawTier;

/// A table and what it lacks.
#[derive(Debug)]
pub struct Imported {
    pub table: PriceTable,
    /// Classes that the files say nothing of, or not enough.
    pub left_out: Vec<(StorageClass, String)>,
}

/// One region's prices out of these files. `region` says which, where the files hold several.
pub fn import(files: &[PathBuf], region: Option<&str>) -> Result<Imported, CostError> {
    let offers = files.iter().map(|path| Offer::read(path)).collect::<Result<Vec<_>, _>>()?;
    from_offers(&offers, region)
}

fn from_offers(offers: &[Offer], region: Option<&str>) -> Result<Imported, CostError> {
    let source = Source { offers, place: Place::find(offers, region)? };
    // the rules of the classes (least time, least size, what is added) stand in no offer file; they hold in every region
    let rules = PriceTable::parse(EMBEDDED[0]).expect("a test reads every embedded table");
    let (mut classes, mut left_out) = (BTreeMap::new(), Vec::new());
    for class in StorageClass::ALL {
        match source.class(class, rules.class(class)?.clone()) {
            Ok(prices) => drop(classes.insert(class, prices)),
            Err(CostError::Incomplete { missing }) if class != StorageClass::Standard => {
                left_out.push((class, missing.join("; ")));
            }
            Err(error) => return Err(error),
        }
    }
    let table = PriceTable {
        version: source.published()?,
        provider: AWS.to_owned(),
        region: source.place.region.clone(),
        source: source.named(),
        list_per_1000: source.thousand("Requests-Tier1", &[""])?,
        transfer_out: source.transfer_out(rules.transfer_out.free_gb)?,
        classes,
        ..rules
    };
    Ok(Imported { table, left_out })
}

/// The region as the files write it.
#[derive(Debug)]
struct Place {
    region: String,
    location: String,
    prefix: String,
}

const STANDARD_STORAGE: &str = "TimedStorage-ByteHrs";
const TRANSFER_OUT: &str = "DataTransfer-Out-Bytes";

impl Place {
    fn find(offers: &[Offer], region: Option<&str>) -> Result<Self, CostError> {
        let places = offers.iter().flat_map(Offer::products).filter_map(Self::of_standard_storage);
        let mut found: BTreeMap<String, Place> = BTreeMap::new();
        places.for_each(|place| drop(found.insert(place.region.clone(), place)));
        if let (Some(wanted), false) = (region, found.is_empty()) {
            return found.remove(wanted).ok_or_else(|| CostError::NotThisRegion {
                wanted: wanted.to_owned(),
                regions: found.into_keys().collect(),
            });
        }
        if found.len() > 1 {
            return Err(CostError::WhichRegion { regions: found.into_keys().collect() });
        }
        found.into_values().next().ok_or(CostError::NoRegion)
    }

    fn of_standard_storage(product: Found<'_>) -> Option<Self> {
        let prefix = region_prefix(product.attribute("usagetype"), STANDARD_STORAGE)?;
        let is_plain = product.attribute("volumeType") == "Standard" && product.attribute("operation").is_empty();
        is_plain.then(|| Self {
            region: product.attribute("regionCode").to_owned(),
            location: product.attribute("location").to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

/// What stands before `usage`: nothing, or the sign of a region with its dash.
fn region_prefix<'t>(usage_type: &'t str, usage: &str) -> Option<&'t str> {
    let prefix = usage_type.strip_suffix(usage)?;
    let sign = prefix.strip_suffix('-');
    let is_sign = |sign: &str| sign.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    (prefix.is_empty() || sign.is_some_and(is_sign)).then_some(prefix)
}

struct Source<'o> {
    offers: &'o [Offer],
    place: Place,
}

impl Source<'_> {
    fn class(&self, class: StorageClass, rules: ClassPrices) -> Result<ClassPrices, CostError> {
        let part = self.thousand("Requests-Tier1", &[""])?;
        let read_at_once = |sign: &str| {
            let tier1 = self.thousand(&format!("Requests-{sign}-Tier1"), &["", "PutObject"])?;
            Ok::<_, CostError>(ClassPrices {
                storage_gb_month: self.price(&format!("TimedStorage-{sign}-ByteHrs"), &[""])?,
                put_per_1000: tier1,
                part_per_1000: tier1,
                get_per_1000: self.thousand(&format!("Requests-{sign}-Tier2"), &["", "GetObject"])?,
                read_gb: self.price(&format!("Retrieval-{sign}"), &["", "GetObject"])?.first(),
                ..rules.clone()
            })
        };
        match class {
            StorageClass::Standard => Ok(ClassPrices {
                storage_gb_month: self.price(STANDARD_STORAGE, &[""])?,
                put_per_1000: part,
                part_per_1000: part,
                get_per_1000: self.thousand("Requests-Tier2", &[""])?,
                ..rules
            }),
            StorageClass::StandardIa => read_at_once("SIA"),
            StorageClass::GlacierIr => read_at_once("GIR"),
            StorageClass::Glacier => {
                let mut prices = ClassPrices {
                    storage_gb_month: self.price("TimedStorage-GlacierByteHrs", &[""])?,
                    put_per_1000: self.thousand("Requests-GLACIER-Tier1", &["PutObject"])?,
                    part_per_1000: part,
                    get_per_1000: self.thousand("Requests-GLACIER-Tier2", &["", "GetObject"])?,
                    ..rules
                };
                self.thaws(&mut prices, "", "RestoreObject")?;
                Ok(prices)
            }
            StorageClass::DeepArchive => {
                let put = &["PutObject", "CompleteMultipartUpload", "PostObject", ""];
                let mut prices = ClassPrices {
                    storage_gb_month: self.price("TimedStorage-GDA-ByteHrs", &[""])?,
                    put_per_1000: self.thousand("Requests-GDA-Tier1", put)?,
                    part_per_1000: part,
                    get_per_1000: self.thousand("Requests-GDA-Tier2", &["", "GetObject"])?,
                    ..rules
                };
                self.thaws(&mut prices, "GDA-", "DeepArchiveRestoreObject")?;
                Ok(prices)
            }
        }
    }

    /// For the tiers that the class has.
    fn thaws(&self, prices: &mut ClassPrices, sign: &str, operation: &str) -> Result<(), CostError> {
        let operations = &[operation, "RestoreObject", ""];
        let of = |bytes: &str, tier: u8, rule: ThawPrices| {
            Ok::<_, CostError>(ThawPrices {
                gb: self.price(bytes, &[operation, ""])?.first(),
                request_per_1000: self.thousand(&format!("Requests-{sign}Tier{tier}"), operations)?,
                minutes: rule.minutes,
            })
        };
        let rule = |tier| prices.thaw(tier);
        let bulk = rule(ThawTier::Bulk).map(|rule| of("Bulk-Retrieval-Bytes", 5, rule)).transpose()?;
        let standard = rule(ThawTier::Standard).map(|rule| of("Standard-Retrieval-Bytes", 3, rule)).transpose()?;
        let expedited = rule(ThawTier::Expedited).map(|rule| of("Expedited-Retrieval-Bytes", 6, rule)).transpose()?;
        (prices.thaw.bulk, prices.thaw.standard, prices.thaw.expedited) = (bulk, standard, expedited);
        Ok(())
    }

    /// What leaves for the internet. The free volume of an account is in no file of a region, unless as a first band.
    fn transfer_out(&self, free_gb: u64) -> Result<TransferOut, CostError> {
        let leaves = |product: &Found<'_>| {
            let from_here = product.attribute("fromLocation") == self.place.location
                || product.attribute("fromRegionCode") == self.place.region;
            from_here
                && product.attribute("toLocation") == "External"
                && product.attribute("transferType") == "AWS Outbound"
                && region_prefix(product.attribute("usagetype"), TRANSFER_OUT).is_some()
        };
        let what = "data that leaves for the internet (file AWSDataTransfer)";
        let bands = self.products().filter(leaves).map(|product| product.bands(what));
        let bands = bands.collect::<Result<Vec<_>, _>>()?;
        // routes of other products cost nothing
        let paid = bands.into_iter().filter(|bands| !bands.is_free());
        let price_gb = only(what, paid)?;
        Ok(TransferOut { free_gb: if price_gb.first() == Price::ZERO { 0 } else { free_gb }, price_gb })
    }

    /// A thousand of what is sold one by one.
    fn thousand(&self, usage: &str, operations: &[&str]) -> Result<Price, CostError> {
        let one = self.price(usage, operations)?.first();
        one.per_1000().ok_or_else(|| CostError::BadPrice { what: usage.to_owned(), price: one.to_string() })
    }

    /// Of the first of these operations that has one.
    fn price(&self, usage: &str, operations: &[&str]) -> Result<Tiers, CostError> {
        let usage_type = format!("{}{usage}", self.place.prefix);
        let found = |operation: &str| {
            let fits = |product: &Found<'_>| {
                product.attribute("usagetype") == usage_type && product.attribute("operation") == operation
            };
            self.products().filter(|product| fits(product) && self.is_here(product)).collect::<Vec<_>>()
        };
        let products = operations.iter().map(|operation| found(operation)).find(|found| !found.is_empty());
        let bands = products.unwrap_or_default().into_iter().map(|product| product.bands(usage));
        only(usage, bands.collect::<Result<Vec<_>, _>>()?)
    }

    fn is_here(&self, product: &Found<'_>) -> bool {
        match product.attribute("regionCode") {
            "" => product.attribute("location") == self.place.location,
            region => region == self.place.region,
        }
    }

    fn products(&self) -> impl Iterator<Item = Found<'_>> {
        self.offers.iter().flat_map(Offer::products)
    }

    /// The oldest of the files says how old the prices are.
    fn published(&self) -> Result<super::PriceDate, CostError> {
        let oldest = self.offers.iter().map(|offer| offer.publication_date.as_str()).min().unwrap_or_default();
        let day = oldest.split('T').next().unwrap_or_default().to_owned();
        let bad = |_| CostError::BadPrice { what: "the day of publication".to_owned(), price: oldest.to_owned() };
        day.try_into().map_err(bad)
    }

    fn named(&self) -> String {
        let names: BTreeSet<String> =
            self.offers.iter().map(|offer| format!("{} {}", offer.offer_code, offer.version)).collect();
        format!("AWS offer files {}", names.into_iter().collect::<Vec<_>>().join(", "))
    }
}

/// Several products may say the same, but not different things.
fn only(what: &str, found: impl IntoIterator<Item = Tiers>) -> Result<Tiers, CostError> {
    let mut found = found.into_iter();
    let first = found.next().ok_or_else(|| CostError::Incomplete { missing: vec![what.to_owned()] })?;
    match found.find(|other| *other != first) {
        None => Ok(first),
        Some(other) => {
            let prices = vec![first.first().to_string(), other.first().to_string()];
            Err(CostError::Ambiguous { what: what.to_owned(), prices })
        }
    }
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
