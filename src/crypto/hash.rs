//! BLAKE2b, keyed and not, and the encoding of fields that keeps them apart.
//!
//! By `blake2b_simd`, not by libsodium: on the same processor it is an eighth faster for one message, and more than twice as
//! fast for four at once ([`super::ChunkIdLanes`]). A test holds both to the same answers.

use std::sync::Once;

use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};

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
    array(&params(N, key).hash(bytes))
}

/// [`digest`] of each message, several at once.
pub(super) fn digests<const N: usize>(messages: &[&[u8]], key: &[u8; 32]) -> Vec<[u8; N]> {
    let params = params(N, Some(key));
    let mut jobs: Vec<_> = messages.iter().map(|message| HashManyJob::new(&params, message)).collect();
    hash_many(&mut jobs);
    jobs.iter().map(|job| array(&job.to_hash())).collect()
}

pub(super) fn params(len: usize, key: Option<&[u8; 32]>) -> Params {
    let mut params = Params::new();
    params.hash_length(len);
    if let Some(key) = key {
        params.key(key);
    }
    params
}

pub(super) fn array<const N: usize>(hash: &blake2b_simd::Hash) -> [u8; N] {
    hash.as_bytes().try_into().expect("as long as asked for")
}

/// `H` over bytes that come in pieces.
pub struct ObjectHasher(blake2b_simd::State);

impl ObjectHasher {
    pub fn new() -> Self {
        Self(params(32, None).to_state())
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> ObjectHash {
        ObjectHash(array(&self.0.finalize()))
    }
}

impl Default for ObjectHasher {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use sodiumoxide::crypto::generichash;

    use super::*;

    #[test]
    fn both_libraries_give_the_same_hashes() {
        let content: Vec<u8> = (0..70_000u64).map(|i| ((i * i) >> 7) as u8).collect();
        let key: [u8; 32] = random();
        let lengths = [0, 1, 127, 128, 129, 4096, 65_537, 70_000];
        let messages: Vec<&[u8]> = lengths.iter().map(|len| &content[..*len]).collect();
        let many: Vec<[u8; 32]> = digests(&messages, &key);
        for (message, one_of_many) in messages.iter().zip(many) {
            let theirs = |key: Option<&[u8]>| generichash::hash(message, Some(32), key).unwrap();
            assert_eq!(one_of_many, theirs(Some(&key)).as_ref(), "{} bytes", message.len());
            assert_eq!(digest::<32>(message, Some(&key)), theirs(Some(&key)).as_ref(), "{} bytes", message.len());
            assert_eq!(hash(message).as_bytes(), theirs(None).as_ref(), "{} bytes", message.len());
            let mut pieces = ObjectHasher::new();
            message.chunks(1000).for_each(|piece| pieces.update(piece));
            assert_eq!(pieces.finish(), hash(message));
        }
    }
}
