//! Where a path is: its mount, the filesystem of it, and the mounts below.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags};

use super::error::FreezeError;
use crate::model::{Mount, RelPath};

/// How directories are opened here.
pub(super) const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open root and the mount that it lies in.
pub(super) struct Place {
    pub root: OwnedFd,
    pub inode: u64,
    /// The path without links, as the mount table knows it.
    pub path: PathBuf,
    pub mount: Option<Mount>,
    /// Mount points below the root, topmost first, each once.
    pub mounts_below: Vec<(RelPath, Mount)>,
}

impl Place {
    pub(super) fn open(path: &Path) -> Result<Self, FreezeError> {
        let failed = |source| FreezeError::Root { path: path.to_path_buf(), source };
        let root = rustix::fs::open(path, DIR, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let plain = std::fs::read_link(format!("/proc/self/fd/{}", root.as_raw_fd())).map_err(failed)?;
        let wanted = StatxFlags::INO | StatxFlags::MNT_ID;
        let stat = rustix::fs::statx(&root, "", AtFlags::EMPTY_PATH, wanted).map_err(|errno| failed(errno.into()))?;
        let table = std::fs::read("/proc/self/mountinfo").map_err(|source| FreezeError::Mounts { source })?;
        let table = Mount::parse_table(&table);
        let mount = table.iter().find(|mount| mount.id == stat.stx_mnt_id).cloned();
        let mounts_below = mounts_below(&table, &plain);
        Ok(Self { root, inode: stat.stx_ino, path: plain, mount, mounts_below })
    }

    /// The path of the root from the top of its filesystem.
    pub(super) fn path_from_top(&self) -> Option<RelPath> {
        let mount = self.mount.as_ref()?;
        let below = self.path.strip_prefix(&mount.mount_point).ok()?;
        let whole = mount.root.strip_prefix("/").ok()?.join(below);
        let bytes = whole.as_os_str().as_encoded_bytes();
        RelPath::parse(bytes.strip_suffix(b"/").unwrap_or(bytes)).ok()
    }
}

/// Of mounts on the same point the last is the one that is seen.
fn mounts_below(table: &[Mount], root: &Path) -> Vec<(RelPath, Mount)> {
    let mut found = std::collections::BTreeMap::new();
    for mount in table {
        let Ok(below) = mount.mount_point.strip_prefix(root) else { continue };
        match RelPath::parse(below.as_os_str().as_encoded_bytes()) {
            Ok(at) if !at.is_root() => found.insert(at, mount.clone()),
            _ => None,
        };
    }
    found.into_iter().collect()
}

/// Opens a directory below `at`, without following links.
pub(super) fn open_below(at: impl AsFd, dir: &RelPath) -> std::io::Result<OwnedFd> {
    open_with(at, dir, DIR)
}

/// A handle of a directory below `at` (O_PATH): can be had of many that cannot be opened.
pub(super) fn handle_below(at: impl AsFd, dir: &RelPath) -> std::io::Result<OwnedFd> {
    open_with(at, dir, DIR | OFlags::PATH)
}

/// In pieces that the kernel takes (PATH_MAX is 4,096).
fn open_with(at: impl AsFd, dir: &RelPath, last: OFlags) -> std::io::Result<OwnedFd> {
    let mut at = rustix::fs::openat(at, ".", DIR, Mode::empty())?;
    let components: Vec<&[u8]> = dir.components().collect();
    // Fifteen names of 255 bytes are the most that is sure to fit.
    let mut pieces = components.chunks(15).peekable();
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { last } else { DIR };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        at = rustix::fs::openat2(&at, piece.join(&b'/').as_slice(), flags | OFlags::NOFOLLOW, Mode::empty(), resolve)?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(id: u64, point: &str) -> Mount {
        Mount { id, root: "/".into(), mount_point: point.into(), fs_type: "x".into(), source: "y".into() }
    }

    #[test]
    fn mounts_below_a_root_are_found_and_the_hidden_ones_left_out() {
        let table =
            [mount(1, "/"), mount(2, "/r"), mount(3, "/r/a"), mount(4, "/ra"), mount(5, "/r/a"), mount(6, "/r/a/b")];
        let below = mounts_below(&table, Path::new("/r"));
        assert_eq!(below.iter().map(|(_, m)| m.id).collect::<Vec<_>>(), [5, 6]);
    }
}
