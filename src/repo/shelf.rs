//! Tree nodes that were read ahead: a walk comes to the children of a node soon after it, in their order.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use super::gather::Gathered;
use crate::model::ChunkId;

/// A walk has one group of siblings on each level of its tree; few trees have more than four levels, and a comparison walks
/// two of them.
const MAX_GROUPS: usize = 8;

/// Memory: [`MAX_GROUPS`] windows with their gaps, 25 MiB.
#[derive(Default)]
pub(super) struct Shelf(Mutex<VecDeque<Gathered>>);

impl Shelf {
    /// Sealed bytes of siblings that are read at once: 64 leaves in nearly all cases.
    pub const WINDOW: u64 = 2 << 20;

    pub fn holds(&self, id: &ChunkId) -> bool {
        self.groups().iter().any(|group| group.holds(id))
    }

    /// What is used last goes last.
    pub fn put(&self, group: Gathered) {
        let mut groups = self.groups();
        groups.push_back(group);
        if groups.len() > MAX_GROUPS {
            groups.pop_front();
        }
    }

    /// A node is wanted once: its reader keeps it. Empty when it is not here.
    pub fn take(&self, id: &ChunkId) -> Gathered {
        let mut groups = self.groups();
        let Some(at) = groups.iter().position(|group| group.holds(id)) else { return Gathered::default() };
        let mut group = groups.remove(at).expect("it was found there");
        let found = group.remove(id).unwrap_or_default();
        if !group.is_empty() {
            groups.push_back(group);
        }
        found
    }

    fn groups(&self) -> MutexGuard<'_, VecDeque<Gathered>> {
        self.0.lock().expect("nothing panics while it is held")
    }
}
