//! A point in time as filesystems keep it.

use minicbor::{Decode, Encode};

/// Seconds and nanoseconds since 1970-01-01 UTC; before it `secs` is negative, `nanos` always counts forward.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode)]
#[cbor(array)]
pub struct Timestamp {
    #[n(0)]
    pub secs: i64,
    /// 0 ..= 999,999,999
    #[n(1)]
    pub nanos: u32,
}

impl Timestamp {
    pub fn new(secs: i64, nanos: u32) -> Self {
        Self { secs, nanos }
    }

    pub fn from_millis(ms: i64) -> Self {
        let nanos = u32::try_from(ms.rem_euclid(1000)).expect("below a thousand") * 1_000_000;
        Self { secs: ms.div_euclid(1000), nanos }
    }

    /// Rounded down.
    pub fn millis(self) -> i64 {
        self.secs.saturating_mul(1000).saturating_add(i64::from(self.nanos / 1_000_000))
    }

    pub fn as_nanos(self) -> i128 {
        i128::from(self.secs) * 1_000_000_000 + i128::from(self.nanos)
    }
}
