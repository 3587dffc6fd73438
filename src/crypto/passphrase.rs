//! A secret under a passphrase: argon2id with bounded cost and a commitment (docs/format.md, "Recovery file").
//!
//! The commitment is checked before anything is decrypted: so a wrong passphrase is told apart from damage, and no
//! crafted file can be one that opens under many passphrases (XChaCha20-Poly1305 alone does not commit to its key).

use sodiumoxide::crypto::pwhash::argon2id13;
use zeroize::Zeroizing;

use super::aead::{self, AEAD_OVERHEAD};
use super::hash::{derive, fields, init, random};
use super::{CryptoError, KeyFileError};

const SALT_LEN: usize = 16;
const OPS: std::ops::RangeInclusive<u64> = 1..=16;
const MEMORY_BYTES: std::ops::RangeInclusive<u64> = 8 << 20..=4 << 30;

/// What a person types. Used byte for byte, as UTF-8.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Line ends at the end are not part of it: files and terminals add them.
    pub fn new(text: &str) -> Result<Self, KeyFileError> {
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            return Err(KeyFileError::PassphraseEmpty);
        }
        Ok(Self(Zeroizing::new(text.to_string())))
    }

    /// From the only line of a file; empty ones may follow.
    pub fn load(path: &std::path::Path) -> Result<super::Loaded<Self>, KeyFileError> {
        super::private_file::read(path)?.try_map(|text| {
            let value = Self::of_file(&text).map_err(super::private_file::in_file(path))?;
            Ok(super::Loaded { value, warnings: Vec::new() })
        })
    }

    /// Whoever wrote a second line believes that it counts.
    fn of_file(text: &str) -> Result<Self, KeyFileError> {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        if !rest.trim().is_empty() {
            return Err(KeyFileError::PassphraseLines);
        }
        Self::new(first)
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(secret)")
    }
}

/// How much work a guess costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassphraseCost {
    pub ops: u64,
    pub memory_bytes: u64,
}

impl PassphraseCost {
    /// About a second on a small computer; libsodium's name and numbers.
    pub const MODERATE: Self = Self { ops: 3, memory_bytes: 256 << 20 };

    /// Must be asked before the cost is paid: a hostile file could ask for all memory.
    pub(super) fn check(self) -> Result<Self, KeyFileError> {
        within("the number of passes", self.ops, OPS)?;
        within("the memory", self.memory_bytes, MEMORY_BYTES)?;
        Ok(self)
    }
}

fn within(what: &'static str, found: u64, range: std::ops::RangeInclusive<u64>) -> Result<(), KeyFileError> {
    let (min, max) = (*range.start(), *range.end());
    if range.contains(&found) { Ok(()) } else { Err(KeyFileError::PassphraseCost { what, found, min, max }) }
}

/// Why a wrapped secret does not open.
pub(super) enum UnwrapError {
    Key(KeyFileError),
    /// The passphrase is right.
    Altered,
}

/// 32 secret bytes under a passphrase.
pub(super) struct Wrapped {
    pub cost: PassphraseCost,
    pub salt: [u8; SALT_LEN],
    pub commit: [u8; 32],
    pub sealed: [u8; Wrapped::SEALED_LEN],
}

impl Wrapped {
    pub const SEALED_LEN: usize = 32 + AEAD_OVERHEAD;

    /// `ad`: what else the file says; it cannot be changed without the passphrase.
    pub fn seal(
        secret: &[u8; 32],
        passphrase: &Passphrase,
        cost: PassphraseCost,
        ad: &[u8],
    ) -> Result<Self, KeyFileError> {
        let salt = random();
        let keys = WrapKeys::derive(passphrase, cost, &salt)?;
        let sealed = aead::seal(&keys.sealing, &bound(cost, &salt, ad), secret);
        let sealed = sealed.try_into().expect("32 bytes and the overhead");
        Ok(Self { cost, salt, commit: keys.commitment(cost, &salt), sealed })
    }

    pub fn open(&self, passphrase: &Passphrase, ad: &[u8]) -> Result<Zeroizing<[u8; 32]>, UnwrapError> {
        let keys = WrapKeys::derive(passphrase, self.cost, &self.salt).map_err(UnwrapError::Key)?;
        if !sodiumoxide::utils::memcmp(&keys.commitment(self.cost, &self.salt), &self.commit) {
            return Err(UnwrapError::Key(KeyFileError::WrongPassphrase));
        }
        let plain = aead::open(&keys.sealing, &bound(self.cost, &self.salt, ad), &self.sealed);
        let plain = plain.map(Zeroizing::new).map_err(|_: CryptoError| UnwrapError::Altered)?;
        plain.as_slice().try_into().map(Zeroizing::new).map_err(|_| UnwrapError::Altered)
    }
}

/// argon2id's 64 bytes: 32 to seal with, 32 to commit with.
struct WrapKeys {
    sealing: Zeroizing<[u8; 32]>,
    committing: Zeroizing<[u8; 32]>,
}

impl WrapKeys {
    fn derive(passphrase: &Passphrase, cost: PassphraseCost, salt: &[u8; SALT_LEN]) -> Result<Self, KeyFileError> {
        init();
        let cost = cost.check()?;
        let needed = KeyFileError::NotEnoughMemory { needed_bytes: cost.memory_bytes };
        let Ok(memory) = usize::try_from(cost.memory_bytes) else { return Err(needed) };
        let (ops, memory) = (argon2id13::OpsLimit(cost.ops as usize), argon2id13::MemLimit(memory));
        let mut out = Zeroizing::new([0u8; 64]);
        let text = passphrase.0.as_bytes();
        // with the parameters checked, only a failed allocation is left
        argon2id13::derive_key(&mut *out, text, &argon2id13::Salt(*salt), ops, memory).map_err(|()| needed)?;
        let half = |at: usize| Zeroizing::new(out[at..at + 32].try_into().expect("32 bytes"));
        Ok(Self { sealing: half(0), committing: half(32) })
    }

    fn commitment(&self, cost: PassphraseCost, salt: &[u8]) -> [u8; 32] {
        let (ops, memory) = (cost.ops.to_le_bytes(), cost.memory_bytes.to_le_bytes());
        derive(&self.committing, "rozen.v1/passphrase-commit", &[salt, &ops, &memory])
    }
}

fn bound(cost: PassphraseCost, salt: &[u8], ad: &[u8]) -> Vec<u8> {
    fields("rozen.v1/passphrase", &[salt, &cost.ops.to_le_bytes(), &cost.memory_bytes.to_le_bytes(), ad])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_passphrase_in_one_line_and_more_is_refused() {
        for text in ["correct horse", "correct horse\n", "correct horse\r\n", "correct horse\n \n\r\n"] {
            assert_eq!(*Passphrase::of_file(text).unwrap().0, "correct horse", "{text:?}");
        }
        assert_eq!(*Passphrase::of_file(" a \n").unwrap().0, " a ", "spaces are part of it");
        for text in ["abc\ndef", "abc\n\ndef\n", "\nabc\n", "abc\r\n d\n"] {
            assert!(matches!(Passphrase::of_file(text), Err(KeyFileError::PassphraseLines)), "{text:?}");
        }
        for text in ["", "\n", "\r\n"] {
            assert!(matches!(Passphrase::of_file(text), Err(KeyFileError::PassphraseEmpty)), "{text:?}");
        }
    }
}
