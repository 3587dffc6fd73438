//! Small files gathered in the order of the walk.

use std::ops::Range;

use crate::model::{Content, Entry, FileId};
use crate::tree::TreeKey;

/// Files of up to this many data bytes are bundled.
pub(super) const SMALL_FILE: u64 = 128 << 10;
/// A bundle is closed when it holds this much.
pub(super) const BUNDLE: usize = 1 << 20;
/// … or this many files.
pub(super) const BUNDLE_FILES: usize = 4096;

/// Small files whose data lies in one buffer, one behind the other.
pub(super) struct Batch {
    pub data: Vec<u8>,
    pub files: Vec<BatchFile>,
}

pub(super) struct BatchFile {
    pub key: TreeKey,
    pub entry: Entry,
    /// In the batch's data.
    pub range: Range<usize>,
}

impl Batch {
    /// Has room for all that may come, so that nothing is moved while it grows.
    pub fn new() -> Self {
        Self { data: Vec::with_capacity(BUNDLE + SMALL_FILE as usize), files: Vec::new() }
    }

    pub fn is_full(&self) -> bool {
        self.data.len() >= BUNDLE || self.files.len() >= BUNDLE_FILES
    }

    /// Leaves only the given files in `data`, in order; the ranges move with them.
    pub fn keep(&mut self, wanted: &[bool]) {
        if wanted.iter().all(|wanted| *wanted) {
            return;
        }
        let mut end = 0;
        for (file, wanted) in self.files.iter_mut().zip(wanted) {
            if *wanted {
                let len = file.range.len();
                self.data.copy_within(file.range.clone(), end);
                file.range = end..end + len;
                end += len;
            }
        }
        self.data.truncate(end);
    }
}

impl BatchFile {
    pub fn place(&mut self, id: FileId, bundle: crate::model::ChunkId, offset: u32) {
        let len = self.range.len() as u32;
        self.entry.content = Some(Content::Bundled { id, bundle, offset, len });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeping_some_files_moves_their_ranges() {
        let mut batch = Batch { data: b"aabbbc".to_vec(), files: vec![] };
        for range in [0..2, 2..5, 5..6] {
            let entry = Entry::test_file(range.len() as u64);
            batch.files.push(BatchFile { key: TreeKey::default(), entry, range });
        }
        batch.keep(&[false, true, true]);
        assert_eq!(batch.data, b"bbbc");
        assert_eq!((batch.files[1].range.clone(), batch.files[2].range.clone()), (0..3, 3..4));
    }
}
