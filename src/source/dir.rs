//! An open directory of a view: list it, look at its names, open what is in it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::model::{EntryKind, RelPath};

use super::{Listing, SourceError, SourceFile, Stat, View, linux};

/// Holds one descriptor. A walk may drop it and come back with [`View::open_dir`] and [`Dir::path`].
///
/// Every `name` given to it must be one component, as [`Listing`] gives it.
#[derive(Debug)]
pub struct Dir {
    view: View,
    path: RelPath,
    fd: OwnedFd,
    holds_grafts: bool,
}

impl Dir {
    pub(super) fn new(view: View, path: RelPath, fd: OwnedFd) -> Self {
        let holds_grafts = view.holds_grafts(&path);
        Self { view, path, fd, holds_grafts }
    }

    pub fn path(&self) -> &RelPath {
        &self.path
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    pub fn list(&self) -> Result<Listing, SourceError> {
        let action = "list the directory";
        #[cfg(test)]
        super::testing::injected("list", &self.path).map_err(SourceError::at(action, &self.path))?;
        let listing = Listing::read(self.fd()).map_err(SourceError::at(action, &self.path))?;
        // once removed, an open directory looks empty on some filesystems: it must not pass for one that was emptied
        if listing.is_empty() && self.stat_self()?.nlink == 0 {
            return Err(SourceError::Vanished { action, path: self.path.clone() });
        }
        Ok(listing)
    }

    /// Links are not followed. One statx; for a graft that of the directory grafted in.
    pub fn stat(&self, name: &[u8]) -> Result<Stat, SourceError> {
        let raw = match self.graft(name) {
            Some(graft) => linux::stat_fd(graft),
            None => linux::stat_name(self.fd(), name),
        };
        #[cfg(test)]
        let raw = super::testing::injected("stat", &self.path.join(name)).and(raw);
        Stat::of_source(raw, || self.path.join(name))
    }

    /// Of the directory itself.
    pub fn stat_self(&self) -> Result<Stat, SourceError> {
        Stat::of_source(linux::stat_fd(self.fd()), || self.path.clone())
    }

    pub fn open_child(&self, name: &[u8]) -> Result<Dir, SourceError> {
        let path = self.path.join(name);
        if self.graft(name).is_some() {
            return self.view.open_dir(&path);
        }
        let fd = linux::open_name(self.fd(), name, self.view.flags(linux::DIR_FLAGS))
            .map_err(SourceError::at("open the directory", &path))?;
        Ok(Dir::new(self.view.clone(), path, fd))
    }

    /// Opens a regular file that is still the inode that `expected` describes; never blocks on anything else.
    pub fn open_file(&self, name: &[u8], expected: &Stat) -> Result<SourceFile, SourceError> {
        let path = self.path.join(name);
        if expected.kind != EntryKind::File {
            return Err(SourceError::KindChanged { path, expected: EntryKind::File, found: expected.kind });
        }
        let opened = linux::open_file(self.fd(), name, self.view.flags(linux::FILE_FLAGS));
        let fd = match opened {
            Ok(fd) => fd,
            // a socket, or a device without driver, stands there now
            Err(rustix::io::Errno::NXIO | rustix::io::Errno::NODEV) => return Err(SourceError::Replaced { path }),
            Err(errno) => return Err(SourceError::new("open", path, errno)),
        };
        SourceFile::new(fd, path, expected, self.view.is_frozen())
    }

    /// Is it the empty stand-in that btrfs leaves in the snapshot of a subvolume for another one in it? `stat`: of that name.
    pub fn is_stub(&self, name: &[u8], stat: &Stat) -> bool {
        stat.ino == STUB_INODE && stat.kind == EntryKind::Dir && self.view.is_stitched() && !self.is_graft(name)
    }

    /// Is another directory read in the place of this name?
    pub fn is_graft(&self, name: &[u8]) -> bool {
        self.graft(name).is_some()
    }

    fn graft(&self, name: &[u8]) -> Option<BorrowedFd<'_>> {
        if self.holds_grafts { self.view.graft(&self.path.join(name)) } else { None }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// BTRFS_EMPTY_SUBVOL_DIR_OBJECTID
const STUB_INODE: u64 = 2;
