//! What is true of a directory and of the filesystem that it is on.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatVfsMountFlags, StatxAttributes, StatxFlags, statvfs, statx};
use serde::Serialize;

use crate::model::Mount;

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DirectoryFacts {
    pub path: PathBuf,
    /// Numbers of the owner and group.
    pub owner: u32,
    pub group: u32,
    /// The lower twelve bits.
    pub mode: u32,
    /// Who looks: the user that the backup runs as.
    pub user: u32,
    /// Nothing in it can be changed or deleted but by root, who must take this off first (`chattr +a`).
    pub append_only: bool,
    pub read_only: bool,
    pub filesystem: String,
    pub free_bytes: u64,
    pub total_bytes: u64,
    /// Folders that are backed up and lie on the same device.
    pub shares_device_with: Vec<PathBuf>,
}

/// Looks at `path` and at the folders that are backed up into it; those that are not there share nothing.
pub fn look(path: &Path, roots: &[PathBuf]) -> io::Result<DirectoryFacts> {
    let found = std::fs::metadata(path)?;
    let space = statvfs(path)?;
    let attributes = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)?.stx_attributes;
    let shares = |root: &&PathBuf| std::fs::metadata(root).is_ok_and(|other| other.dev() == found.dev());
    Ok(DirectoryFacts {
        path: path.to_path_buf(),
        owner: found.uid(),
        group: found.gid(),
        mode: found.mode() & 0o7777,
        user: rustix::process::geteuid().as_raw(),
        append_only: attributes.contains(StatxAttributes::APPEND),
        read_only: space.f_flag.contains(StatVfsMountFlags::RDONLY),
        filesystem: filesystem(path)?,
        free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
        total_bytes: space.f_blocks.saturating_mul(space.f_frsize),
        shares_device_with: roots.iter().filter(shares).cloned().collect(),
    })
}

/// The type of the mount that holds it; the longest mount point wins, and of equal ones the last.
fn filesystem(path: &Path) -> io::Result<String> {
    let path = path.canonicalize()?;
    let table = Mount::parse_table(&std::fs::read("/proc/self/mountinfo")?);
    let holding = table.iter().filter(|mount| path.starts_with(&mount.mount_point));
    let nearest = holding.max_by_key(|mount| mount.mount_point.as_os_str().len());
    Ok(nearest.map_or_else(|| "not known".to_owned(), |mount| mount.fs_type.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_seen_as_it_is() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o1730)).unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let facts = look(dir.path(), &[root.clone(), dir.path().join("gone"), "/proc".into()]).unwrap();
        assert_eq!((facts.mode, facts.owner, facts.append_only, facts.read_only), (0o1730, facts.user, false, false));
        assert_eq!(facts.shares_device_with, [root]);
        assert!(facts.free_bytes <= facts.total_bytes && facts.total_bytes > 0);
        assert_ne!(facts.filesystem, "not known");
        assert!(look(&dir.path().join("gone"), &[]).is_err());
    }
}
