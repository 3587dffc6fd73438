//! BLAKE2b, keyed and not, and the encoding of fields that keeps them apart.

use std::sync::Once;

use sodiumoxide::crypto::generichash;

use crate::model::ObjectHash;

/// libsodium chooses its fastest code at initialisation; without it everything works, slower.
pub(super) fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        // an error means that no randomness can be had: then every nonce would be wrong
        sodiumoxide::init().expect("the system gives random bytes");
    });
}

/// Random bytes for keys, ids and nonces.
pub fn random<const N: usize>() -> [u8; N] {
    init();
    let mut out = [0; N];
    sodiumoxide::randombytes::randombytes_into(&mut out);
    out
}

/// `H`: BLAKE2b-256 without a key; names of objects.
pub fn hash(bytes: &[u8]) -> ObjectHash {
    ObjectHash(digest(bytes, None))
}

/// `D(label, fields…)` of docs/format.md: length-prefixed, so that fields cannot run into each other.
pub fn fields(label: &str, fields: &[&[u8]]) -> Vec<u8> {
    let total = fields.iter().map(|field| field.len() + 8).sum::<usize>();
    let mut out = Vec::with_capacity(1 + label.len() + total);
    out.push(u8::try_from(label.len()).expect("labels are short constants"));
    out.extend_from_slice(label.as_bytes());
    for field in fields {
        out.extend_from_slice(&(field.len() as u64).to_le_bytes());
        out.extend_from_slice(field);
    }
    out
}

/// `H(D(label, fields…))`.
pub fn hash_fields(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    digest(&fields(label, parts), None)
}

/// `HK(key, D(label, fields…))`.
pub(super) fn derive(key: &[u8; 32], label: &str, parts: &[&[u8]]) -> [u8; 32] {
    digest(&fields(label, parts), Some(key))
}

/// BLAKE2b of `N` ≤ 64 bytes.
pub(super) fn digest<const N: usize>(bytes: &[u8], key: Option<&[u8; 32]>) -> [u8; N] {
    init();
    let digest = generichash::hash(bytes, Some(N), key.map(|key| &key[..])).expect("16 to 64 bytes are allowed");
    digest.as_ref().try_into().expect("as long as asked for")
}

/// `H` over bytes that come in pieces.
pub struct ObjectHasher(generichash::State);

impl ObjectHasher {
    pub fn new() -> Self {
        init();
        Self(generichash::State::new(Some(32), None).expect("32 bytes are allowed"))
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes).expect("hashing memory cannot fail");
    }

    pub fn finish(self) -> ObjectHash {
        let digest = self.0.finalize().expect("it was not finished before");
        ObjectHash::from_slice(digest.as_ref()).expect("32 bytes were asked for")
    }
}

impl Default for ObjectHasher {
    fn default() -> Self {
        Self::new()
    }
}
