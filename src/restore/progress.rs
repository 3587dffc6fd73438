//! How far a restore is: counters that others may read at any time, and the way to stop it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Shared between the restore and whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    entries: AtomicU64,
    bytes: AtomicU64,
    problems: AtomicU64,
    has_total: AtomicBool,
    total_entries: AtomicU64,
    total_bytes: AtomicU64,
    stop: AtomicBool,
}

/// One reading of the counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProgressNow {
    /// Entries that are done: restored, skipped or failed.
    pub entries: u64,
    pub bytes: u64,
    pub problems: u64,
    /// Entries and bytes, where they are known.
    pub total: Option<(u64, u64)>,
}

impl Progress {
    pub fn now(&self) -> ProgressNow {
        let total = || (self.total_entries.load(Relaxed), self.total_bytes.load(Relaxed));
        ProgressNow {
            entries: self.entries.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            problems: self.problems.load(Relaxed),
            total: self.has_total.load(Relaxed).then(total),
        }
    }

    /// The restore ends soon with [`super::RestoreError::Interrupted`].
    pub fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    pub(super) fn expect(&self, total: Option<(u64, u64)>) {
        if let Some((entries, bytes)) = total {
            self.total_entries.store(entries, Relaxed);
            self.total_bytes.store(bytes, Relaxed);
            self.has_total.store(true, Relaxed);
        }
    }

    pub(super) fn entry(&self) {
        self.entries.fetch_add(1, Relaxed);
    }

    pub(super) fn bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn problem(&self) {
        self.problems.fetch_add(1, Relaxed);
    }
}
