//! Prices by the GB that fall with the volume of a month.

use std::fmt;

use serde::de::value::{SeqAccessDeserializer, StrDeserializer};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::money::{GB, Money, Price};

/// Bands that follow one another; the last has no end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tiers(Vec<Tier>);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tier {
    /// Where the band ends, counted from the first GB of the month; the last band has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upto_gb: Option<u64>,
    pub(super) price: Price,
}

impl Tiers {
    pub fn one(price: Price) -> Self {
        Self(vec![Tier { upto_gb: None, price }])
    }

    /// Their ends must grow, and only the last has none.
    pub(super) fn new(tiers: Vec<Tier>) -> Result<Self, &'static str> {
        let ends: Vec<u64> = tiers.iter().map_while(|tier| tier.upto_gb).collect();
        if tiers.last().is_none_or(|last| last.upto_gb.is_some()) {
            return Err("the last band must not have upto_gb: it is for everything beyond");
        }
        if ends.len() + 1 != tiers.len() {
            return Err("each band but the last must have upto_gb");
        }
        if !ends.is_sorted_by(|a, b| a < b) {
            return Err("upto_gb must grow from band to band");
        }
        Ok(Self(tiers))
    }

    /// What the next `bytes` cost when `before` were used in this month.
    pub fn cost(&self, before: u64, bytes: u64) -> Money {
        let end = before.saturating_add(bytes);
        let mut begin = before;
        let mut cost = Money::ZERO;
        for tier in &self.0 {
            let upto = tier.upto_gb.map_or(end, |gb| gb.saturating_mul(GB).min(end));
            cost += tier.price.for_bytes(upto.saturating_sub(begin));
            begin = begin.max(upto);
        }
        cost
    }

    pub(super) fn is_free(&self) -> bool {
        self.0.iter().all(|tier| tier.price == Price::ZERO)
    }

    /// Of the first band.
    pub fn first(&self) -> Price {
        self.0.first().map(|tier| tier.price).unwrap_or_default()
    }
}

impl Serialize for Tiers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [only] => only.price.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Tiers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TiersVisitor)
    }
}

struct TiersVisitor;

impl<'de> Visitor<'de> for TiersVisitor {
    type Value = Tiers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a price in quotes, such as \"0.023\", or a list of bands")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Tiers, E> {
        Price::deserialize(StrDeserializer::new(text)).map(Tiers::one)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, bands: A) -> Result<Tiers, A::Error> {
        let bands = Vec::deserialize(SeqAccessDeserializer::new(bands))?;
        Tiers::new(bands).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiers(ends: &[Option<u64>]) -> Result<Tiers, &'static str> {
        let price = |n: usize| Price::parse(&format!("0.{}", 9 - n)).unwrap();
        Tiers::new(ends.iter().enumerate().map(|(n, end)| Tier { upto_gb: *end, price: price(n) }).collect())
    }

    #[test]
    fn each_band_is_paid_for_at_its_own_price() {
        let tiers = tiers(&[Some(10), Some(30), None]).unwrap();
        let cost = |before: u64, gb: u64| tiers.cost(before * GB, gb * GB).to_string();
        assert_eq!(cost(0, 10), "9.00");
        assert_eq!(cost(0, 11), "9.80");
        assert_eq!(cost(0, 40), "32.00");
        assert_eq!(cost(30, 10), "7.00");
        assert_eq!(cost(9, 2), "1.70");
        assert_eq!(
            tiers.cost(u64::MAX, u64::MAX),
            Money::ZERO,
            "a volume that does not fit ends at the largest number"
        );
    }

    #[test]
    fn bands_that_leave_a_gap_or_have_no_end_are_refused() {
        assert!(tiers(&[]).is_err());
        assert!(tiers(&[Some(10)]).is_err());
        assert!(tiers(&[None, None]).is_err());
        assert!(tiers(&[Some(10), Some(10), None]).is_err());
        assert!(tiers(&[None]).is_ok());
    }
}
