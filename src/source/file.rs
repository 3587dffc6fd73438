//! A regular file that is open for reading, and its data bytes in order.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::Advice;
use rustix::io::Errno;

use crate::model::{Extent, RelPath};

use super::extents::ExtentWalk;
use super::{SourceError, Stat, linux, writeback};

/// An open file of which is known that it is regular and the inode that was looked at before.
#[derive(Debug)]
pub struct SourceFile {
    fd: OwnedFd,
    path: RelPath,
    stat: Stat,
    frozen: bool,
}

impl SourceFile {
    pub(super) fn new(fd: OwnedFd, path: RelPath, expected: &Stat, frozen: bool) -> Result<Self, SourceError> {
        if !frozen {
            writeback::expose_stores(fd.as_fd());
        }
        let stat = Stat::of_source(linux::stat_fd(fd.as_fd()), || path.clone())?;
        if stat.kind != expected.kind {
            return Err(SourceError::KindChanged { path, expected: expected.kind, found: stat.kind });
        }
        if !stat.same_inode(expected) {
            return Err(SourceError::Replaced { path });
        }
        Ok(Self { fd, path, stat, frozen })
    }

    pub fn path(&self) -> &RelPath {
        &self.path
    }

    /// As it was when the file was opened: what follows is compared with it.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    pub fn into_reader(self) -> FileReader {
        if self.stat.size >= READ_AHEAD_FROM {
            // only a hint: without it reading is slower, not wrong
            let _ = rustix::fs::fadvise(&self.fd, 0, None, Advice::Sequential);
        }
        let walk = ExtentWalk::new(self.stat.size, self.stat.may_be_sparse());
        FileReader { file: self, walk, rest: Extent { offset: 0, len: 0 }, data_len: 0, state: FileState::Unchanged }
    }
}

impl AsFd for SourceFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Reads the data bytes of a file: its bytes without its holes. Not behind the size that it had when it was opened.
pub struct FileReader {
    file: SourceFile,
    walk: ExtentWalk,
    /// What is left of the current extent.
    rest: Extent,
    data_len: u64,
    state: FileState,
}

/// Is what was read one state of the file?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileState {
    Unchanged,
    /// It changed between open and [`FileReader::finish`]: what was read may mix two states.
    Changed,
}

/// What a file was, once it was read to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadFile {
    pub state: FileState,
    /// The size that belongs to what was read; smaller than that of the stat when the file shrank.
    pub size: u64,
    /// How many bytes [`FileReader::read`] gave.
    pub data_len: u64,
    /// `None` = no holes. Their lengths add up to `data_len`.
    pub extents: Option<Vec<Extent>>,
}

impl FileReader {
    /// Appends the next data bytes, as many as asked for; fewer only at the end, none after it. An error is never an end: the
    /// file is unreadable then, whatever was read before.
    pub fn read(&mut self, out: &mut Vec<u8>, up_to: usize) -> Result<usize, SourceError> {
        out.reserve(up_to);
        let mut read = 0;
        while read < up_to {
            if self.rest.len == 0 && !self.next_extent()? {
                break;
            }
            read += self.read_some(out, up_to - read)?;
        }
        self.data_len += read as u64;
        Ok(read)
    }

    /// The stat of the opened file.
    pub fn stat(&self) -> &Stat {
        self.file.stat()
    }

    pub fn path(&self) -> &RelPath {
        self.file.path()
    }

    /// To be called after [`FileReader::read`] gave 0 or the file's whole size was read.
    ///
    /// Compares with the time of opening. In a frozen view a file cannot change, only a short read would tell.
    pub fn finish(mut self) -> Result<ReadFile, SourceError> {
        // walks over a hole at the end, and tells a caller that stops early
        if self.rest.len > 0 || self.next_extent()? {
            self.walk.cut(self.rest.offset);
            self.state = FileState::Changed;
        }
        if !self.file.frozen && self.state == FileState::Unchanged {
            self.state = self.compare()?;
        }
        let (size, extents) = self.walk.finish();
        Ok(ReadFile { state: self.state, size, data_len: self.data_len, extents })
    }

    fn compare(&self) -> Result<FileState, SourceError> {
        let now = Stat::of_source(linux::stat_fd(self.file.as_fd()), || self.file.path.clone())?;
        Ok(if now.same_content(&self.file.stat) { FileState::Unchanged } else { FileState::Changed })
    }

    fn next_extent(&mut self) -> Result<bool, SourceError> {
        let next = self.walk.next(self.file.as_fd()).map_err(SourceError::at("find the data of", &self.file.path))?;
        self.rest = next.unwrap_or(Extent { offset: 0, len: 0 });
        Ok(next.is_some())
    }

    /// `out` must have room for `up_to` bytes.
    fn read_some(&mut self, out: &mut Vec<u8>, up_to: usize) -> Result<usize, SourceError> {
        let want = up_to.min(usize::try_from(self.rest.len).unwrap_or(usize::MAX));
        let got = loop {
            match rustix::io::pread(&self.file.fd, &mut out.spare_capacity_mut()[..want], self.rest.offset) {
                Err(Errno::INTR) => {}
                other => break other.map_err(SourceError::at("read", &self.file.path))?.0.len(),
            }
        };
        // SAFETY: the kernel wrote so many bytes where the vector ends, in memory that it owns.
        unsafe { out.set_len(out.len() + got) };
        if got == 0 {
            // shorter than it was: this is its end now
            self.walk.cut(self.rest.offset);
            self.rest.len = 0;
            self.state = FileState::Changed;
            return Ok(0);
        }
        self.rest.offset += got as u64;
        self.rest.len -= got as u64;
        Ok(got)
    }
}

/// Smaller files are read with one or two calls: no hint pays for itself there.
const READ_AHEAD_FROM: u64 = 512 * 1024;
