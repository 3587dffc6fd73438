//! Where a scan has been. On a live filesystem a place may look different a moment later, while files that were found there
//! are still being read: what is said about one place in one scan must not contradict itself, for it is not applied in the
//! order in which it is said.
//!
//! So a directory is compared once; what was gone stays gone; what was entered is not gone. All three leave changes that were
//! made after the first look to the next run, which has hints of them: they are younger than the cut.

use std::collections::HashSet;

use crate::model::RelPath;

/// Memory: some paths for each directory that is compared, which is what hints name.
pub(super) struct Visited {
    /// A scan of everything goes from the top down and meets each place once by itself.
    is_whole: bool,
    compared: HashSet<RelPath>,
    /// The compared ones and all above them.
    entered: HashSet<RelPath>,
    gone: HashSet<RelPath>,
}

impl Visited {
    pub(super) fn new(is_whole: bool) -> Self {
        Self { is_whole, compared: HashSet::new(), entered: HashSet::new(), gone: HashSet::new() }
    }

    pub(super) fn compare(&mut self, dir: &RelPath) {
        if self.is_whole {
            return;
        }
        self.compared.insert(dir.clone());
        let mut at = Some(dir.clone());
        while let Some(dir) = at.take_if(|dir| !self.entered.contains(dir)) {
            at = dir.parent();
            self.entered.insert(dir);
        }
    }

    pub(super) fn is_compared(&self, dir: &RelPath) -> bool {
        self.compared.contains(dir)
    }

    /// May all that is known below this directory be said to be gone? Not after something of it was looked at.
    pub(super) fn may_be_gone(&mut self, dir: &RelPath) -> bool {
        let may = !self.entered.contains(dir);
        if may && !self.is_whole {
            self.gone.insert(dir.clone());
        }
        may
    }

    pub(super) fn is_gone(&self, dir: &RelPath) -> bool {
        self.gone.contains(dir)
    }
}
