//! What stands encrypted in objects. A machine with the keys could write anything there: whatever decodes encodes to bytes that
//! decode to the same value, and can be walked.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use minicbor::{Decode, Encode};
use rozen::format::{ContentMap, IndexBody, ManifestBody, PackDirectory, StoredConfig};
use rozen::model::ListedRoot;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 6 {
        0 => walk(again(data)),
        1 => drop(again::<ManifestBody>(data)),
        2 => drop(again::<Vec<ListedRoot>>(data)),
        3 => drop(again::<StoredConfig>(data)),
        4 => drop(again::<PackDirectory>(data)),
        _ => drop(again::<ContentMap>(data)),
    }
});

fn again<T: for<'a> Decode<'a, ()> + Encode<()> + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let value: T = minicbor::decode(data).ok()?;
    let bytes = minicbor::to_vec(&value).expect("writing to a vector cannot fail");
    assert_eq!(minicbor::decode::<T>(&bytes).expect("what we wrote"), value);
    Some(value)
}

/// Where the rows of an index say that frames and members lie.
fn walk(index: Option<IndexBody>) {
    for pack in index.iter().flat_map(|index| &index.packs) {
        let _ = pack.located().last();
        let _ = pack.members.iter().map(|bundle| bundle.members().count()).sum::<usize>();
    }
}
