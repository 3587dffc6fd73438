//! Entries that must wait for others, in a file without a name: there may be more of them than memory.

use std::io::{self, Read, Seek, SeekFrom, Write};

use minicbor::bytes::{ByteSlice, ByteVec};
use tempfile::SpooledTempFile;

use super::RestoreError;
use crate::model::{Entry, RelPath};

/// Below this it stays in memory.
const IN_MEMORY: usize = 8 << 20;

/// A list of entries with their paths. Costs 8 bytes of memory for each, and at most [`IN_MEMORY`] more.
pub(super) struct Later {
    file: SpooledTempFile,
    starts: Vec<u64>,
    end: u64,
}

impl Later {
    pub fn new() -> Self {
        Self { file: SpooledTempFile::new(IN_MEMORY), starts: Vec::new(), end: 0 }
    }

    pub fn push(&mut self, path: &RelPath, entry: &Entry) -> Result<(), RestoreError> {
        let path: &ByteSlice = path.as_bytes().into();
        let record = minicbor::to_vec((path, entry)).expect("writing to a vector cannot fail");
        self.file.write_all(&record).map_err(RestoreError::Scratch)?;
        self.starts.push(self.end);
        self.end += record.len() as u64;
        Ok(())
    }

    /// In the order in which they were pushed.
    pub fn drain(self, each: impl FnMut(RelPath, Entry) -> Result<(), RestoreError>) -> Result<(), RestoreError> {
        let order = 0..self.starts.len();
        self.drain_in(order, each)
    }

    /// The last one first.
    pub fn drain_back(self, each: impl FnMut(RelPath, Entry) -> Result<(), RestoreError>) -> Result<(), RestoreError> {
        let order = (0..self.starts.len()).rev();
        self.drain_in(order, each)
    }

    fn drain_in(
        mut self,
        order: impl Iterator<Item = usize>,
        mut each: impl FnMut(RelPath, Entry) -> Result<(), RestoreError>,
    ) -> Result<(), RestoreError> {
        for at in order {
            let (path, entry) = self.read(at).map_err(RestoreError::Scratch)?;
            each(path, entry)?;
        }
        Ok(())
    }

    fn read(&mut self, at: usize) -> io::Result<(RelPath, Entry)> {
        let (start, end) = (self.starts[at], self.starts.get(at + 1).copied().unwrap_or(self.end));
        let mut record = vec![0; (end - start) as usize];
        self.file.seek(SeekFrom::Start(start))?;
        self.file.read_exact(&mut record)?;
        let (path, entry): (ByteVec, Entry) = minicbor::decode(&record).map_err(io::Error::other)?;
        let path = RelPath::parse(&path).map_err(io::Error::other)?;
        Ok((path, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_in_either_order_also_when_they_do_not_fit_into_memory() {
        let paths: Vec<RelPath> =
            (0..100_000).map(|n| RelPath::parse(format!("d/{n:0100}").as_bytes()).unwrap()).collect();
        for back in [false, true] {
            let mut later = Later::new();
            paths.iter().for_each(|path| later.push(path, &Entry::test_file(3)).unwrap());
            let mut seen = vec![];
            let each = |path, entry: Entry| {
                assert_eq!(entry, Entry::test_file(3));
                seen.push(path);
                Ok(())
            };
            if back {
                later.drain_back(each).unwrap()
            } else {
                later.drain(each).unwrap()
            }
            if back {
                seen.reverse();
            }
            assert!(seen == paths);
        }
    }
}
