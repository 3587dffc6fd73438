//! Why a chunk could not be sealed or a frame not opened.

use crate::crypto::CryptoError;
use crate::model::ChunkId;

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("a frame's bytes are damaged: {0}")]
    Frame(&'static str),
    #[error("a frame could not be decrypted")]
    Crypto(#[source] CryptoError),
    #[error("a frame's content does not decompress")]
    Decompress(#[source] std::io::Error),
    #[error("compression failed")]
    Compress(#[source] std::io::Error),
    #[error("the frame holds another chunk ({found}) than {expected}")]
    WrongChunk { expected: ChunkId, found: ChunkId },
    #[error("a chunk of {len} bytes is larger than a frame may be")]
    TooLarge { len: usize },
    /// Bits flipped in memory, or the compressor is wrong: the frame was not stored.
    #[error("chunk {0} did not come back equal after sealing: this machine's memory or processor may be failing")]
    NotReadableAgain(ChunkId),
}

impl From<CryptoError> for SealError {
    fn from(error: CryptoError) -> Self {
        SealError::Crypto(error)
    }
}
