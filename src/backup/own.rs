//! Our own directories, which are never stored: by device and inode where the folder is read live, by their logical paths
//! where it is frozen.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::RelPath;

/// The same by their logical paths below a root: in a frozen view devices are other ones.
pub(super) fn own_paths(dirs: &[PathBuf], root: &Path) -> HashSet<RelPath> {
    let Ok(root) = root.canonicalize() else { return HashSet::new() };
    let real = dirs.iter().filter_map(|dir| dir.canonicalize().ok());
    let below = real.filter_map(|dir| dir.strip_prefix(&root).ok().map(|below| below.as_os_str().as_bytes().to_vec()));
    below.filter_map(|bytes| RelPath::parse(&bytes).ok()).filter(|path| !path.is_root()).collect()
}

/// Device and inode of our own directories, as far as they exist.
pub(super) fn own_inodes(dirs: &[PathBuf]) -> HashSet<(u64, u64)> {
    let stats = dirs.iter().filter_map(|dir| std::fs::metadata(dir).ok());
    stats.map(|stat| (stat.dev(), stat.ino())).collect()
}
