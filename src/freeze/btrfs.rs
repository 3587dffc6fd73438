//! One btrfs filesystem seen from its top, through a mount that nobody else sees.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::error::FreezeError;
use super::ioctl;
use super::name::{FREEZE_DIR, FreezeName};
use super::place::{DIR, Place, open_below};
use crate::model::RelPath;

/// The top (subvolume 5) of a filesystem. The mount has no place in the tree of files; it ends when the last
/// descriptor on it is closed, or with the process.
pub(super) struct Top {
    root: OwnedFd,
}

/// A subvolume to freeze or to read.
pub(super) struct Subvolume {
    pub root: OwnedFd,
    pub id: u64,
}

/// A subvolume below the root.
pub(super) struct Nested {
    /// From the root.
    pub at: RelPath,
    /// Opened, or why not.
    pub subvolume: io::Result<Subvolume>,
}

impl Top {
    pub(super) fn open(device: &OsStr) -> Result<Self, FreezeError> {
        let failed = |errno: Errno| FreezeError::Top { device: device.to_string_lossy().into(), source: errno.into() };
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC
            | MountAttrFlags::MOUNT_ATTR_NOATIME;
        let mount = || {
            let fs = rustix::mount::fsopen("btrfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
            rustix::mount::fsconfig_set_string(fs.as_fd(), "source", device)?;
            rustix::mount::fsconfig_set_string(fs.as_fd(), "subvolid", "5")?;
            rustix::mount::fsconfig_create(fs.as_fd())?;
            rustix::mount::fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        };
        // The descriptor of a mount is for paths only; requests need one that was opened to read.
        let opened = mount().and_then(|mount| rustix::fs::openat(mount, ".", DIR, Mode::empty()));
        Ok(Self { root: opened.map_err(failed)? })
    }

    /// The subvolume that holds the root, and the path of the root in it.
    pub(super) fn locate(&self, place: &Place) -> Result<(Subvolume, RelPath), FreezeError> {
        self.try_locate(place).map_err(|source| FreezeError::Locate { path: place.path.clone(), source })
    }

    fn try_locate(&self, place: &Place) -> io::Result<(Subvolume, RelPath)> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let path = place.path_from_top().ok_or_else(missing)?;
        let id = ioctl::subvolume_id(&place.root)?;
        let found = open_below(&self.root, &path)?;
        // The mount table is text from another moment: only the same inode of the same subvolume will do.
        if ioctl::subvolume_id(&found)? != id || rustix::fs::fstat(&found)?.st_ino != place.inode {
            return Err(missing());
        }
        let inside = ioctl::path_of(found.as_fd(), id, place.inode)?;
        let depth = path.components().count().checked_sub(inside.components().count()).ok_or_else(missing)?;
        let above: Vec<&[u8]> = path.components().take(depth).collect();
        let above = RelPath::parse(&above.join(&b'/')).map_err(|_| missing())?;
        let root = open_below(&self.root, &above)?;
        if rustix::fs::fstat(&root)?.st_ino != ioctl::SUBVOLUME_ROOT_INODE || ioctl::subvolume_id(&root)? != id {
            return Err(missing());
        }
        Ok((Subvolume { root, id }, inside))
    }

    /// All subvolumes below `inside` of `outer`, also those in others, without our own freezes. Parents come first.
    pub(super) fn nested(
        &self,
        outer: &Subvolume,
        inside: &RelPath,
        wanted: &dyn Fn(&RelPath) -> bool,
    ) -> Result<Vec<Nested>, FreezeError> {
        let failed = |source| FreezeError::Subvolumes { source };
        let mut out = Vec::new();
        for (at, id) in self.children(outer).map_err(failed)? {
            let Some(below) = strip(&at, inside) else { continue };
            if !is_ours(&at) && wanted(&below) {
                self.descend(outer, &at, below, id, wanted, &mut out);
            }
        }
        Ok(out)
    }

    /// Opens one nested subvolume and goes on in it.
    fn descend(
        &self,
        outer: &Subvolume,
        at: &RelPath,
        below: RelPath,
        id: u64,
        wanted: &dyn Fn(&RelPath) -> bool,
        out: &mut Vec<Nested>,
    ) {
        let opened = open_below(&outer.root, at).and_then(|root| match ioctl::subvolume_id(&root)? {
            found if found == id => Ok(Subvolume { root, id }),
            _ => Err(io::ErrorKind::NotFound.into()),
        });
        let children = opened.as_ref().map_or(Ok(Vec::new()), |inner| self.children(inner));
        let mut rest = Vec::new();
        if let Ok(inner) = &opened {
            for (at, id) in children.as_ref().into_iter().flatten().cloned() {
                let below = join(&below, &at);
                if !is_ours(&at) && wanted(&below) {
                    self.descend(inner, &at, below, id, wanted, &mut rest);
                }
            }
        }
        let subvolume = children.and(opened);
        out.push(Nested { at: below, subvolume });
        out.extend(rest);
    }

