//! When the small packs that wait in the arena become one pack of their archive class.

use std::time::Duration;

/// Counted for each archive class by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MergeRule {
    /// Packs are merged when they hold this much together …
    pub at_bytes: u64,
    /// … or when the oldest has waited so long, and together they are worth it.
    pub after: Duration,
}

impl MergeRule {
    /// However long it waited, less is not merged: 1 MiB by default. Of less, what an archive takes for each object (requests,
    /// 40 KiB of its own) would eat up a fifth and more of what the bytes save in a year.
    pub fn least_bytes(&self) -> u64 {
        self.at_bytes / 256
    }

    /// May packs of together `bytes`, the oldest waiting since `since_ms`, be merged at `now_ms`?
    pub fn is_due(&self, bytes: u64, since_ms: i64, now_ms: i64) -> bool {
        bytes >= self.at_bytes || (bytes >= self.least_bytes() && now_ms >= self.latest_ms(since_ms))
    }

    /// Until when a pack waits that came at `since_ms`.
    pub fn latest_ms(&self, since_ms: i64) -> i64 {
        since_ms.saturating_add(i64::try_from(self.after.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Default for MergeRule {
    fn default() -> Self {
        Self { at_bytes: 256 << 20, after: Duration::from_secs(30 * 24 * 3600) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_are_merged_when_they_are_many_or_old_and_worth_it() {
        let rule = MergeRule::default();
        let month = 30 * 24 * 3600 * 1000;
        assert!(rule.is_due(256 << 20, 0, 0));
        assert!(!rule.is_due((256 << 20) - 1, 0, month - 1));
        assert!(rule.is_due(1 << 20, 0, month));
        assert!(!rule.is_due((1 << 20) - 1, 0, 12 * month), "too little for an object of its own");
        assert!(!rule.is_due(1 << 20, month, 0), "a clock that was set back makes nothing old");
    }
}
