//! Workers: ids of small files, deduplication, compression, encryption. Two or more threads take from one queue.

use std::collections::HashMap;

use super::bundle::Batch;
use super::error::RunError;
use super::large::{CompleteFile, FileChunk};
use super::packer::Packed;
use super::pipeline::{Halt, Sender, Work};
use super::placement::Place;
use super::presence::Presence;
use crate::crypto::FileIdKeys;
use crate::format::{ContentMap, IndexedFrame, MAX_INLINE_ITEMS, MemberRow};
use crate::model::{ChunkId, ChunkRef, Content, Entry, FileId};
use crate::pack::SealedFrame;
use crate::seal::{FrameKind, FrameSealer};
use crate::tree::TreeKey;

/// A content map is stored in pieces of this size.
const MAP_PIECE: usize = 1 << 20;

pub(super) struct Worker<'a> {
    pub sealer: FrameSealer,
    pub files: FileIdKeys,
    pub presence: &'a Presence,
    pub out: Sender<Packed>,
}

/// Ends of a worker: its own error, or somebody else's.
pub(super) enum Stop {
    Failed(RunError),
    Halted,
}

impl<E: Into<RunError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop::Failed(error.into())
    }
}

impl From<Halt> for Stop {
    fn from(_: Halt) -> Self {
        Stop::Halted
    }
}

impl Worker<'_> {
    pub fn work(&mut self, work: Work) -> Result<(), Stop> {
        match work {
            Work::Small(batch) => self.batch(batch),
            Work::Chunk(id, chunk) => self.chunk(id, &chunk),
            Work::End { file, entry } => match file.end_file(*entry) {
                Some(complete) => self.complete(&file.key, complete),
                None => Ok(()),
            },
        }
    }

    /// Files that are stored already get their old place, the others become one bundle.
    fn batch(&mut self, mut batch: Batch) -> Result<(), Stop> {
        let contents: Vec<&[u8]> = batch.files.iter().map(|file| &batch.data[file.range.clone()]).collect();
        let ids = self.files.of_each(&contents);
        let mut first: HashMap<(FileId, usize), usize> = HashMap::new();
        let mut fresh = vec![false; ids.len()];
        for (at, file) in batch.files.iter_mut().enumerate() {
            let len = file.range.len();
            if let Some((bundle, offset)) = self.presence.member(&ids[at], len as u32)? {
                file.place(ids[at], bundle, offset);
            } else {
                fresh[at] = *first.entry((ids[at], len)).or_insert(at) == at;
            }
        }
        batch.keep(&fresh);
        if !batch.data.is_empty() {
            self.bundle(&mut batch, &ids, &fresh, &first)?;
        }
        let entries = batch.files.into_iter().map(|file| (file.key, file.entry)).collect();
        Ok(self.out.send(Packed::Entries(entries))?)
    }

    fn bundle(
        &mut self,
        batch: &mut Batch,
        ids: &[FileId],
        fresh: &[bool],
        first: &HashMap<(FileId, usize), usize>,
    ) -> Result<(), Stop> {
        let bundle = self.sealer.id(FrameKind::Bundle, &batch.data);
        let new = || (0..ids.len()).filter(|at| fresh[*at]);
        let members: Vec<MemberRow> =
            new().map(|at| MemberRow { id: ids[at], len: batch.files[at].range.len() as u32 }).collect();
        if self.presence.claim(&bundle)? {
            self.seal(FrameKind::Bundle, bundle, &batch.data, members, Place::Data)?;
        }
        self.presence.add_members(new().map(|at| {
            let range = &batch.files[at].range;
            (ids[at], range.len() as u32, (bundle, range.start as u32))
        }));
        let offsets: Vec<u32> = batch.files.iter().map(|file| file.range.start as u32).collect();
        for (at, file) in batch.files.iter_mut().enumerate().filter(|(_, file)| file.entry.content.is_none()) {
            let source = first[&(ids[at], file.range.len())];
            file.place(ids[at], bundle, offsets[source]);
        }
        Ok(())
    }

    fn chunk(&mut self, id: ChunkId, chunk: &FileChunk) -> Result<(), Stop> {
        self.store(FrameKind::Content, id, &chunk.data, chunk.file.place)?;
        match chunk.file.end_chunk(chunk.at, ChunkRef { id, len: chunk.data.len() as u32 }) {
            Some(complete) => self.complete(&chunk.file.key, complete),
            None => Ok(()),
        }
    }

    fn complete(&mut self, key: &TreeKey, complete: CompleteFile) -> Result<(), Stop> {
        let CompleteFile { mut entry, chunks } = complete;
        let id = self.files.of_chunks(&chunks);
        let items = chunks.len() + entry.extents.as_ref().map_or(0, Vec::len);
        entry.content = Some(if items <= MAX_INLINE_ITEMS {
            Content::Chunked { id, chunks }
        } else {
            let map = ContentMap { chunks, extents: entry.extents.take() }.encode();
            let mut pieces = Vec::new();
            for piece in map.chunks(MAP_PIECE) {
                let id = self.sealer.id(FrameKind::ContentMap, piece);
                self.store(FrameKind::ContentMap, id, piece, Place::Tree)?;
                pieces.push(ChunkRef { id, len: piece.len() as u32 });
            }
            Content::Mapped { id, map: pieces }
        });
        Ok(self.out.send(Packed::Entries(vec![(key.clone(), entry)]))?)
    }

    /// Seals the chunk unless it is stored already.
    fn store(&mut self, kind: FrameKind, id: ChunkId, plain: &[u8], place: Place) -> Result<(), Stop> {
        match self.presence.claim(&id)? {
            true => self.seal(kind, id, plain, vec![], place),
            false => Ok(()),
        }
    }

    fn seal(
        &mut self,
        kind: FrameKind,
        id: ChunkId,
        plain: &[u8],
        members: Vec<MemberRow>,
        place: Place,
    ) -> Result<(), Stop> {
        let mut bytes = Vec::new();
        let head = self.sealer.seal(kind, id, plain, &mut bytes)?;
        let frame = IndexedFrame { id, kind: kind.code(), len: bytes.len() as u32, raw_len: head.raw_len };
        Ok(self.out.send(Packed::Frame { place, sealed: SealedFrame { bytes, frame, members } })?)
    }
}

/// Entries go on encoded: the journal keeps bytes.
pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    minicbor::to_vec(entry).expect("writing to a vector cannot fail")
}
