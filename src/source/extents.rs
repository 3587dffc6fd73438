//! Where the data of a file is: found piece by piece with SEEK_DATA and SEEK_HOLE while it is read.

use std::os::fd::BorrowedFd;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::model::Extent;

/// The way through one file. `size` is what it was when it was opened: what comes behind it is not looked at.
pub(super) struct ExtentWalk {
    size: u64,
    sparse: bool,
    found: Vec<Extent>,
    /// End of what was looked at.
    end: u64,
}

impl ExtentWalk {
    pub(super) fn new(size: u64, sparse: bool) -> Self {
        Self { size, sparse, found: Vec::new(), end: 0 }
    }

    /// The next range with data; `None` at the end of the file.
    pub(super) fn next(&mut self, fd: BorrowedFd<'_>) -> rustix::io::Result<Option<Extent>> {
        if self.end >= self.size {
            return Ok(None);
        }
        let extent = self.seek(fd)?;
        self.end = extent.map_or(self.size, |e| e.offset + e.len);
        if let Some(extent) = extent {
            self.note(extent);
        }
        Ok(extent)
    }

    fn seek(&self, fd: BorrowedFd<'_>) -> rustix::io::Result<Option<Extent>> {
        let rest = Extent { offset: self.end, len: self.size - self.end };
        if !self.sparse || self.found.len() >= MOST_EXTENTS {
            return Ok(Some(rest));
        }
        let offset = match rustix::fs::seek(fd, SeekFrom::Data(self.end)) {
            Ok(offset) if offset < self.size => offset.max(self.end),
            // no data behind this offset, up to the end that the file had or has now
            Ok(_) | Err(Errno::NXIO) => return Ok(None),
            // the filesystem does not know: all of it may be data
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some(rest)),
            Err(errno) => return Err(errno),
        };
        let end = match rustix::fs::seek(fd, SeekFrom::Hole(offset)) {
            Ok(end) if end > offset => end.min(self.size),
            // punched or truncated in between: reading it gives zeros, or meets the new end
            Ok(_) | Err(Errno::NXIO) => self.size,
            Err(errno) => return Err(errno),
        };
        Ok(Some(Extent { offset, len: end - offset }))
    }

    fn note(&mut self, extent: Extent) {
        match self.found.last_mut() {
            Some(last) if last.offset + last.len == extent.offset => last.len += extent.len,
            _ => self.found.push(extent),
        }
    }

    /// The file ended before `size`: everything behind `end` was never there.
    pub(super) fn cut(&mut self, end: u64) {
        self.size = end;
        self.end = end;
        while let Some(last) = self.found.last_mut() {
            if last.offset < end {
                last.len = last.len.min(end - last.offset);
                break;
            }
            self.found.pop();
        }
    }

    /// Size and data ranges as read; `None` = no holes.
    pub(super) fn finish(self) -> (u64, Option<Vec<Extent>>) {
        let whole = Extent { offset: 0, len: self.size };
        let dense = self.size == 0 || self.found == [whole];
        (self.size, (!dense).then_some(self.found))
    }
}

/// 16 MiB of extents: behind them the rest of a file is read as data, holes become zeros, so that memory stays bounded.
const MOST_EXTENTS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(size: u64, found: &[(u64, u64)]) -> ExtentWalk {
        let mut walk = ExtentWalk::new(size, true);
        found.iter().for_each(|(offset, len)| walk.note(Extent { offset: *offset, len: *len }));
        walk
    }

    #[test]
    fn a_file_whose_only_extent_is_all_of_it_has_no_holes() {
        assert_eq!(walk(10, &[(0, 10)]).finish(), (10, None));
        assert_eq!(walk(10, &[(0, 4), (4, 6)]).finish(), (10, None));
        assert_eq!(walk(0, &[]).finish(), (0, None));
    }

    #[test]
    fn a_file_without_data_is_one_hole() {
        assert_eq!(walk(10, &[]).finish(), (10, Some(vec![])));
    }

    #[test]
    fn cutting_drops_and_shortens_what_lies_behind_the_end() {
        let mut walk = walk(100, &[(0, 10), (20, 10), (50, 10)]);
        walk.cut(25);
        assert_eq!(walk.finish(), (25, Some(vec![Extent { offset: 0, len: 10 }, Extent { offset: 20, len: 5 }])));
    }
}
