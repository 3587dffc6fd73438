//! What getting data back costs, by how fast: words and JSON.

use serde_json::{Value, json};

use super::error::CliError;
use crate::cost::{PriceTable, RestoreCost, RestoreOptions, Wanted, restore};
use crate::status::{counted, span};
use crate::store::ThawTier;

/// The same data by each tier that all its classes offer.
pub(super) struct WaysBack {
    ways: Vec<(ThawTier, RestoreCost)>,
    /// Thawed copies stay so long.
    days: u32,
}

impl WaysBack {
    /// Where nothing must be thawed there is one way.
    pub(super) fn new(table: &PriceTable, wanted: &[Wanted], days: u32) -> Result<Self, CliError> {
        let needs_thaw = wanted.iter().any(|wanted| !wanted.class.reads_at_once() && wanted.objects > 0);
        let tiers = [ThawTier::Bulk, ThawTier::Standard, ThawTier::Expedited];
        let mut ways = Vec::new();
        for tier in tiers.into_iter().take(if needs_thaw { 3 } else { 1 }) {
            let options = RestoreOptions { tier, days, transferred_before: 0, in_region: false };
            ways.extend(restore(table, wanted, &options)?.map(|cost| (tier, cost)));
        }
        Ok(Self { ways, days })
    }

    pub(super) fn lines(&self, table: &PriceTable) -> Vec<String> {
        let show = |money| table.currency.show(money);
        let mut lines = Vec::new();
        for (tier, cost) in &self.ways {
            lines.push(format!("  {:<49}{:>16}", name(*tier, cost), show(cost.total())));
            let archive = cost.requests + cost.retrieval + cost.copies;
            if !archive.is_zero() {
                lines.push(format!("    {:<47}{:>16}", "of that asking for it, thawed copies", show(archive)));
            }
            lines.push(format!("    {:<47}{:>16}", "of that sending it over the internet", show(cost.transfer)));
        }
        lines
    }

    pub(super) fn assumed(&self) -> Vec<String> {
        let mut assumed = vec!["nothing else left the account over the internet in the same month".to_owned()];
        if self.ways.iter().any(|(_, cost)| cost.minutes > 0) {
            assumed.push(format!("thawed copies stay {}", counted(u64::from(self.days), "day", "days")));
        }
        assumed
    }

    pub(super) fn tiers(&self) -> impl Iterator<Item = ThawTier> {
        self.ways.iter().map(|(tier, _)| *tier)
    }

    /// `None`: some class does not offer the tier.
    pub(super) fn cost(&self, tier: ThawTier) -> Option<&RestoreCost> {
        self.ways.iter().find(|(other, _)| *other == tier).map(|(_, cost)| cost)
    }

    pub(super) fn json(&self) -> Value {
        let way = |(tier, cost): &(ThawTier, RestoreCost)| {
            json!({
                "tier": (cost.minutes > 0).then(|| word(*tier)), "minutes": cost.minutes,
                "total": cost.total().to_string(), "requests": cost.requests.to_string(),
                "retrieval": cost.retrieval.to_string(), "copies": cost.copies.to_string(),
                "reads": cost.reads.to_string(), "transfer": cost.transfer.to_string(),
            })
        };
        self.ways.iter().map(way).collect()
    }
}

fn name(tier: ThawTier, cost: &RestoreCost) -> String {
    match cost.minutes {
        0 => "at once".to_owned(),
        minutes => format!("{}: readable within {}", word(tier), span(u64::from(minutes) * 60)),
    }
}

pub(super) fn word(tier: ThawTier) -> &'static str {
    match tier {
        ThawTier::Bulk => "bulk",
        ThawTier::Standard => "standard",
        ThawTier::Expedited => "expedited",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Billed, PriceFiles, prices_for};
    use crate::model::StorageClass;

    #[test]
    fn where_everything_is_thawed_there_is_one_way() {
        let aws = Billed::Aws { region: "us-east-1".into(), assumed: false };
        let table = prices_for(&aws, &PriceFiles::default()).unwrap().unwrap();
        let ways = |objects| {
            let wanted = Wanted { class: StorageClass::Glacier, objects, object_bytes: 9, read_bytes: 9, reads: 1 };
            WaysBack::new(&table, &[wanted], 7).unwrap()
        };
        let thawed = ways(0).lines(&table);
        assert_eq!(thawed.iter().filter(|line| line.contains("at once")).count(), 1, "{thawed:#?}");
        assert_eq!(ways(1).lines(&table).iter().filter(|line| line.contains("readable within")).count(), 3);
    }
}
