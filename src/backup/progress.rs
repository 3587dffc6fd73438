//! How far a run is: counters that any thread may read while it goes on.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::store::Limiter;

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
    /// Frames with content that were put into packs, and the content in them.
    packed: AtomicU64,
    packed_content: AtomicU64,
    /// What sends the packs, and how much that had sent before.
    line: OnceLock<(Limiter, u64)>,
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
        let bytes = self.bytes_unchanged.load(Ordering::Relaxed) + self.stored();
        (self.entries.load(Ordering::Relaxed), bytes)
    }

    /// Bytes of files that this run has read and that are in the target: what was read already waits in packs, on a slow line for
    /// long. Of a pack that is on its way the part that was sent counts.
    pub fn stored(&self) -> u64 {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let sent = self.line.get().map_or(0, |(line, before)| line.sent().saturating_sub(*before));
        let waiting = still_waiting(of(&self.packed), of(&self.packed_content), sent.max(of(&self.bytes_stored)));
        of(&self.bytes_read).saturating_sub(waiting)
    }

    /// Once, before anything is sent.
    pub(super) fn follow(&self, line: &Limiter) {
        self.line.get_or_init(|| (line.clone(), line.sent()));
    }

    pub(super) fn packed(&self, frame: u64, content: u64) {
        Self::add(&self.packed, frame);
        Self::add(&self.packed_content, content);
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

/// The share of the content whose frames were not sent yet.
fn still_waiting(packed: u64, content: u64, sent: u64) -> u64 {
    if packed == 0 {
        return 0;
    }
    let left = u128::from(content) * u128::from(packed.saturating_sub(sent)) / u128::from(packed);
    u64::try_from(left).expect("a part of the content")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_in_packs_is_not_stored() {
        let progress = Progress::default();
        Progress::add(&progress.bytes_read, 1000);
        assert_eq!(progress.done().1, 1000, "it was there already");
        progress.packed(200, 800);
        assert_eq!(progress.done().1, 200);
        Progress::add(&progress.bytes_stored, 50);
        assert_eq!((progress.stored(), progress.done().1), (400, 400));
        Progress::add(&progress.bytes_unchanged, 7);
        // packs have more in them than frames
        Progress::add(&progress.bytes_stored, 170);
        assert_eq!((progress.stored(), progress.done().1), (1000, 1007));
        assert_eq!(still_waiting(u64::MAX, u64::MAX, 0), u64::MAX);
    }
}
