//! The list of chunks and extents of a file that has too many of them for its entry.

use minicbor::{Decode, Encode};

use super::FormatError;
use crate::model::{ChunkRef, Extent};

/// Up to this many chunks and extents together stand in the entry itself.
pub const MAX_INLINE_ITEMS: usize = 128;

/// CBOR `{0: chunks, 1: extents}`; stored in pieces as chunks of kind `content map`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ContentMap {
    #[n(0)]
    pub chunks: Vec<ChunkRef>,
    /// `None` = no holes.
    #[n(1)]
    pub extents: Option<Vec<Extent>>,
}

impl ContentMap {
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to a vector cannot fail")
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        Ok(minicbor::decode(bytes)?)
    }
}
