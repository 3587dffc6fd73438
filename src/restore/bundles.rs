//! Bundles that were opened: each is read once and shared by the files in it, whichever worker restores them.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::model::ChunkId;
use crate::repo::{Ahead, RepoError};

/// Bounds the memory of all workers together; a bundle is about 1 MiB.
const MAX_BYTES: usize = 32 << 20;

/// A damaged bundle is remembered as well: it may hold a thousand files.
pub(super) type Opened = Result<Arc<Vec<u8>>, Arc<RepoError>>;

/// Who wants a bundle that another worker is reading waits for it. Nobody waits while others may wait for him: claims are
/// settled first.
#[derive(Default)]
pub(super) struct Bundles {
    kept: Mutex<Kept>,
    settled: Condvar,
}

#[derive(Default)]
struct Kept {
    bytes: usize,
    /// The one used last stands at the end.
    recent: VecDeque<(ChunkId, Opened)>,
    /// Claimed and not yet settled.
    coming: HashSet<ChunkId>,
}

/// A bundle that its owner reads, and nobody else. Given up when it is dropped.
pub(super) struct Claim<'b> {
    bundles: &'b Bundles,
    pub id: ChunkId,
}

impl Bundles {
    /// `ahead` is asked when nobody has it or is reading it.
    pub fn open(&self, ahead: &mut Ahead<'_>, id: &ChunkId) -> Opened {
        let mut kept = self.kept();
        loop {
            if let Some(opened) = kept.find(id) {
                return opened;
            }
            if kept.coming.insert(*id) {
                break;
            }
            kept = self.settled.wait(kept).expect("nothing panics while it is held");
        }
        drop(kept);
        Claim { bundles: self, id: *id }.settle(ahead)
    }

    /// `None`: it is there, or somebody is reading it.
    pub fn claim(&self, id: &ChunkId) -> Option<Claim<'_>> {
        let mut kept = self.kept();
        let is_new = kept.find(id).is_none() && kept.coming.insert(*id);
        // made only when it is ours: dropping a claim gives it up
        is_new.then(|| Claim { bundles: self, id: *id })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nothing panics while it is held")
    }
}

impl Claim<'_> {
    /// Reads it, for all who wait.
    pub fn settle(self, ahead: &mut Ahead<'_>) -> Opened {
        let opened = ahead.chunk(&self.id).map(Arc::new).map_err(Arc::new);
        self.bundles.kept().keep(self.id, opened.clone());
        opened
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // not while a panic is being reported: whoever waits then ends with the restore
        if let Ok(mut kept) = self.bundles.kept.lock() {
            kept.coming.remove(&self.id);
        }
        self.bundles.settled.notify_all();
    }
}

impl Kept {
    fn find(&mut self, id: &ChunkId) -> Option<Opened> {
        let at = self.recent.iter().rposition(|(known, _)| known == id)?;
        let found = self.recent.remove(at)?;
        let opened = found.1.clone();
        self.recent.push_back(found);
        Some(opened)
    }

    fn keep(&mut self, id: ChunkId, opened: Opened) {
        self.bytes += size(&opened);
        self.recent.push_back((id, opened));
        while self.bytes > MAX_BYTES && self.recent.len() > 1 {
            if let Some((_, oldest)) = self.recent.pop_front() {
                self.bytes -= size(&oldest);
            }
        }
    }
}

fn size(opened: &Opened) -> usize {
    // an error is small, but it must not be kept for nothing
    opened.as_ref().map_or(1024, |bytes| bytes.len())
}
