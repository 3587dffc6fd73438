//! What workers get: small files in batches, large ones in parts.

use std::sync::Arc;

use super::large::LargePart;
use crate::model::{ChunkId, Content, Entry, RelPath};
use crate::source::DestDir;

/// One name to be restored into an open directory. Not for directories.
#[derive(Debug)]
pub(super) struct Item {
    pub dir: Arc<DestDir>,
    pub name: Vec<u8>,
    pub entry: Entry,
}

impl Item {
    pub fn path(&self) -> RelPath {
        self.dir.path().join(&self.name)
    }
}

pub(super) enum Job {
    Batch(Vec<Item>),
    Part(LargePart),
}

/// Gathers items in tree order. A batch ends where a bundle ends, so that one worker gets all files of a bundle.
#[derive(Default)]
pub(super) struct BatchBuilder {
    items: Vec<Item>,
    bytes: u64,
    bundle: Option<ChunkId>,
}

impl BatchBuilder {
    /// Too small a batch costs hand-overs, too large a one lets workers wait at the end.
    const MIN_ITEMS: usize = 16;
    const MAX_ITEMS: usize = 512;
    const MAX_BYTES: u64 = 4 << 20;

    /// Gives back the batch that ends before this item.
    pub fn push(&mut self, item: Item) -> Option<Vec<Item>> {
        let bundle = match &item.entry.content {
            Some(Content::Bundled { bundle, .. }) => Some(*bundle),
            _ => None,
        };
        let other_bundle = bundle.is_some() && self.bundle.is_some() && bundle != self.bundle;
        let is_full = self.items.len() >= Self::MAX_ITEMS
            || self.bytes >= Self::MAX_BYTES
            || other_bundle && self.items.len() >= Self::MIN_ITEMS;
        let full = if is_full { self.take() } else { None };
        self.bytes += item.entry.size;
        self.bundle = bundle.or(self.bundle);
        self.items.push(item);
        full
    }

    pub fn take(&mut self) -> Option<Vec<Item>> {
        let items = std::mem::take(self).items;
        (!items.is_empty()).then_some(items)
    }
}
