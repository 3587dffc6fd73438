//! Files, links and special files of the destination that are open: to be written and to get their metadata.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::model::RelPath;

use super::apply::{Origin, Target};
use super::{DestinationError, Stat, begin_writeback, flags, linux};

type Result<T> = std::result::Result<T, DestinationError>;

/// A regular file of the destination.
#[derive(Debug)]
pub struct DestFile {
    fd: OwnedFd,
    path: RelPath,
    origin: Origin,
}

impl DestFile {
    pub(super) fn new(fd: OwnedFd, path: RelPath, origin: Origin) -> Self {
        Self { fd, path, origin }
    }

    pub fn path(&self) -> &RelPath {
        &self.path
    }

    pub fn stat(&self) -> Result<Stat> {
        stat(self.fd.as_fd(), &self.path)
    }

    /// Writes all of `data`. Ranges that are never written stay holes.
    pub fn write_at(&self, mut offset: u64, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            match rustix::io::pwrite(&self.fd, data, offset) {
                Ok(0) => return Err(DestinationError::new("write", self.path.clone(), Errno::IO)),
                Ok(written) => {
                    data = &data[written..];
                    offset += written as u64;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(DestinationError::new("write", self.path.clone(), errno)),
            }
        }
        Ok(())
    }

    /// Fills `buffer` from `offset` on; fewer bytes only at the end of the file.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match rustix::io::pread(&self.fd, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(DestinationError::new("read", self.path.clone(), errno)),
            }
        }
        Ok(filled)
    }

    /// Needed for a file that ends with a hole; otherwise the last write sets the size.
    pub fn set_len(&self, size: u64) -> Result<()> {
        rustix::fs::ftruncate(&self.fd, size).map_err(DestinationError::at("set the size of", &self.path))
    }

    /// What was written of a range (`len` 0: up to the end) begins to go to the disk.
    pub fn begin_writeback(&self, offset: u64, len: u64) -> Result<()> {
        begin_writeback(self.fd.as_fd(), offset, len).map_err(DestinationError::at("write", &self.path))
    }

    /// Its data and size are on the disk when it returns.
    pub fn sync_data(&self) -> Result<()> {
        rustix::fs::fdatasync(&self.fd).map_err(DestinationError::at("sync", &self.path))
    }

    /// Takes immutable and append-only away.
    pub fn unprotect(&self) -> Result<()> {
        flags::unprotect(self.fd.as_fd()).map(drop).map_err(DestinationError::at("change the flags of", &self.path))
    }

    pub fn target(&self) -> Target<'_> {
        Target::open(self.fd.as_fd(), &self.path, self.origin)
    }
}

/// A link, FIFO, socket or device of the destination: a handle of its inode that cannot be read or written.
#[derive(Debug)]
pub struct DestNode {
    fd: OwnedFd,
    path: RelPath,
    origin: Origin,
}

impl DestNode {
    pub(super) fn new(fd: OwnedFd, path: RelPath, origin: Origin) -> Self {
        Self { fd, path, origin }
    }

    pub fn path(&self) -> &RelPath {
        &self.path
    }

    pub fn stat(&self) -> Result<Stat> {
        stat(self.fd.as_fd(), &self.path)
    }

    pub fn target(&self) -> Target<'_> {
        Target::handle(self.fd.as_fd(), &self.path, self.origin)
    }
}

pub(super) fn stat(fd: BorrowedFd<'_>, path: &RelPath) -> Result<Stat> {
    let raw = linux::stat_fd(fd).map_err(DestinationError::at("stat", path))?;
    Stat::from_statx(&raw).map_err(|_| DestinationError::InTheWay { path: path.clone() })
}

/// The first name of a hard-linked file, and the inode that was seen under it beneath the destination; it is compared again
/// before each link. Holds no descriptor, so there may be many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkSource {
    path: RelPath,
    dev: u64,
    ino: u64,
}

impl LinkSource {
    pub fn new(path: RelPath, stat: &Stat) -> Self {
        Self { path, dev: stat.dev, ino: stat.ino }
    }

    pub fn path(&self) -> &RelPath {
        &self.path
    }

    pub(super) fn open(&self, root: BorrowedFd<'_>) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = linux::open_beneath(root, &self.path, flags)
            .map_err(DestinationError::at("open the first name of the hard link", &self.path))?;
        let now = stat(fd.as_fd(), &self.path)?;
        match (now.dev, now.ino) == (self.dev, self.ino) {
            true => Ok(fd),
            false => Err(DestinationError::Replaced { path: self.path.clone() }),
        }
    }
}
