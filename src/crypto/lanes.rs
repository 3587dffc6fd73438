//! Ids of several chunks at once.
//!
//! A single BLAKE2b waits for its own last result most of the time. Four side by side fill the vector unit: 2.6 GB/s instead
//! of 1.15 on an x86-64 server (AVX2). Chunks differ in length, so they are hashed in steps and each gives up its place
//! when it ends.

use blake2b_simd::State;
use blake2b_simd::many::update_many;

use super::hash::{array, params};
use super::keys::ChunkIdKey;
use crate::model::ChunkId;

/// As many as fit side by side where vectors have 256 bits; elsewhere they cost nothing.
const LANES: usize = 4;

/// Takes chunks and gives them back with their ids, in the order in which they end. Holds up to three between calls.
pub struct ChunkIdLanes<T> {
    key: ChunkIdKey,
    lanes: Vec<Lane<T>>,
}

struct Lane<T> {
    chunk: T,
    state: State,
    hashed: usize,
}

impl<T: AsRef<[u8]>> ChunkIdLanes<T> {
    pub(super) fn new(key: ChunkIdKey) -> Self {
        Self { key, lanes: Vec::with_capacity(LANES) }
    }

    /// Takes one more chunk. Gives what is complete: nothing before all lanes are taken.
    pub fn push(&mut self, chunk: T) -> Vec<(ChunkId, T)> {
        let state = params(32, Some(self.key.bytes())).to_state();
        self.lanes.push(Lane { chunk, state, hashed: 0 });
        if self.lanes.len() < LANES { Vec::new() } else { self.step() }
    }

    /// What is left.
    pub fn finish(&mut self) -> Vec<(ChunkId, T)> {
        let mut complete = Vec::new();
        while !self.lanes.is_empty() {
            complete.append(&mut self.step());
        }
        complete
    }

    /// Hashes in all lanes as much as the shortest rest has, and takes out what is complete.
    fn step(&mut self) -> Vec<(ChunkId, T)> {
        let len = self.lanes.iter().map(Lane::rest).min().unwrap_or(0);
        update_many(self.lanes.iter_mut().map(|lane| lane.next(len)));
        let complete = self.lanes.extract_if(.., |lane| lane.rest() == 0);
        complete.map(Lane::into_id).collect()
    }
}

impl<T: AsRef<[u8]>> Lane<T> {
    fn rest(&self) -> usize {
        self.chunk.as_ref().len() - self.hashed
    }

    fn next(&mut self, len: usize) -> (&mut State, &[u8]) {
        let piece = &self.chunk.as_ref()[self.hashed..][..len];
        self.hashed += len;
        (&mut self.state, piece)
    }

    fn into_id(self) -> (ChunkId, T) {
        (ChunkId(array(&self.state.finalize())), self.chunk)
    }
}

#[cfg(test)]
mod tests {
    use crate::crypto::{IdKey, random};

    #[test]
    fn every_chunk_comes_back_once_with_the_id_that_it_has_alone() {
        let key = IdKey::new(random()).chunk_ids(0);
        let lengths = [0usize, 5000, 1, 128, 129, 5000, 70_000, 255, 256, 0, 3];
        let chunks: Vec<Vec<u8>> =
            lengths.iter().map(|len| (0..*len).map(|i| ((i * len) >> 3) as u8).collect()).collect();
        for count in 0..=chunks.len() {
            let mut lanes = key.lanes();
            let mut given: Vec<_> = chunks[..count].iter().flat_map(|chunk| lanes.push(chunk.clone())).collect();
            assert!(count - given.len() < 4, "{} of {count} are kept back", count - given.len());
            given.append(&mut lanes.finish());
            assert!(lanes.finish().is_empty());
            let mut expected: Vec<_> = chunks[..count].iter().map(|chunk| (key.id(chunk), chunk.clone())).collect();
            given.sort();
            expected.sort();
            assert!(given == expected, "{count} chunks");
        }
    }
}
