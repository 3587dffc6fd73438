//! Directories kept open for their children, within a budget of descriptors.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::source::Dir;

/// An open directory that several jobs share; counted while any of them lives.
#[derive(Clone, Debug)]
pub struct HeldDir(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    dir: Dir,
    open: Arc<AtomicUsize>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Deref for HeldDir {
    type Target = Dir;
    fn deref(&self) -> &Dir {
        &self.0.dir
    }
}

/// How many directories the walk and its jobs hold open.
#[derive(Clone)]
pub(super) struct OpenDirs {
    open: Arc<AtomicUsize>,
    most: usize,
}

impl OpenDirs {
    /// Beyond this, children open their directory by its path instead: slower, but no descriptor waits.
    const MOST: usize = 256;

    /// A quarter of what the process may have open: the other rooms need some, and what is held already stays.
    pub fn within(limit: usize) -> Self {
        Self { open: Arc::default(), most: (limit / 4).min(Self::MOST) }
    }

    pub fn hold(&self, dir: Dir) -> HeldDir {
        self.open.fetch_add(1, Ordering::Relaxed);
        HeldDir(Arc::new(Counted { dir, open: self.open.clone() }))
    }

    pub fn has_room(&self) -> bool {
        self.open.load(Ordering::Relaxed) < self.most
    }
}
