//! What the tree before has in a directory, in the order of a listing. A page of it is in memory, however large the directory is.

use std::collections::VecDeque;

use crate::model::{Entry, RelPath};
use crate::tree::{NodeSource, TreeError, TreeReader};

/// Entries of a page; one is some hundred bytes.
const PAGE: usize = 1024;

pub(super) struct Known {
    dir: RelPath,
    page: VecDeque<(Vec<u8>, Entry)>,
    /// The last name of the page; `None`: nothing comes behind it.
    last: Option<Vec<u8>>,
    given: u64,
}

impl Known {
    pub(super) fn of(dir: &RelPath) -> Self {
        Self { dir: dir.clone(), page: VecDeque::new(), last: Some(Vec::new()), given: 0 }
    }

    /// The next one, if its name is wanted.
    pub(super) fn next_if<N: NodeSource>(
        &mut self,
        before: &TreeReader<N>,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<(Vec<u8>, Entry)>, TreeError<N::Error>> {
        if self.page.is_empty()
            && let Some(last) = self.last.take()
        {
            self.page = before.list_after(&self.dir, &last, PAGE)?.into();
            self.last = self.page.back().filter(|_| self.page.len() == PAGE).map(|(name, _)| name.clone());
        }
        if !self.page.front().is_some_and(|(name, _)| wanted(name)) {
            return Ok(None);
        }
        self.given += 1;
        Ok(self.page.pop_front())
    }

    /// How many were given.
    pub(super) fn given(&self) -> u64 {
        self.given
    }
}
