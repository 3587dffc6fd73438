//! The prices of one provider in one region, as they stand in a TOML file.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::CostError;
use super::money::{Currency, Money, Price};
use super::tiers::Tiers;
use crate::model::{StorageClass, Timestamp};
use crate::status::counted;
use crate::store::ThawTier;

/// Who sells: the only one whose regions are known by name.
pub const AWS: &str = "aws";

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    pub version: PriceDate,
    pub provider: String,
    pub region: String,
    pub currency: Currency,
    /// Where the figures are from, for people.
    pub source: String,
    /// Lists are not billed by class.
    pub list_per_1000: Price,
    pub transfer_out: TransferOut,
    #[serde(rename = "class", serialize_with = "write_classes", deserialize_with = "read_classes")]
    pub(super) classes: BTreeMap<StorageClass, ClassPrices>,
}

/// Bytes that leave the region for the internet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferOut {
    /// Each month, for the whole account.
    #[serde(default)]
    pub free_gb: u64,
    /// Counted from the first GB of the month, the free ones included.
    pub price_gb: Tiers,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassPrices {
    pub storage_gb_month: Tiers,
    /// Objects stored at once, and uploads completed.
    pub put_per_1000: Price,
    /// Uploads begun, and parts.
    pub part_per_1000: Price,
    pub get_per_1000: Price,
    /// For reading, where the class takes money for that.
    #[serde(default)]
    pub read_gb: Price,
    /// What is deleted earlier is paid for as if it had stayed so long.
    #[serde(default)]
    pub min_days: u32,
    /// Smaller objects are paid for as if they were so large.
    #[serde(default)]
    pub min_bytes: u64,
    /// Added to each object, paid for at the price of the class.
    #[serde(default)]
    pub overhead_bytes: u64,
    /// Added to each object, paid for at the price of STANDARD.
    #[serde(default)]
    pub overhead_standard_bytes: u64,
    #[serde(default, skip_serializing_if = "Thaws::is_empty")]
    pub thaw: Thaws,
}

/// By how fast it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thaws {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk: Option<ThawPrices>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard: Option<ThawPrices>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expedited: Option<ThawPrices>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThawPrices {
    pub gb: Price,
    pub request_per_1000: Price,
    /// It takes at most so long.
    pub minutes: u32,
}

/// The day from which prices are true.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PriceDate(Date);

impl PriceTable {
    /// A table is a page: errors name line and key.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let table: PriceTable = toml::from_str(text)?;
        if table.classes.contains_key(&StorageClass::Standard) {
            return Ok(table);
        }
        Err(toml::de::Error::custom("[class.STANDARD] is missing: trees, indexes and manifests are stored in it"))
    }

    pub fn class(&self, class: StorageClass) -> Result<&ClassPrices, CostError> {
        self.classes.get(&class).ok_or_else(|| CostError::NoClass { class, table: self.to_string() })
    }

    pub(super) fn standard(&self) -> Result<&ClassPrices, CostError> {
        self.class(StorageClass::Standard)
    }

    /// What it costs to send `bytes` to the internet when `before` were sent in this month.
    pub fn transfer(&self, before: u64, bytes: u64) -> Money {
        let free = self.transfer_out.free_gb.saturating_mul(super::money::GB);
        let unpaid = free.saturating_sub(before).min(bytes);
        self.transfer_out.price_gb.cost(before.saturating_add(unpaid), bytes - unpaid)
    }

    /// `prices of 2026-07-01 (us-east-1), 143 days old`
    pub fn with_age(&self, now: Timestamp) -> String {
        let age = match self.version.age_days(now) {
            Some(days) => format!("{} old", counted(days, "day", "days")),
            None => "dated in the future".to_owned(),
        };
        format!("prices of {} ({}), {age}", self.version, self.region)
    }
}

impl fmt::Display for PriceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the prices of {} ({})", self.version, self.region)
    }
}

impl ClassPrices {
    /// What it costs to hold `bytes` for a month, as far as they are the first in it.
    pub(super) fn month(&self, bytes: u64) -> Money {
        self.storage_gb_month.cost(0, bytes)
    }

    /// Bytes that are paid for when `objects` of about the same size hold `bytes`.
    pub(super) fn billed(&self, objects: u64, bytes: u64) -> u64 {
        bytes.max(objects.saturating_mul(self.min_bytes))
    }

    /// `None` where the class does not offer it.
    pub fn thaw(&self, tier: ThawTier) -> Option<ThawPrices> {
        match tier {
            ThawTier::Bulk => self.thaw.bulk,
            ThawTier::Standard => self.thaw.standard,
            ThawTier::Expedited => self.thaw.expedited,
        }
    }
}

