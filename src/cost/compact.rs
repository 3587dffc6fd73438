//! Whether storing the live part of a pack anew, to delete the pack, pays for itself.

use std::fmt;

use super::money::Money;
use super::prune::{MONTH_DAYS, early_deletion};
use super::table::PriceTable;
use super::{CostError, UploadShape, upload};
use crate::model::StorageClass;
use crate::store::ThawTier;

/// Where the live content comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompactionSource {
    /// The files that it came from are still there.
    LocalFiles,
    /// The pack, read by a machine in its region. The tier counts for archives only.
    InRegion { tier: ThawTier },
    /// The pack, read by this machine: what is live is sent out first. Counted as beyond what is free.
    Download { tier: ThawTier },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Compaction {
    pub class: StorageClass,
    /// Of the old pack.
    pub bytes: u64,
    pub live_bytes: u64,
    pub age_days: u32,
    pub part_bytes: u64,
    /// A thawed copy stays so long.
    pub thaw_days: u32,
    pub source: CompactionSource,
}

/// A time in thousandths of a month.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Months(pub i128);

impl Compaction {
    /// Once. `None` where the class does not offer the tier.
    pub fn cost(&self, table: &PriceTable) -> Result<Option<Money>, CostError> {
        let Some(read) = self.read(table)? else { return Ok(None) };
        let part_bytes = Some(self.part_bytes);
        let new = UploadShape { class: self.class, objects: 1, bytes: self.live_bytes, part_bytes, staged_hours: 0 };
        Ok(Some(early_deletion(table, self.class, self.bytes, self.age_days)? + read + upload(table, &new)?))
    }

    /// Every month after.
    pub fn gain_per_month(&self, table: &PriceTable) -> Result<Money, CostError> {
        Ok(table.class(self.class)?.month(self.bytes.saturating_sub(self.live_bytes)))
    }

    /// How long it takes until it has paid for itself; `None`: never, or it cannot be done so.
    pub fn pays_back_after(&self, table: &PriceTable) -> Result<Option<Months>, CostError> {
        let gain = self.gain_per_month(table)?;
        Ok(self.cost(table)?.and_then(|cost| cost.thousandths_of(gain)).map(Months))
    }

    fn read(&self, table: &PriceTable) -> Result<Option<Money>, CostError> {
        let beyond_free = table.transfer_out.free_gb.saturating_mul(super::money::GB);
        let (tier, sent) = match self.source {
            CompactionSource::LocalFiles => return Ok(Some(Money::ZERO)),
            CompactionSource::InRegion { tier } => (tier, Money::ZERO),
            CompactionSource::Download { tier } => (tier, table.transfer(beyond_free, self.live_bytes)),
        };
        let prices = table.class(self.class)?;
        let read = prices.read_gb.for_bytes(self.live_bytes) + sent;
        if self.class.reads_at_once() {
            return Ok(Some(read));
        }
        let Some(thaw) = prices.thaw(tier) else { return Ok(None) };
        let copy = table.standard()?.month(self.bytes).share(self.thaw_days, MONTH_DAYS);
        Ok(Some(read + thaw.request_per_1000.for_each(1) + thaw.gb.for_bytes(self.bytes) + copy))
    }
}

impl fmt::Display for Months {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 + 50) / 100 {
            0 => f.write_str("under 0.1 months"),
            tenths => write!(f, "{}.{} months", tenths / 10, tenths % 10),
        }
    }
}
