//! Why something could not be opened. Never says more than an attacker may learn.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    #[error("decryption failed: the bytes were altered, or the key is another one")]
    Open,
    #[error("the signature does not fit")]
    Signature,
    #[error("a key slot is damaged or belongs elsewhere: {0}")]
    Slot(&'static str),
    #[error("{0} has the wrong length")]
    Length(&'static str),
}