    /// Path in the subvolume, and id.
    fn children(&self, subvolume: &Subvolume) -> io::Result<Vec<(RelPath, u64)>> {
        let children = ioctl::children(self.root.as_fd(), subvolume.id)?;
        let place = |child: ioctl::Child| {
            let dir = ioctl::path_of(self.root.as_fd(), subvolume.id, child.dir)?;
            Ok((dir.join(&child.name), child.id))
        };
        children.into_iter().map(place).collect()
    }

    /// The directory for freezes, made if it is missing.
    pub(super) fn prepare_dir(&self) -> Result<FreezeDir, FreezeError> {
        let failed = |source| FreezeError::Directory { source };
        match rustix::fs::mkdirat(&self.root, FREEZE_DIR, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno.into())),
        }
        self.existing_dir()?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
    }

    /// The directory for freezes, if there is one. Another user's is not touched.
    pub(super) fn existing_dir(&self) -> Result<Option<FreezeDir>, FreezeError> {
        let failed = |source| FreezeError::Directory { source };
        let name = RelPath::parse(FREEZE_DIR.as_bytes()).expect("a constant that is one plain name");
        let dir = match open_below(&self.root, &name) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let stat = rustix::fs::fstat(&dir).map_err(|errno| failed(errno.into()))?;
        let open_to_others = Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH);
        if open_to_others || stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(failed(io::ErrorKind::PermissionDenied.into()));
        }
        Ok(Some(FreezeDir { dir }))
    }
}

/// The opened directory that holds freezes.
pub(super) struct FreezeDir {
    dir: OwnedFd,
}

impl FreezeDir {
    pub(super) fn create(&self, source: BorrowedFd<'_>, name: &FreezeName) -> Result<(), FreezeError> {
        // Freezing begins with writing out what is dirty, and what is written meanwhile gets in by halves. With most of
        // it written out before, that time is short.
        let made = rustix::fs::syncfs(source).map_err(io::Error::from);
        made.and_then(|()| ioctl::snapshot(source, self.dir.as_fd(), name.as_str()))
            .map_err(|source| FreezeError::Create { name: name.clone(), source })
    }

    pub(super) fn open(&self, name: &FreezeName, inside: &RelPath) -> Result<OwnedFd, FreezeError> {
        let failed = |source| FreezeError::Open { name: name.clone(), source };
        let root = rustix::fs::openat(&self.dir, name.as_str(), DIR | OFlags::NOFOLLOW, Mode::empty());
        root.map_err(io::Error::from).and_then(|root| open_below(root, inside)).map_err(failed)
    }

    /// One that is gone already is no error.
    pub(super) fn remove(&self, name: &FreezeName) -> Result<(), FreezeError> {
        match ioctl::destroy(self.dir.as_fd(), name.as_str()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(FreezeError::Remove { name: name.clone(), source })
            }
            _ => Ok(()),
        }
    }

    /// What bears a name of our form; everything else is somebody else's.
    pub(super) fn names(&self) -> Result<Vec<FreezeName>, FreezeError> {
        let failed = |errno: Errno| FreezeError::Directory { source: errno.into() };
        let mut out = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            out.extend(entry.file_name().to_str().ok().and_then(|name| name.parse().ok()));
        }
        Ok(out)
    }
}

/// Is it, or is it in, a directory for freezes?
fn is_ours(path: &RelPath) -> bool {
    path.components().any(|component| component == FREEZE_DIR.as_bytes())
}

/// `path` as seen from `above`; `None` when it is not strictly below.
fn strip(path: &RelPath, above: &RelPath) -> Option<RelPath> {
    if !path.is_within(above) || path == above {
        return None;
    }
    let rest: Vec<&[u8]> = path.components().skip(above.components().count()).collect();
    RelPath::parse(&rest.join(&b'/')).ok()
}

fn join(above: &RelPath, below: &RelPath) -> RelPath {
    below.components().fold(above.clone(), |path, name| path.join(name))
}
