//! How far a run is: counters that any thread may read while it goes on.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Starting,
    Scanning,
    Committing,
    Done,
}

/// Shared by the threads of a run and whoever shows it.
#[derive(Default)]
pub struct Progress {
    phase: AtomicU8,
    /// Entries compared.
    pub entries: AtomicU64,
    /// Bytes of files that were as before.
    pub bytes_unchanged: AtomicU64,
    pub files_read: AtomicU64,
    pub bytes_read: AtomicU64,
    /// Bytes handed to the target: packs, index objects, manifests.
    pub bytes_stored: AtomicU64,
    pub problems: AtomicU64,
    /// Set once an independent count of the roots is complete: only then an ETA is true.
    total_known: AtomicBool,
    total_files: AtomicU64,
    total_bytes: AtomicU64,
    current: Mutex<String>,
}

impl Progress {
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Scanning,
            2 => Phase::Committing,
            _ => Phase::Done,
        }
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Entries compared, and bytes of files that are stored, by this run or before.
    pub fn done(&self) -> (u64, u64) {
        let bytes = self.bytes_unchanged.load(Ordering::Relaxed) + self.bytes_read.load(Ordering::Relaxed);
        (self.entries.load(Ordering::Relaxed), bytes)
    }

    /// Files and bytes in all roots, if they have been counted.
    pub fn total(&self) -> Option<(u64, u64)> {
        let known = self.total_known.load(Ordering::Acquire);
        known.then(|| (self.total_files.load(Ordering::Relaxed), self.total_bytes.load(Ordering::Relaxed)))
    }

    /// Whoever counts the roots beside the run says what it found.
    pub fn set_total(&self, files: u64, bytes: u64) {
        self.total_files.store(files, Ordering::Relaxed);
        self.total_bytes.store(bytes, Ordering::Relaxed);
        self.total_known.store(true, Ordering::Release);
    }

    /// The root that is being read.
    pub fn current(&self) -> String {
        self.current.lock().map(|text| text.clone()).unwrap_or_default()
    }

    pub(super) fn set_current(&self, root: &str) {
        if let Ok(mut text) = self.current.lock() {
            root.clone_into(&mut text);
        }
    }

    pub(super) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}
