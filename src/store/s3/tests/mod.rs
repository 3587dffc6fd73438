//! What a bucket does beside what all kinds of stores do: on the S3 of our own, and on real servers where they run.

mod archive;
mod faults;
mod objects;
mod parts;
mod refusals;
pub(in crate::store) mod servers;

use crate::model::StorageClass;
use crate::store::{ObjectName, PutOutcome, PutSource, Store, StoreError};

const MIB: usize = 1 << 20;

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn put(store: &Store, text: &str, bytes: &[u8]) -> Result<PutOutcome, StoreError> {
    store.put_if_absent(&name(text), PutSource::Bytes(bytes), StorageClass::Standard)
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}
