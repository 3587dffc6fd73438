//! What can be wrong with stored bytes.

/// Display names the thing by type; the caller adds which object it was.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error("it is not a {expected}: the first bytes are not {magic:?}")]
    Magic { expected: &'static str, magic: &'static str },
    #[error("it is a {expected} of version {found}; this program reads version {known}: use a newer rozenctl")]
    Newer { expected: &'static str, found: u16, known: u16 },
    #[error("it needs features that this program does not know (flags {0:#010x}): use a newer rozenctl")]
    Feature(u32),
    #[error("it uses cryptographic suite {0}, this program knows suite 1: use a newer rozenctl")]
    Suite(u8),
    #[error("it is truncated: {len} bytes, at least {needed} expected")]
    Truncated { len: u64, needed: u64 },
    #[error("it belongs to repository {found}, this one is {expected}")]
    WrongRepository { found: String, expected: String },
    #[error("it belongs to machine {found}, expected {expected}")]
    WrongMachine { found: String, expected: String },
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("its content is malformed")]
    Cbor(#[source] minicbor::decode::Error),
    #[error("it could not be decrypted: damaged, or made with another key")]
    Crypto(#[source] crate::crypto::CryptoError),
}

impl FormatError {
    /// A later program made it; nothing says that it is damaged.
    pub fn is_newer(&self) -> bool {
        matches!(self, FormatError::Newer { .. } | FormatError::Feature(_) | FormatError::Suite(_))
    }
}

impl From<minicbor::decode::Error> for FormatError {
    fn from(error: minicbor::decode::Error) -> Self {
        FormatError::Cbor(error)
    }
}

impl From<crate::crypto::CryptoError> for FormatError {
    fn from(error: crate::crypto::CryptoError) -> Self {
        FormatError::Crypto(error)
    }
}