impl Thaws {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl PriceDate {
    /// `None` for a day that has not come.
    pub fn age_days(self, now: Timestamp) -> Option<u64> {
        let today = OffsetDateTime::from_unix_timestamp(now.secs).ok()?.date();
        u64::try_from((today - self.0).whole_days()).ok()
    }
}

impl TryFrom<String> for PriceDate {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let parsed = Date::parse(&text, format_description!("[year]-[month]-[day]"));
        parsed.map(Self).map_err(|_| format!("{text:?} is no date such as \"2026-07-01\""))
    }
}

impl From<PriceDate> for String {
    fn from(date: PriceDate) -> String {
        date.to_string()
    }
}

impl fmt::Display for PriceDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn read_classes<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<StorageClass, ClassPrices>, D::Error> {
    let named = BTreeMap::<String, ClassPrices>::deserialize(from)?;
    let typed = named.into_iter().map(|(name, prices)| Ok((name.parse().map_err(D::Error::custom)?, prices)));
    typed.collect()
}

fn write_classes<S: Serializer>(classes: &BTreeMap<StorageClass, ClassPrices>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(classes.iter().map(|(class, prices)| (class.as_str(), prices)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::lookup::EMBEDDED;
    use crate::cost::money::GB;

    fn parse_without(line: &str) -> String {
        let kept: Vec<&str> = EMBEDDED[0].lines().filter(|kept| *kept != line).collect();
        assert_ne!(kept.len(), EMBEDDED[0].lines().count(), "{line} is in the table");
        PriceTable::parse(&kept.join("\n")).unwrap_err().to_string()
    }

    #[test]
    fn every_embedded_table_has_all_classes_and_survives_being_written() {
        for text in EMBEDDED {
            let table = PriceTable::parse(text).unwrap();
            for class in StorageClass::ALL {
                let prices = table.class(class).unwrap();
                assert_eq!(prices.thaw(ThawTier::Standard).is_none(), class.reads_at_once(), "{class}");
            }
            assert_eq!(PriceTable::parse(&toml::to_string(&table).unwrap()).unwrap(), table);
        }
    }

    #[test]
    fn a_table_that_lacks_something_says_what() {
        assert!(parse_without("list_per_1000 = \"0.005\"").contains("list_per_1000"));
        let mut table = PriceTable::parse(EMBEDDED[0]).unwrap();
        table.classes.remove(&StorageClass::Standard);
        let error = PriceTable::parse(&toml::to_string(&table).unwrap()).unwrap_err();
        assert!(error.to_string().contains("[class.STANDARD] is missing"), "{error}");
        assert!(parse_without("    { price = \"0.05\" },").contains("the last band"));
    }

    #[test]
    fn a_price_without_quotes_an_unknown_key_and_an_unknown_class_are_refused() {
        let message = |from: &str, to: &str| {
            let text = EMBEDDED[0].replacen(from, to, 1);
            assert_ne!(text, EMBEDDED[0]);
            PriceTable::parse(&text).unwrap_err().to_string()
        };
        assert!(message("list_per_1000 = \"0.005\"", "list_per_1000 = 0.005").contains("a price in quotes"));
        assert!(message("storage_gb_month = \"0.00099\"", "storage_gb_month = 0.00099").contains("a price in quotes"));
        assert!(message("\"0.00099\"", "\"-0.00099\"").contains("a price in quotes"));
        assert!(message("min_days", "min_day").contains("min_day"));
        assert!(message("[class.STANDARD_IA]", "[class.COLD]").contains("DEEP_ARCHIVE"));
        assert!(message("version = \"2026-07-01\"", "version = \"July\"").contains("2026-07-01"));
    }

    #[test]
    fn the_first_gigabytes_that_leave_in_a_month_are_free() {
        let table = PriceTable::parse(EMBEDDED[0]).unwrap();
        assert_eq!(table.transfer(0, 100 * GB), Money::ZERO);
        assert_eq!(table.transfer(0, 1024 * GB).to_string(), "83.16");
        assert_eq!(table.transfer(100 * GB, GB).to_string(), "0.09");
        assert_eq!(table.transfer(99 * GB, 2 * GB).to_string(), "0.09");
    }

    #[test]
    fn the_age_of_prices_is_told_in_days() {
        let table = PriceTable::parse(EMBEDDED[0]).unwrap();
        let at = |secs| table.with_age(Timestamp::new(secs, 0));
        assert_eq!(at(1_795_219_200), "prices of 2026-07-01 (us-east-1), 143 days old");
        assert!(at(0).ends_with("dated in the future"));
    }
}
