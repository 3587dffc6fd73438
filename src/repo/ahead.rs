//! Chunks in an order that is known before: where requests are dear, they are read ahead, in windows.

use std::collections::VecDeque;

use super::RepoError;
use super::contents::Contents;
use super::gather::Gathered;
use crate::model::ChunkId;

/// Sealed bytes that are read at a time: one part of a large file in nearly all cases.
const WINDOW: u64 = 12 << 20;
/// So far is looked for a chunk that was asked for when others were left out.
const MOST_LEFT_OUT: usize = 4096;

/// Gives chunks to one reader. Memory: one window and what its gaps add, at most 14 MiB, or one frame.
pub struct Ahead<'a> {
    contents: &'a Contents,
    /// What has not been read; empty where the target is near.
    rest: VecDeque<ChunkId>,
    gathered: Gathered,
}

impl Contents {
    /// For who will want these chunks in this order, and perhaps not all of them.
    pub fn ahead(&self, ids: impl IntoIterator<Item = ChunkId>) -> Ahead<'_> {
        let rest = if self.is_far() { ids.into_iter().collect() } else { VecDeque::new() };
        Ahead { contents: self, rest, gathered: Gathered::default() }
    }
}

impl Ahead<'_> {
    /// As [`Contents::chunk`]. What was not announced, or not in this order, is read by itself.
    pub fn chunk(&mut self, id: &ChunkId) -> Result<Vec<u8>, RepoError> {
        if !self.gathered.holds(id) {
            self.go_on_to(id);
        }
        self.contents.chunk_of(&self.gathered, id)
    }

    fn go_on_to(&mut self, id: &ChunkId) {
        let Some(at) = self.rest.iter().take(MOST_LEFT_OUT).position(|next| next == id) else { return };
        self.rest.drain(..at);
        // never two windows at once
        self.gathered = Gathered::default();
        self.gathered = self.contents.gather(self.rest.iter().copied(), WINDOW);
        self.rest.drain(..self.gathered.covered);
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::model::{Content, StorageClass};
    use crate::repo::Repository;
    use crate::repo::testing::{Entries, TestRepo};
    use crate::store::{Moment, PutSource, Store, Verb};

    const CHUNK: usize = 50_000;

    /// A file of so many chunks, committed, and their ids.
    fn repo_of(store: Store, chunks: usize) -> (TestRepo, Vec<ChunkId>) {
        let mut repo = TestRepo::at(store);
        let data: Vec<u8> =
            (0..chunks).flat_map(|n| crate::crypto::hash(&[n as u8]).0.repeat(CHUNK / 32 + 1)).collect();
        let Content::Chunked { chunks, .. } = repo.chunked(&data, CHUNK) else { panic!() };
        repo.commit(&Entries::from([(vec![], crate::model::Entry::test_dir())]));
        (repo, chunks.iter().map(|chunk| chunk.id).collect())
    }

    #[test]
    fn announced_chunks_of_one_pack_are_one_request_with_its_header() {
        let (repo, ids) = repo_of(Store::memory_bucket(), 20);
        let (repository, recorder) = repo.open_recorded();
        let contents = repository.contents().unwrap();
        recorder.reset();
        let mut ahead = contents.ahead(ids.clone());
        ids.iter().for_each(|id| assert!(ahead.chunk(id).is_ok()));
        assert_eq!(recorder.calls(Verb::GetRange), 1);
    }

    #[test]
    fn a_target_that_is_near_is_read_chunk_by_chunk() {
        let (repo, ids) = repo_of(Store::memory(), 20);
        let (repository, recorder) = repo.open_recorded();
        let contents = repository.contents().unwrap();
        recorder.reset();
        let mut ahead = contents.ahead(ids.clone());
        ids.iter().for_each(|id| assert!(ahead.chunk(id).is_ok()));
        assert_eq!(recorder.calls(Verb::GetRange), 1 + ids.len() as u64);
    }

    #[test]
    fn what_is_left_out_or_comes_out_of_order_is_read_all_the_same() {
        let (repo, ids) = repo_of(Store::memory_bucket(), 20);
        let contents = repo.open().contents().unwrap();
        let mut ahead = contents.ahead(ids[..15].iter().copied());
        for at in [3, 4, 4, 9, 1, 17, 14, 0] {
            assert_eq!(ahead.chunk(&ids[at]).unwrap(), contents.chunk(&ids[at]).unwrap(), "{at}");
        }
        assert!(matches!(ahead.chunk(&ChunkId([9; 32])), Err(RepoError::MissingChunk(_))));
    }

    #[test]
    fn chunks_that_stand_twice_in_the_list_are_given_twice() {
        let (repo, ids) = repo_of(Store::memory_bucket(), 3);
        let (repository, recorder) = repo.open_recorded();
        let contents = repository.contents().unwrap();
        recorder.reset();
        let list: Vec<_> = [0, 0, 1, 0, 0, 0, 2, 2, 1].map(|at: usize| ids[at]).into();
        let mut ahead = contents.ahead(list.clone());
        for id in &list {
            assert_eq!(ahead.chunk(id).unwrap(), contents.chunk(id).unwrap());
        }
        assert_eq!(recorder.calls(Verb::GetRange), 1 + list.len() as u64, "one request, and those of the comparison");
    }

    #[test]
    fn a_damaged_frame_among_others_is_an_error_of_its_chunk_alone() {
        let (repo, ids) = repo_of(Store::memory_bucket(), 9);
        let at = repo.open().contents().unwrap().locate(&ids[4]).unwrap().unwrap();
        let name = crate::repo::names::pack(&at.pack.machine, at.pack.is_tree, &at.pack.hash);
        let mut bytes = repo.store.get(&name, u64::MAX).unwrap();
        bytes[at.offset as usize + at.len as usize / 2] ^= 1;
        repo.store.delete(&name).unwrap();
        repo.store.put_if_absent(&name, PutSource::Bytes(&bytes), StorageClass::Standard).unwrap();
        let contents = repo.open().contents().unwrap();
        let mut ahead = contents.ahead(ids.clone());
        for (number, id) in ids.iter().enumerate() {
            match ahead.chunk(id) {
                Ok(content) => assert!(number != 4 && !content.is_empty(), "{number}"),
                Err(error) => assert!(number == 4 && matches!(error, RepoError::DamagedChunk { .. }), "{number}"),
            }
        }
    }

    #[test]
    fn where_a_range_cannot_be_read_its_chunks_are_read_one_by_one() {
        let (repo, ids) = repo_of(Store::memory_bucket(), 5);
        let (store, faults) = repo.store.clone().failing();
        let contents = Repository::open(store, &repo.secret).unwrap().contents().unwrap();
        faults.fail_nth(Verb::GetRange, 1, Moment::Before, Errno::IO);
        let mut ahead = contents.ahead(ids.clone());
        ids.iter().for_each(|id| assert!(ahead.chunk(id).is_ok()));
    }
}
