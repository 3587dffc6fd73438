//! XChaCha20-Poly1305 with random nonces, written before the ciphertext.

use sodiumoxide::crypto::aead::xchacha20poly1305_ietf as aead;

use super::CryptoError;
use super::hash::{init, random};

pub const NONCE_LEN: usize = aead::NONCEBYTES;
pub const TAG_LEN: usize = aead::TAGBYTES;
/// What `nonce ‖ ciphertext ‖ tag` has more than the message.
pub const AEAD_OVERHEAD: usize = NONCE_LEN + TAG_LEN;

pub(super) fn seal(key: &[u8; 32], ad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plain.len() + AEAD_OVERHEAD);
    seal_into(key, ad, plain, &mut out);
    out
}

/// Appends nonce, ciphertext and tag.
pub(super) fn seal_into(key: &[u8; 32], ad: &[u8], plain: &[u8], out: &mut Vec<u8>) {
    init();
    let nonce = aead::Nonce(random());
    out.extend_from_slice(&nonce.0);
    let start = out.len();
    out.extend_from_slice(plain);
    let tag = aead::seal_detached(&mut out[start..], Some(ad), &nonce, &aead::Key(*key));
    out.extend_from_slice(&tag.0);
}

pub(super) fn open(key: &[u8; 32], ad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let mut out = Vec::new();
    open_into(key, ad, sealed, &mut out)?;
    Ok(out)
}

/// Replaces what is in `out` by the message; on an error `out` holds nothing.
pub(super) fn open_into(key: &[u8; 32], ad: &[u8], sealed: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
    init();
    out.clear();
    let body_len = sealed.len().checked_sub(AEAD_OVERHEAD).ok_or(CryptoError::Open)?;
    let nonce = aead::Nonce(sealed[..NONCE_LEN].try_into().expect("24 bytes"));
    let tag = aead::Tag(sealed[NONCE_LEN + body_len..].try_into().expect("16 bytes"));
    out.extend_from_slice(&sealed[NONCE_LEN..NONCE_LEN + body_len]);
    aead::open_detached(out, Some(ad), &tag, &nonce, &aead::Key(*key)).map_err(|()| {
        out.clear();
        CryptoError::Open
    })
}
