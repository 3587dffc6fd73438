//! A large file's data, chunk by chunk.
//!
//! It is read in pieces that stay in the processor's cache while the end of the chunk is looked for in them, and into the memory
//! in which the chunk goes on: of its bytes only those behind its end, less than a piece, are copied.

use crate::chunk::{Chunker, EndSearch};
use crate::source::{FileReader, ReadFile, SourceError, Stat};

/// Read at once.
const PIECE: usize = 256 << 10;

/// Gives the chunks of one file in order.
pub(super) struct Chunks {
    reader: FileReader,
    /// What was read behind the end of the last chunk.
    rest: Vec<u8>,
    /// What may still come, with `rest`: a chunk takes no more memory than that.
    left: u64,
    at_end: bool,
}

impl Chunks {
    pub fn new(reader: FileReader) -> Self {
        let left = reader.stat().size;
        Self { reader, rest: Vec::new(), left, at_end: false }
    }

    /// The stat of the opened file.
    pub fn stat(&self) -> &Stat {
        self.reader.stat()
    }

    /// Nothing more can come.
    pub fn are_all_given(&self) -> bool {
        self.left == 0 || (self.at_end && self.rest.is_empty())
    }

    /// To be called when [`Chunks::next`] gave `None`.
    pub fn finish(self) -> Result<ReadFile, SourceError> {
        self.reader.finish()
    }

    /// `None`: the file's data is at its end.
    pub fn next(&mut self, chunker: &Chunker) -> Result<Option<Vec<u8>>, SourceError> {
        let max = chunker.limits().max as usize;
        let room = usize::try_from(self.left).unwrap_or(max).saturating_add(PIECE).min(max);
        let mut data = Vec::with_capacity(room);
        data.append(&mut self.rest);
        let mut search = EndSearch::default();
        loop {
            if let Some(len) = chunker.end(&mut search, &data) {
                self.rest.extend_from_slice(&data[len..]);
                data.truncate(len);
                break;
            }
            if self.at_end {
                break;
            }
            let piece = PIECE.min(max - data.len());
            self.at_end = self.reader.read(&mut data, piece)? < piece;
        }
        self.left = self.left.saturating_sub(data.len() as u64);
        Ok((!data.is_empty()).then_some(data))
    }
}
