//! Bundles that were opened: each is read once and shared by the files in it, whichever worker restores them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::model::ChunkId;
use crate::repo::{ContentError, Contents, RepoError};

/// Bounds the memory of all workers together; a bundle is about 1 MiB.
const MAX_BYTES: usize = 32 << 20;

/// A damaged bundle is remembered as well: it may hold a thousand files.
type Opened = Result<Arc<Vec<u8>>, Arc<RepoError>>;

#[derive(Default)]
pub(super) struct Bundles(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    bytes: usize,
    /// The one used last stands at the end.
    recent: VecDeque<(ChunkId, Opened)>,
}

impl Bundles {
    pub fn open(&self, contents: &Contents, id: &ChunkId) -> Result<Arc<Vec<u8>>, ContentError> {
        let kept = self.0.lock().expect("nothing panics while it is held").find(id);
        let opened = match kept {
            Some(opened) => opened,
            None => {
                // two workers may open the same bundle at once: rare, and cheaper than waiting for each other
                let opened = contents.chunk(id).map(Arc::new).map_err(Arc::new);
                self.0.lock().expect("nothing panics while it is held").keep(*id, opened.clone());
                opened
            }
        };
        opened.map_err(ContentError::Chunk)
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
