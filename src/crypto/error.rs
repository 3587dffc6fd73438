//! What can go wrong: with bytes ([`CryptoError`]) and with the files and codes that people keep ([`KeyFileError`]).

use std::io;
use std::path::PathBuf;

/// Why something could not be opened. Never says more than an attacker may learn.
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

/// Why a key file or a recovery code cannot be used. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("could not {action} {path:?}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("could not use the key file {path:?}")]
    InFile { path: PathBuf, source: Box<KeyFileError> },
    /// Whatever is in it, it is no secret.
    #[error("could not use {path:?}: it is {found}")]
    Unfit { path: PathBuf, found: &'static str },
    #[error("this is not a {0}")]
    NotKeyFile(&'static str),
    #[error("this {kind} has version {found}, this program knows version {known}: use a newer rozen")]
    Newer { kind: &'static str, found: u32, known: u32 },
    #[error("the {kind} is damaged: {what}")]
    Damaged { kind: &'static str, what: String },

    #[error("group {group} of the recovery code contains {character:?}, which no recovery code has")]
    CodeCharacter { character: char, group: usize },
    #[error("the recovery code has {found} characters instead of {expected}; look at group {group} first")]
    CodeLength { found: usize, expected: usize, group: usize },
    #[error("the recovery code is mistyped in group {}", list(.groups))]
    CodeGroups { groups: Vec<usize> },
    #[error("each group of the recovery code fits, the whole does not: compare all of it")]
    CodeWhole,
    #[error("the recovery code has version {found}, this program knows version {known}: use a newer rozen")]
    CodeVersion { found: u8, known: u8 },

    #[error("the recovery file is protected by a passphrase, and none was given")]
    PassphraseNeeded,
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    #[error("the passphrase is empty")]
    PassphraseEmpty,
    #[error("there is more than one line in it, and a passphrase is one")]
    PassphraseLines,
    #[error("{what} of the passphrase is {found}, only {min} to {max} is accepted")]
    PassphraseCost { what: &'static str, found: u64, min: u64, max: u64 },
    #[error("not enough memory to check the passphrase: {needed_bytes} bytes are needed")]
    NotEnoughMemory { needed_bytes: u64 },
}

impl KeyFileError {
    /// Is another secret needed (exit code 12), rather than another file or a repair?
    pub fn is_wrong_key(&self) -> bool {
        match self {
            Self::InFile { source, .. } => source.is_wrong_key(),
            Self::PassphraseNeeded | Self::WrongPassphrase => true,
            Self::PassphraseEmpty | Self::PassphraseLines => true,
            Self::CodeCharacter { .. } | Self::CodeLength { .. } | Self::CodeGroups { .. } | Self::CodeWhole => true,
            Self::Io { .. } | Self::Unfit { .. } | Self::NotKeyFile(_) | Self::Newer { .. } | Self::Damaged { .. } => {
                false
            }
            Self::CodeVersion { .. } | Self::PassphraseCost { .. } | Self::NotEnoughMemory { .. } => false,
        }
    }
}

fn list(groups: &[usize]) -> String {
    groups.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}
