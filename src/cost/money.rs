//! Amounts and prices, exact.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::status::grouped;

/// Bytes of a "GB" on a bill.
pub(super) const GB: u64 = 1 << 30;
/// Decimals that are kept.
const DECIMALS: usize = 12;
const PICO: i128 = 1_000_000_000_000;
const CENT: i128 = PICO / 100;

/// An amount in 10⁻¹² of the currency's unit. Sums stop at the ends of the range, far beyond any bill.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Money(i128);

/// What one unit of something costs (a GB, a GB and month, a thousand requests), never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Price(u64);

impl Price {
    pub const ZERO: Price = Price(0);
    /// A million for one unit: a dearer one is a wrong table. With it `Price · u64` stays below 2¹²⁷.
    const MAX: u64 = 1_000_000 * PICO as u64;

    /// A plain decimal such as `0.00099`; at most 12 decimals, no sign, no exponent.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return None;
        }
        let decimals = decimals.trim_end_matches('0');
        if decimals.len() > DECIMALS {
            return None;
        }
        let pico = format!("{whole}{decimals:0<DECIMALS$}").parse().ok()?;
        (pico <= Self::MAX).then_some(Self(pico))
    }

    /// One of it.
    pub fn once(self) -> Money {
        Money(i128::from(self.0))
    }

    /// Sold by the GB.
    pub(super) fn for_bytes(self, bytes: u64) -> Money {
        self.fraction(bytes, GB)
    }

    /// Sold by the thousand.
    pub(super) fn for_each(self, count: u64) -> Money {
        self.fraction(count, 1000)
    }

    /// The price of a thousand, where one costs this.
    pub(super) fn per_1000(self) -> Option<Price> {
        self.0.checked_mul(1000).filter(|pico| *pico <= Self::MAX).map(Price)
    }

    /// `self · count / of`, to the nearest; see [`Price::MAX`].
    fn fraction(self, count: u64, of: u64) -> Money {
        let product = i128::from(self.0) * i128::from(count);
        Money((product + i128::from(of / 2)) / i128::from(of))
    }
}

impl Money {
    pub const ZERO: Money = Money(0);

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The share `part / whole`, to the nearest; of a `whole` of 0 it is nothing.
    pub(super) fn share(self, part: u32, whole: u32) -> Money {
        if whole == 0 {
            return Money::ZERO;
        }
        let (part, whole) = (i128::from(part), i128::from(whole));
        // whole units first, so that only a result that does not fit is cut
        let (units, rest) = (self.0.div_euclid(whole), self.0.rem_euclid(whole));
        Money(units.saturating_mul(part).saturating_add((rest * part + whole / 2) / whole))
    }

    /// How many thousandths of `other` this is, to the nearest; `None` where `other` is nothing or less.
    pub(super) fn thousandths_of(self, other: Money) -> Option<i128> {
        (other.0 > 0).then(|| (self.0.saturating_mul(1000).saturating_add(other.0 / 2)).div_euclid(other.0))
    }

    /// To the nearest, halves up.
    pub fn cents(self) -> i128 {
        (self.0 + CENT / 2).div_euclid(CENT)
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Add::add)
    }
}

/// The exact decimal, for programs: at least two decimals, no more than needed.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let pico = self.0.unsigned_abs();
        let decimals = format!("{:0DECIMALS$}", pico % PICO as u128);
        write!(f, "{sign}{}.{:0<2}", pico / PICO as u128, decimals.trim_end_matches('0'))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Money(i128::from(self.0)).fmt(f)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PriceVisitor)
    }
}

struct PriceVisitor;

impl Visitor<'_> for PriceVisitor {
    type Value = Price;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a price in quotes, such as \"0.023\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Price, E> {
        Price::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// Three capital letters, such as `USD`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(String);

impl Currency {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For people, to the cent. Something is never shown as nothing.
    pub fn show(&self, money: Money) -> String {
        let cents = money.cents().unsigned_abs();
        if cents == 0 && !money.is_zero() {
            return format!("under {}", self.with_unit("", "0.01"));
        }
        let sign = if money.0 < 0 { "-" } else { "" };
        let whole = grouped(u64::try_from(cents / 100).unwrap_or(u64::MAX));
        self.with_unit(sign, &format!("{whole}.{:02}", cents % 100))
    }

    fn with_unit(&self, sign: &str, amount: &str) -> String {
        match self.0.as_str() {
            "USD" => format!("{sign}${amount}"),
            other => format!("{sign}{amount} {other}"),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            true => Ok(Self(text)),
            false => Err(format!("{text:?} is no currency: three capital letters, such as \"USD\"")),
        }
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        Price::parse(text).unwrap_or_else(|| panic!("{text} is a price"))
    }

    fn dollars(money: Money) -> String {
        Currency("USD".into()).show(money)
    }

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        assert_eq!(price("0.00099"), Price(990_000_000));
        assert_eq!(price("0.0000004000"), Price(400_000));
        assert_eq!(price("10"), price("10.000000000000000"));
        assert_eq!(price("0.000000000001"), Price(1));
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            " 1",
            "0.0000000000001",
            "1000000.1",
            "9".repeat(40).as_str(),
        ] {
            assert_eq!(Price::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn prices_print_as_they_are_read() {
        for text in ["0.023", "0.00099", "10.00", "0.00", "0.000000000001", "1000000.00"] {
            assert_eq!(price(text).to_string(), text);
        }
    }

    #[test]
    fn the_largest_price_of_the_largest_number_of_bytes_does_not_overflow() {
        let most = price("1000000").for_bytes(u64::MAX);
        assert_eq!(most.to_string(), "17179869183999999.999068677425");
        assert_eq!(most.share(u32::MAX, 1).share(u32::MAX, 1).share(u32::MAX, 1), Money(i128::MAX));
    }

    #[test]
    fn a_person_reads_cents_and_never_nothing_where_there_is_something() {
        assert_eq!(dollars(Money::ZERO), "$0.00");
        assert_eq!(dollars(Money(1)), "under $0.01");
        assert_eq!(dollars(Money(CENT / 2)), "$0.01");
        assert_eq!(dollars(price("234567.005").0.into()), "$234,567.01");
        assert_eq!(Currency("EUR".into()).show(price("1.5").0.into()), "1.50 EUR");
        assert_eq!(Currency("EUR".into()).show(Money(1)), "under 0.01 EUR");
    }

    #[test]
    fn shares_are_exact_to_the_nearest() {
        assert_eq!(Money(100).share(150, 30), Money(500));
        assert_eq!(Money(100).share(1, 3), Money(33));
        assert_eq!(Money(5).share(1, 0), Money::ZERO);
        assert_eq!(Money(99).thousandths_of(Money(100)), Some(990));
        assert_eq!(Money(99).thousandths_of(Money::ZERO), None);
    }

    impl From<u64> for Money {
        fn from(pico: u64) -> Money {
            Money(i128::from(pico))
        }
    }
}
