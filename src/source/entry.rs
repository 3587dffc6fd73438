//! From what stands in a directory to the [`Entry`] that a snapshot keeps, without content.

use std::os::fd::{AsFd, BorrowedFd};

use crate::model::{Entry, EntryFlags, EntryKind, Problem, RelPath};

use super::error::metadata_problem;
use super::xattr::{self, On};
use super::{Dir, Names, SourceError, SourceFile, Stat, flags, linux};

impl Dir {
    /// All metadata of one name, of any kind. What could not be read beside the entry itself becomes a problem.
    ///
    /// For a file whose content is read too, [`Dir::open_file`] and [`SourceFile::read_entry`] save an open.
    pub fn read_entry(
        &self,
        name: &[u8],
        stat: &Stat,
        names: &mut Names,
    ) -> Result<(Entry, Vec<Problem>), SourceError> {
        let opened = match stat.kind {
            EntryKind::File => self.open_file(name, stat).map(|file| file.read_entry(names)),
            EntryKind::Dir => self.open_child(name).and_then(|dir| dir.read_own_entry(names)),
            _ => return self.read_unopened(name, stat, names),
        };
        match opened {
            Err(SourceError::Permission { .. } | SourceError::Io { .. }) => self.read_unopened(name, stat, names),
            other => other,
        }
    }

    /// Of the directory itself.
    pub fn read_own_entry(&self, names: &mut Names) -> Result<(Entry, Vec<Problem>), SourceError> {
        let stat = self.stat_self()?;
        Ok(read_open(self.fd(), self.path(), &stat, names))
    }

    fn read_unopened(&self, name: &[u8], stat: &Stat, names: &mut Names) -> Result<(Entry, Vec<Problem>), SourceError> {
        let path = self.path().join(name);
        let mut problems = Vec::new();
        let mut entry = entry_of(stat, names);
        read_xattrs(&mut entry, &On::name_in(self.fd(), name), &path, &mut problems);
        match stat.kind {
            EntryKind::Symlink => {
                let target = rustix::fs::readlinkat(self.fd(), name, Vec::new())
                    .map_err(|errno| self.not_a_link(name, errno))?
                    .into_bytes();
                entry.size = target.len() as u64;
                entry.target = Some(target);
            }
            EntryKind::File | EntryKind::Dir => {
                problems.push(metadata_problem(
                    &path,
                    "its inode flags could not be read, because it could not be opened".to_owned(),
                    "run rozend as root or give it permission to read",
                ));
                try_again(&mut entry);
            }
            _ => {}
        }
        Ok((entry, problems))
    }

    fn not_a_link(&self, name: &[u8], errno: rustix::io::Errno) -> SourceError {
        match errno {
            // no link any more
            rustix::io::Errno::INVAL => SourceError::Replaced { path: self.path().join(name) },
            errno => SourceError::new("read the link", self.path().join(name), errno),
        }
    }
}

impl SourceFile {
    /// All metadata of the open file, as of [`SourceFile::stat`].
    pub fn read_entry(&self, names: &mut Names) -> (Entry, Vec<Problem>) {
        read_open(self.as_fd(), self.path(), self.stat(), names)
    }
}

fn read_open(fd: BorrowedFd<'_>, path: &RelPath, stat: &Stat, names: &mut Names) -> (Entry, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut entry = entry_of(stat, names);
    read_xattrs(&mut entry, &On::Fd(fd), path, &mut problems);
    match linux::inode_flags(fd) {
        Ok(raw) => entry.inode_flags = raw.and_then(flags::to_store),
        Err(errno) => {
            problems.push(metadata_problem(
                path,
                format!("its inode flags could not be read: {}", std::io::Error::from(errno)),
                "check the disk if this goes on",
            ));
            try_again(&mut entry);
        }
    }
    (entry, problems)
}

fn read_xattrs(entry: &mut Entry, on: &On<'_>, path: &RelPath, problems: &mut Vec<Problem>) {
    let (xattrs, is_complete) = xattr::read(on, path, problems);
    entry.xattrs = xattrs;
    if !is_complete {
        try_again(entry);
    }
}

/// It lacks something that may be read another time, and nothing else would make anybody look: its times do not change by that.
fn try_again(entry: &mut Entry) {
    entry.flags = entry.flags.with(EntryFlags::RACY);
}

/// What statx alone tells.
pub fn entry_of(stat: &Stat, names: &mut Names) -> Entry {
    let is_dir = stat.kind == EntryKind::Dir;
    let is_device = matches!(stat.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    Entry {
        kind: stat.kind,
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        user: names.user(stat.uid).map(|name| name.to_string()),
        group: names.group(stat.gid).map(|name| name.to_string()),
        size: if stat.kind == EntryKind::File { stat.size } else { 0 },
        mtime: stat.mtime,
        ctime: stat.ctime,
        btime: stat.btime,
        ino: stat.ino,
        nlink: Some(stat.nlink).filter(|n| *n > 1 && !is_dir),
        fs: None,
        target: None,
        device: is_device.then_some(stat.rdev),
        xattrs: None,
        inode_flags: None,
        content: None,
        extents: None,
        flags: EntryFlags::default(),
    }
}
