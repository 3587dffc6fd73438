//! Clear parts of objects, signed records, content maps.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rozen::crypto::VerifyingKey;
use rozen::format::{ContentMap, PackLayout, SignedRecord, certificate_of_manifest, open_certificate};
use rozen::model::RepoId;

fuzz_target!(|data: &[u8]| {
    let repo = data.get(16..32).and_then(RepoId::from_slice).unwrap_or(RepoId([0; 16]));
    let _ = PackLayout::decode(false, &repo, data);
    let _ = PackLayout::decode(true, &repo, data);
    let _ = ContentMap::decode(data);
    let _ = SignedRecord::parse(data).map(|record| record.is_intact());
    let admin = VerifyingKey::from_slice(&[9; 32]).expect("32 bytes");
    let _ = open_certificate(data, &admin);
    let _ = certificate_of_manifest(data, &admin);
});
