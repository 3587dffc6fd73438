//! XChaCha20-Poly1305 with random nonces, written before the ciphertext.
//!
//! libsodium seals everything. What is long, bodies of frames, is opened by `ring`: a third faster, and since every frame is
//! opened again before it counts, no mistake of one library gets into a repository unseen by the other.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sodiumoxide::crypto::aead::xchacha20poly1305_ietf as aead;
use zeroize::Zeroizing;

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
    let nonce: [u8; NONCE_LEN] = random();
    out.reserve(plain.len() + AEAD_OVERHEAD);
    out.extend_from_slice(&nonce);
    let (body, mut len) = (out.spare_capacity_mut(), 0);
    // sodiumoxide seals in place: a copy of all content more.
    // SAFETY: it reads `plain`, `ad`, 24 bytes of the nonce and 32 of the key, and writes as many bytes as `plain` has and 16 for
    // the tag, for which room was reserved. It cannot fail, and the length that it gives is what it wrote.
    unsafe {
        libsodium_sys::crypto_aead_xchacha20poly1305_ietf_encrypt(
            body.as_mut_ptr().cast(),
            &raw mut len,
            plain.as_ptr(),
            plain.len() as u64,
            ad.as_ptr(),
            ad.len() as u64,
            std::ptr::null(),
            nonce.as_ptr(),
            key.as_ptr(),
        );
        out.set_len(out.len() + len as usize);
    }
}

pub(super) fn open(key: &[u8; 32], ad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    init();
    let (nonce, body) = split(sealed)?;
    let (body, tag) = body.split_at(body.len() - TAG_LEN);
    let tag = aead::Tag(tag.try_into().expect("16 bytes"));
    let mut out = body.to_vec();
    match aead::open_detached(&mut out, Some(ad), &tag, &aead::Nonce(*nonce), &aead::Key(*key)) {
        Ok(()) => Ok(out),
        Err(()) => Err(CryptoError::Open),
    }
}

/// [`open`] by the other library. Replaces what is in `out` by the message; on an error `out` holds nothing.
pub(super) fn open_into(key: &[u8; 32], ad: &[u8], sealed: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
    out.clear();
    let (nonce, body) = split(sealed)?;
    let (first, last) = nonce.split_first_chunk().expect("24 bytes are more than 16");
    let subkey = UnboundKey::new(&CHACHA20_POLY1305, &*subkey(key, first)).map_err(|_| CryptoError::Open)?;
    let mut short_nonce = [0; 12];
    short_nonce[4..].copy_from_slice(last);
    out.extend_from_slice(body);
    let nonce = Nonce::assume_unique_for_key(short_nonce);
    match LessSafeKey::new(subkey).open_in_place(nonce, Aad::from(ad), out) {
        Ok(message) => {
            let len = message.len();
            out.truncate(len);
            Ok(())
        }
        Err(_) => {
            out.clear();
            Err(CryptoError::Open)
        }
    }
}

/// Nonce, and ciphertext with its tag.
fn split(sealed: &[u8]) -> Result<(&[u8; NONCE_LEN], &[u8]), CryptoError> {
    let (nonce, body) = sealed.split_first_chunk().ok_or(CryptoError::Open)?;
    if body.len() < TAG_LEN { Err(CryptoError::Open) } else { Ok((nonce, body)) }
}

/// HChaCha20: XChaCha20-Poly1305 is ChaCha20-Poly1305 (RFC 8439) under the key that this makes of the nonce's first 16
/// bytes, with a nonce of four zeros and the other 8.
fn subkey(key: &[u8; 32], nonce: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    // SAFETY: it reads 16 bytes of the nonce and 32 of the key and writes 32, as long as these arrays are; a constant that is
    // null stands for the usual one. It only computes and cannot fail.
    unsafe {
        libsodium_sys::crypto_core_hchacha20(out.as_mut_ptr(), nonce.as_ptr(), key.as_ptr(), std::ptr::null());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_libraries_open_the_same_messages_and_refuse_the_same_changes() {
        let key: [u8; 32] = random();
        for len in [0, 1, 15, 16, 17, 64, 255, 4096, 100_001] {
            let plain: Vec<u8> = (0..len).map(|i| (i * 7 / 3) as u8).collect();
            let sealed = seal(&key, b"bound", &plain);
            let mut opened = b"what was there before".to_vec();
            open_into(&key, b"bound", &sealed, &mut opened).unwrap();
            assert!(opened == plain && open(&key, b"bound", &sealed).unwrap() == plain, "{len} bytes");
            let refused = |ad: &[u8], sealed: &[u8]| {
                let mut out = b"old".to_vec();
                open(&key, ad, sealed).is_err() && open_into(&key, ad, sealed, &mut out).is_err() && out.is_empty()
            };
            assert!(refused(b"other", &sealed), "{len} bytes");
            assert!(refused(b"bound", &sealed[..sealed.len() - 1]), "{len} bytes");
            for at in [0, 15, 16, NONCE_LEN, sealed.len() - 1] {
                let mut altered = sealed.clone();
                altered[at] ^= 1;
                assert!(refused(b"bound", &altered), "{len} bytes, byte {at}");
            }
        }
        for len in 0..AEAD_OVERHEAD {
            assert!(open_into(&key, b"", &vec![0; len], &mut Vec::new()).is_err(), "{len} bytes");
        }
    }
}
