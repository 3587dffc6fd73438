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

/// Too large a batch lets workers wait at the end.
pub(super) const MAX_ITEMS: usize = 512;

/// Bundles of a batch, which are in memory at once.
pub(super) const MAX_BUNDLES: usize = 4;

/// Gathers items in tree order. A batch ends where a bundle ends, so that one worker gets all files of a bundle; from a target
/// that is far it takes several bundles, which one request may bring. Each item holds its directory open, so a batch ends
/// before it has items of too many.
pub(super) struct BatchBuilder {
    items: Vec<Item>,
    bytes: u64,
    bundles: Vec<ChunkId>,
    /// Directories that the items lie in.
    dirs: usize,
    max_dirs: usize,
    is_far: bool,
}

impl BatchBuilder {
    /// Too small a batch costs hand-overs.
    const MIN_ITEMS: usize = 16;
    const MAX_BYTES: u64 = 4 << 20;

    pub fn new(is_far: bool, max_dirs: usize) -> Self {
        Self { items: vec![], bytes: 0, bundles: vec![], dirs: 0, max_dirs, is_far }
    }

    /// Gives back the batch that ends before this item.
    pub fn push(&mut self, item: Item) -> Option<Vec<Item>> {
        let bundle = match &item.entry.content {
            Some(Content::Bundled { bundle, .. }) => Some(*bundle),
            _ => None,
        };
        let is_full = self.items.len() >= MAX_ITEMS
            || (self.dirs >= self.max_dirs && self.goes_elsewhere(&item))
            || self.bytes >= Self::MAX_BYTES
            || bundle.is_some_and(|bundle| !self.bundles.contains(&bundle) && self.ends_before_another_bundle());
        let full = if is_full { self.take() } else { None };
        self.dirs += usize::from(self.goes_elsewhere(&item));
        self.bytes += item.entry.size;
        self.bundles.extend(bundle.filter(|bundle| !self.bundles.contains(bundle)));
        self.items.push(item);
        full
    }

    /// Items come directory by directory.
    fn goes_elsewhere(&self, item: &Item) -> bool {
        self.items.last().is_none_or(|last| !Arc::ptr_eq(&last.dir, &item.dir))
    }

    fn ends_before_another_bundle(&self) -> bool {
        match self.is_far {
            true => self.bundles.len() >= MAX_BUNDLES,
            false => !self.bundles.is_empty() && self.items.len() >= Self::MIN_ITEMS,
        }
    }

    pub fn take(&mut self) -> Option<Vec<Item>> {
        let full = std::mem::replace(self, Self::new(self.is_far, self.max_dirs));
        (!full.items.is_empty()).then_some(full.items)
    }
}
