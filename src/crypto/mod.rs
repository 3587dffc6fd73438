//! Keys and cryptography: suite 1 of docs/format.md. The only room that names cryptographic libraries.
//!
//! What must hold: one type per key, so that keys of different purpose cannot be mixed up; secrets are wiped when
//! dropped, never printed and never serialised but by the two files that exist for it ([`MachineKeys`],
//! [`RecoveryFile`]); every message has a fresh random nonce; what a machine keeps cannot open content.
//!
//! Keys of another class do not compile:
//! ```compile_fail,E0308
//! # use rozen::{crypto::{RecoverySecret, SealingSlot}, model::RepoId};
//! let keys = RecoverySecret::generate().read_keys(RepoId([0; 16]), 1);
//! SealingSlot::create(&keys); // wants the keys of a machine
//! ```
//!
//! Randomness comes from libsodium here and nowhere else: sealed boxes draw theirs inside the library, so a seam
//! for it would promise a determinism that cannot be kept.
//!
//! Not here: frames and compression (room `seal`), layouts of objects (room `format`).

mod aead;
mod armour;
mod certificate;
mod error;
mod hash;
mod keys;
mod lanes;
mod machine_file;
mod passphrase;
mod private_file;
mod recovery_code;
mod recovery_file;
mod sign;
mod slot;
mod text;

pub use aead::{AEAD_OVERHEAD, NONCE_LEN, TAG_LEN};
pub use certificate::{CERTIFICATE_LEN, Certificate, Serial, Signers};
pub use error::{CryptoError, KeyFileError};
pub use hash::{ObjectHasher, fields, hash, hash_fields, random};
pub use keys::{
    BodyKey, ChunkIdKey, ChunkerKey, ContentPublicKey, ContentSecretKey, FileIdKeys, FrameHeadKey, IdKey, IndexKey,
    ListingKey, MachineKeys, ObjectKey, Psk, Purpose, ReadKeys, RecoverySecret,
};
pub use lanes::ChunkIdLanes;
pub use passphrase::{Passphrase, PassphraseCost};
pub use private_file::{KeyFileWarning, Loaded};
pub use recovery_code::RecoveryCode;
pub use recovery_file::RecoveryFile;
pub use sign::{SIGNATURE_LEN, SigningKey, VerifyingKey};
pub use slot::{KeySlot, OpenedSlot, SLOT_LEN, SealingSlot};
pub use text::{hex, unhex};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors_tests;
