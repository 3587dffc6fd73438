//! What is read from: the open directory of a root, and other frozen subvolumes stitched into it.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use crate::model::RelPath;

use super::{Dir, SourceError, linux};

/// A root as one tree. Cheap to clone; all clones and every [`Dir`] share the descriptors.
///
/// A *graft* is a place below the root where another open directory is read instead of what stands there: a frozen
/// nested subvolume in the place of its empty stub.
#[derive(Clone)]
pub struct View(Arc<Parts>);

struct Parts {
    root: OwnedFd,
    grafts: BTreeMap<RelPath, OwnedFd>,
    /// The directories that hold a graft: all others need no lookup for each name.
    graft_parents: HashSet<RelPath>,
    frozen: bool,
}

impl View {
    /// Reads the files as they are now. Links in `path` itself are followed: it is what a person wrote.
    pub fn live(path: &Path) -> Result<Self, SourceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| SourceError::Root { path: path.to_path_buf(), source: errno.into() })?;
        Ok(Self::from_parts(root, Vec::new(), false))
    }

    /// `frozen`: nothing in these directories can change while the view exists. A graft at the root's own path is
    /// ignored: it is the root.
    pub fn from_parts(root: OwnedFd, grafts: Vec<(RelPath, OwnedFd)>, frozen: bool) -> Self {
        let grafts: BTreeMap<_, _> = grafts.into_iter().filter(|(path, _)| !path.is_root()).collect();
        let graft_parents = grafts.keys().filter_map(RelPath::parent).collect();
        Self(Arc::new(Parts { root, grafts, graft_parents, frozen }))
    }

    pub fn is_frozen(&self) -> bool {
        self.0.frozen
    }

    /// Can a nested subvolume that was not frozen with the rest stand in it as an empty directory?
    pub fn is_stitched(&self) -> bool {
        self.0.frozen || !self.0.grafts.is_empty()
    }

    pub fn open_root(&self) -> Result<Dir, SourceError> {
        self.open_dir(&RelPath::root())
    }

    /// Opens by path, from the root or the nearest graft. Costs one lookup per component: with a parent at hand,
    /// [`Dir::open_child`] is cheaper.
    pub fn open_dir(&self, path: &RelPath) -> Result<Dir, SourceError> {
        let (base, rest) = self.base_of(path);
        let fd = linux::open_beneath(base, &rest, self.flags(linux::DIR_FLAGS))
            .map_err(SourceError::at("open the directory", path))?;
        Ok(Dir::new(self.clone(), path.clone(), fd))
    }

    /// The deepest graft at or above `path` (else the root), and the way from there.
    fn base_of(&self, path: &RelPath) -> (BorrowedFd<'_>, RelPath) {
        let mut at = (!self.0.grafts.is_empty()).then(|| path.clone());
        while let Some(above) = at {
            if let Some(graft) = self.0.grafts.get(&above) {
                return (graft.as_fd(), below(path, &above));
            }
            at = above.parent();
        }
        (self.0.root.as_fd(), path.clone())
    }

    pub(super) fn holds_grafts(&self, dir: &RelPath) -> bool {
        self.0.graft_parents.contains(dir)
    }

    pub(super) fn graft(&self, path: &RelPath) -> Option<BorrowedFd<'_>> {
        self.0.grafts.get(path).map(OwnedFd::as_fd)
    }

    /// Reading must not touch access times. A frozen view is read-only, there it costs a needless second try.
    pub(super) fn flags(&self, flags: OFlags) -> OFlags {
        if self.0.frozen { flags } else { flags | OFlags::NOATIME }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grafts: Vec<_> = self.0.grafts.keys().collect();
        f.debug_struct("View").field("frozen", &self.0.frozen).field("grafts", &grafts).finish()
    }
}

/// `path` without `above`, which it lies within.
fn below(path: &RelPath, above: &RelPath) -> RelPath {
    let rest = &path.as_bytes()[above.as_bytes().len()..];
    RelPath::parse(rest.strip_prefix(b"/").unwrap_or(rest)).expect("the end of a path, cut at a slash, is a path")
}
