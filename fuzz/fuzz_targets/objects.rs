//! Clear parts of objects, signed records, content maps.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rozen::format::{ContentMap, MachineRecord, PackLayout, RepositoryRecord, SignedRecord};
use rozen::model::RepoId;

fuzz_target!(|data: &[u8]| {
    let repo = data.get(16..32).and_then(RepoId::from_slice).unwrap_or(RepoId([0; 16]));
    let _ = PackLayout::decode(false, &repo, data);
    let _ = PackLayout::decode(true, &repo, data);
    let _ = ContentMap::decode(data);
    let _ = SignedRecord::parse::<RepositoryRecord>(data).and_then(|record| record.claims::<RepositoryRecord>());
    let _ = SignedRecord::parse::<MachineRecord>(data).and_then(|record| record.claims::<MachineRecord>());
});
