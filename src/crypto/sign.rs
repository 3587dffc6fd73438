//! Ed25519 signatures.

use sodiumoxide::crypto::sign::ed25519;
use zeroize::Zeroizing;

use super::CryptoError;
use super::hash::{init, random};

pub const SIGNATURE_LEN: usize = 64;

/// Kept as its seed.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<[u8; 32]>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifyingKey([u8; 32]);

impl SigningKey {
    pub(super) fn generate() -> Self {
        Self(Zeroizing::new(random()))
    }

    pub(super) fn from_seed(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    pub(super) fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn verifying(&self) -> VerifyingKey {
        init();
        VerifyingKey(ed25519::keypair_from_seed(&ed25519::Seed(*self.0)).0.0)
    }

    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        init();
        let (_, secret) = ed25519::keypair_from_seed(&ed25519::Seed(*self.0));
        ed25519::sign_detached(message, &secret).to_bytes()
    }
}

impl VerifyingKey {
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        init();
        let signature = ed25519::Signature::from_bytes(signature).map_err(|_| CryptoError::Signature)?;
        match ed25519::verify_detached(&signature, message, &ed25519::PublicKey(self.0)) {
            true => Ok(()),
            false => Err(CryptoError::Signature),
        }
    }
}
