//! The names in a directory: read at once, sorted by bytes, in one buffer.

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{RawDir, SeekFrom};
use rustix::io::Errno;

use crate::model::{EntryKind, RelPath};

use super::stat::kind_of;

/// All names of a directory, sorted by their bytes. Never a part of them: a name that is missing here counts as deleted.
///
/// Costs about 10 bytes per name beside the name itself.
pub struct Listing {
    names: Vec<u8>,
    items: Vec<Item>,
}

struct Item {
    start: u32,
    len: u16,
    kind: Option<EntryKind>,
}

/// A name as the directory gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listed<'a> {
    pub name: &'a [u8],
    /// A hint that saves a statx; `None` when the filesystem does not keep it in the directory.
    pub kind: Option<EntryKind>,
}

impl Listing {
    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Listed<'_>> + ExactSizeIterator {
        self.items.iter().map(|item| Listed { name: item.name(&self.names), kind: item.kind })
    }

    /// The name at this place, counted from 0.
    pub fn at(&self, at: usize) -> Option<Listed<'_>> {
        self.items.get(at).map(|item| Listed { name: item.name(&self.names), kind: item.kind })
    }

    pub fn contains(&self, name: &[u8]) -> bool {
        self.items.binary_search_by(|item| item.name(&self.names).cmp(name)).is_ok()
    }

    /// From the beginning of the directory, also when its descriptor was listed before.
    pub(super) fn read(fd: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        let mut listing = Listing { names: Vec::new(), items: Vec::new() };
        listing.fill(fd)?;
        Ok(listing.sorted())
    }

    fn fill(&mut self, fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
        rustix::fs::seek(fd, SeekFrom::Start(0))?;
        let mut buffer = vec![MaybeUninit::uninit(); GETDENTS_BYTES];
        let mut raw = RawDir::new(fd, &mut buffer);
        while let Some(entry) = raw.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if RelPath::is_name(name) {
                self.push(name, kind_of(entry.file_type()))?;
            }
        }
        Ok(())
    }

    fn push(&mut self, name: &[u8], kind: Option<EntryKind>) -> rustix::io::Result<()> {
        let start = u32::try_from(self.names.len()).map_err(|_| Errno::OVERFLOW)?;
        let len = u16::try_from(name.len()).map_err(|_| Errno::NAMETOOLONG)?;
        self.names.extend_from_slice(name);
        self.items.push(Item { start, len, kind });
        Ok(())
    }

    fn sorted(mut self) -> Self {
        let names = &self.names;
        self.items.sort_unstable_by(|a, b| a.name(names).cmp(b.name(names)));
        // a directory that changes while it is listed may give a name twice
        self.items.dedup_by(|a, b| a.name(names) == b.name(names));
        self
    }
}

impl Item {
    fn name<'a>(&self, names: &'a [u8]) -> &'a [u8] {
        &names[self.start as usize..][..usize::from(self.len)]
    }
}

/// About 1,000 names per call.
const GETDENTS_BYTES: usize = 32 * 1024;
