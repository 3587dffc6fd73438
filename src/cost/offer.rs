//! An offer file as AWS publishes it, as far as it is read here, and looking up one price in several of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::CostError;
use super::money::Price;
use super::tiers::{Tier, Tiers};

/// Attributes differ from product to product: what a product lacks is nothing special.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Offer {
    pub(super) offer_code: String,
    pub(super) version: String,
    pub(super) publication_date: String,
    products: BTreeMap<String, Product>,
    terms: Terms,
}

#[derive(Deserialize, Debug)]
struct Product {
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize, Debug)]
struct Terms {
    #[serde(rename = "OnDemand", default)]
    on_demand: BTreeMap<String, BTreeMap<String, Term>>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Term {
    price_dimensions: BTreeMap<String, Dimension>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    begin_range: String,
    end_range: String,
    price_per_unit: BTreeMap<String, String>,
}

/// A product of one of the files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'o> {
    offer: &'o Offer,
    sku: &'o str,
    product: &'o Product,
}

impl Offer {
    pub(super) fn read(path: &Path) -> Result<Self, CostError> {
        let bytes = fs::read(path).map_err(|source| CostError::ReadOffer { path: path.to_path_buf(), source })?;
        serde_json::from_slice(&bytes).map_err(|source| CostError::NotOffer { path: path.to_path_buf(), source })
    }

    pub(super) fn products(&self) -> impl Iterator<Item = Found<'_>> {
        self.products.iter().map(|(sku, product)| Found { offer: self, sku, product })
    }
}

impl<'o> Found<'o> {
    /// An attribute; what is not there is empty, as AWS itself writes it.
    pub(super) fn attribute(&self, name: &str) -> &'o str {
        self.product.attributes.get(name).map_or("", String::as_str)
    }

    /// All bands of the price of one unit, in their order. `what` is for errors.
    pub(super) fn bands(&self, what: &str) -> Result<Tiers, CostError> {
        let terms = self.offer.terms.on_demand.get(self.sku).into_iter().flat_map(BTreeMap::values);
        let dimensions = terms.flat_map(|term| term.price_dimensions.values());
        let mut bands = dimensions.map(|dimension| dimension.band(what)).collect::<Result<Vec<_>, _>>()?;
        bands.sort_by_key(|(begin, _)| *begin);
        let gap = || CostError::Incomplete { missing: vec![format!("all volume bands of {what}")] };
        let mut next = Some(0);
        for (begin, tier) in &bands {
            if next != Some(*begin) {
                return Err(gap());
            }
            next = tier.upto_gb;
        }
        Tiers::new(bands.into_iter().map(|(_, tier)| tier).collect()).map_err(|_| gap())
    }
}

impl Dimension {
    fn band(&self, what: &str) -> Result<(u64, Tier), CostError> {
        let bad = |text: &str| CostError::BadPrice { what: what.to_owned(), price: text.to_owned() };
        // the offers of AWS in China are in CNY
        let price = self.price_per_unit.get("USD").ok_or_else(|| CostError::NotUsd {
            what: what.to_owned(),
            currencies: self.price_per_unit.keys().cloned().collect(),
        })?;
        let begin = self.begin_range.parse().map_err(|_| bad(&self.begin_range))?;
        let upto_gb = match self.end_range.as_str() {
            "Inf" => None,
            end => Some(end.parse().map_err(|_| bad(end))?),
        };
        Ok((begin, Tier { upto_gb, price: Price::parse(price).ok_or_else(|| bad(price))? }))
    }
}
