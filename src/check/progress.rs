//! How far a check is, and the way to stop it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::CheckError;

/// Shared between the check and whoever shows it.
#[derive(Debug, Default)]
pub struct CheckProgress {
    entries: AtomicU64,
    read_bytes: AtomicU64,
    total_bytes: AtomicU64,
    stop: AtomicBool,
}

/// One reading of the counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CheckNow {
    pub entries: u64,
    /// Of pack data.
    pub read_bytes: u64,
    /// Of pack data that is to be read; 0 while that is not known and when none is.
    pub total_bytes: u64,
}

impl CheckProgress {
    pub fn now(&self) -> CheckNow {
        CheckNow {
            entries: self.entries.load(Relaxed),
            read_bytes: self.read_bytes.load(Relaxed),
            total_bytes: self.total_bytes.load(Relaxed),
        }
    }

    /// The check ends soon with [`CheckError::Interrupted`].
    pub fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    pub(super) fn go_on(&self) -> Result<(), CheckError> {
        if self.stop.load(Relaxed) { Err(CheckError::Interrupted) } else { Ok(()) }
    }

    pub(super) fn entry(&self) {
        self.entries.fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self, bytes: u64) {
        self.read_bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn expect(&self, bytes: u64) {
        self.total_bytes.store(bytes, Relaxed);
    }
}
