//! Where a scan has been. On a live filesystem a place may look different a moment later, while files that were found there
//! are still being read: what is said about one place in one scan must not contradict itself, for it is not applied in the
//! order in which it is said.
//!
//! So a directory is compared once; what was gone stays gone; what was entered is not gone. All three leave changes that were
//! made after the first look to the next run, which has hints of them: they are younger than the cut. A hint may name another
//! name of a file than the one that was looked at first: for that a scan knows the cut of the run before
//! ([`super::ScanOptions::cut_before`]).

use std::collections::HashSet;

use crate::model::RelPath;

/// Memory: some paths for each directory that hints name, whatever is below it.
pub(super) struct Visited {
    /// A scan of everything goes from the top down and meets each place once by itself.
    is_whole: bool,
    compared: HashSet<RelPath>,
    /// Compared with everything below them.
    whole: HashSet<RelPath>,
    /// The compared ones and all above them.
    entered: HashSet<RelPath>,
    gone: HashSet<RelPath>,
}

impl Visited {
    pub(super) fn new(is_whole: bool) -> Self {
        let (compared, whole) = (HashSet::new(), HashSet::new());
        Self { is_whole, compared, whole, entered: HashSet::new(), gone: HashSet::new() }
    }

    /// A walk that goes on below says so at its top: what it meets there it meets once.
    pub(super) fn compare(&mut self, dir: &RelPath, recursive: bool) {
        if self.is_whole || self.is_within_whole(dir) {
            return;
        }
        if recursive {
            self.whole.insert(dir.clone())
        } else {
            self.compared.insert(dir.clone())
        };
        let mut at = Some(dir.clone());
        while let Some(dir) = at.take_if(|dir| !self.entered.contains(dir)) {
            at = dir.parent();
            self.entered.insert(dir);
        }
    }

    pub(super) fn is_compared(&self, dir: &RelPath) -> bool {
        self.compared.contains(dir) || self.is_within_whole(dir)
    }

    pub(super) fn is_within_whole(&self, dir: &RelPath) -> bool {
        !self.whole.is_empty()
            && std::iter::successors(Some(dir.clone()), RelPath::parent).any(|above| self.whole.contains(&above))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_walk_of_everything_below_a_place_is_remembered_by_its_top() {
        let mut visited = Visited::new(false);
        visited.compare(&path("a"), false);
        visited.compare(&path("b/top"), true);
        (0..1000).for_each(|n| visited.compare(&path(&format!("b/top/{n}")), true));
        assert!(visited.compared.len() + visited.whole.len() + visited.entered.len() < 10);
        assert!(visited.is_compared(&path("a")) && !visited.is_compared(&path("a/below")));
        assert!(visited.is_compared(&path("b/top/5/deep")) && !visited.is_compared(&path("b")));
        for entered in ["a", "b", "b/top"] {
            assert!(!visited.may_be_gone(&path(entered)), "{entered}");
        }
        assert!(visited.may_be_gone(&path("c")) && visited.is_gone(&path("c")));
    }
}
