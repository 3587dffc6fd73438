//! XChaCha20-Poly1305 with random nonces, written before the ciphertext.
//!
//! By libsodium; what is long, bodies of frames, by `ring`, which takes a quarter less time, and half where all processors
//! are busy. Both must be able to open what either sealed: tests hold them to it, and whoever seals frames lets libsodium open its
//! first one (`seal/sealer.rs`).

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

/// [`seal_into`] by the other library.
pub(super) fn seal_long_into(key: &[u8; 32], ad: &[u8], plain: &[u8], out: &mut Vec<u8>) {
    init();
    let nonce: [u8; NONCE_LEN] = random();
    let (key, short_nonce) = of_ring(key, &nonce);
    out.reserve(plain.len() + AEAD_OVERHEAD);
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(plain);
    let tag = key.seal_in_place_separate_tag(short_nonce, Aad::from(ad), &mut out[start..]);
    out.extend_from_slice(tag.expect("256 GiB are not sealed at once").as_ref());
}

/// [`open`] by the other library. Replaces what is in `out` by the message; on an error `out` holds nothing.
pub(super) fn open_long_into(key: &[u8; 32], ad: &[u8], sealed: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
    out.clear();
    let (nonce, body) = split(sealed)?;
    let (key, short_nonce) = of_ring(key, nonce);
    out.extend_from_slice(body);
    match key.open_in_place(short_nonce, Aad::from(ad), out) {
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

/// XChaCha20-Poly1305 is ChaCha20-Poly1305 (RFC 8439), which is what ring has, under the key that HChaCha20 makes of the nonce's
/// first 16 bytes, with a nonce of four zeros and the other 8.
fn of_ring(key: &[u8; 32], nonce: &[u8; NONCE_LEN]) -> (LessSafeKey, Nonce) {
    let (first, last) = nonce.split_first_chunk().expect("24 bytes are more than 16");
    let subkey = UnboundKey::new(&CHACHA20_POLY1305, &*subkey(key, first)).expect("32 bytes are a key");
    let mut short_nonce = [0; 12];
    short_nonce[4..].copy_from_slice(last);
    (LessSafeKey::new(subkey), Nonce::assume_unique_for_key(short_nonce))
}

/// Nonce, and ciphertext with its tag.
fn split(sealed: &[u8]) -> Result<(&[u8; NONCE_LEN], &[u8]), CryptoError> {
    let (nonce, body) = sealed.split_first_chunk().ok_or(CryptoError::Open)?;
    if body.len() < TAG_LEN { Err(CryptoError::Open) } else { Ok((nonce, body)) }
}

/// HChaCha20.
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

    fn refused(key: &[u8; 32], ad: &[u8], sealed: &[u8]) -> bool {
        let mut out = b"old".to_vec();
        open(key, ad, sealed).is_err() && open_long_into(key, ad, sealed, &mut out).is_err() && out.is_empty()
    }

    #[test]
    fn both_libraries_open_the_same_messages_and_refuse_the_same_changes() {
        let key: [u8; 32] = random();
        for len in (0..1100).chain([4095, 4096, 4097, 65_536, 100_001]) {
            let plain: Vec<u8> = (0..len).map(|i: usize| (i * 7 / 3) as u8).collect();
            let mut by_ring = b"before".to_vec();
            seal_long_into(&key, b"bound", &plain, &mut by_ring);
            assert!(by_ring.starts_with(b"before"));
            for sealed in [seal(&key, b"bound", &plain), by_ring.split_off(6)] {
                assert_eq!(sealed.len(), len + AEAD_OVERHEAD);
                let mut opened = b"what was there before".to_vec();
                open_long_into(&key, b"bound", &sealed, &mut opened).unwrap();
                assert!(opened == plain && open(&key, b"bound", &sealed).unwrap() == plain, "{len} bytes");
                assert!(refused(&key, b"other", &sealed), "{len} bytes");
                assert!(refused(&key, b"bound", &sealed[..sealed.len() - 1]), "{len} bytes");
                for at in [0, 15, 16, NONCE_LEN, sealed.len() - 1] {
                    let mut altered = sealed.clone();
                    altered[at] ^= 1;
                    assert!(refused(&key, b"bound", &altered), "{len} bytes, byte {at}");
                }
            }
        }
        for len in 0..AEAD_OVERHEAD {
            assert!(open_long_into(&key, b"", &vec![0; len], &mut Vec::new()).is_err(), "{len} bytes");
        }
    }
}
