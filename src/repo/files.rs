//! The content of one file, from its entry: which chunks, where their bytes belong, and whether they are this file's.

use std::sync::Arc;

use super::{Ahead, Contents, RepoError};
use crate::crypto::FileIdKeys;
use crate::format::{ContentMap, FormatError};
use crate::model::{ChunkId, ChunkRef, Content, Entry, EntryFlags, Extent, FileId};
use crate::store::StoreError;

/// Larger maps are refused: they would list more than 100 TiB.
const MAX_MAP: u64 = 1 << 32;

/// Why a file's content cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("its content could not be read when it was backed up, so the snapshot has none")]
    NotStored,
    #[error("its entry contradicts itself: {0}")]
    Contradiction(&'static str),
    #[error("what the repository holds in the place of its content is not its content")]
    WrongContent,
    #[error("a part of its content cannot be read")]
    Chunk(#[source] Arc<RepoError>),
    #[error("the list of its chunks cannot be used")]
    Map(#[source] FormatError),
}

impl ContentError {
    /// What a person can do where nothing is damaged: the target does not give it now, or not this way.
    pub fn remedy_at_target(&self) -> Option<&'static str> {
        let ContentError::Chunk(error) = self else { return None };
        match &**error {
            RepoError::Store(error) if error.is_of_target() || matches!(error, StoreError::Archived { .. }) => {
                Some(error.remedy())
            }
            _ => None,
        }
    }
}

impl From<RepoError> for ContentError {
    fn from(error: RepoError) -> Self {
        ContentError::Chunk(Arc::new(error))
    }
}

/// Takes data bytes with their offset in the file.
pub type DataSink<'s, E> = &'s mut dyn FnMut(u64, &[u8]) -> Result<(), E>;

/// Where the data bytes of a file come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DataParts {
    /// `len` bytes at `offset` of a bundle; [`Files::of_bundle`] cuts them out and checks them.
    Bundled { id: FileId, bundle: ChunkId, offset: u32, len: u32 },
    /// In order; each is checked by [`Files::chunk`], the list as a whole was checked.
    Chunks(Vec<ChunkRef>),
}

/// A file's data bytes and their places in the file; lengths and extents were checked against each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileData {
    /// Of the file with its holes, in bytes.
    pub size: u64,
    pub parts: DataParts,
    /// `None`: the data bytes are the file.
    extents: Option<Vec<Placed>>,
}

/// An extent and where its bytes begin in the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Placed {
    data: u64,
    extent: Extent,
}

/// Reads the content of files. Usable from several threads.
pub struct Files<'a> {
    contents: &'a Contents,
    ids: FileIdKeys,
}

impl<'a> Files<'a> {
    pub fn new(contents: &'a Contents) -> Self {
        Self { contents, ids: contents.keys.id.file_ids() }
    }

    /// `entry` is a regular file's. Reads the content map where there is one.
    pub fn open(&self, entry: &Entry) -> Result<FileData, ContentError> {
        let mut extents = entry.extents.clone();
        let parts = match &entry.content {
            Some(Content::Bundled { id, bundle, offset, len }) => {
                DataParts::Bundled { id: *id, bundle: *bundle, offset: *offset, len: *len }
            }
            Some(Content::Chunked { id, chunks }) => self.checked(*id, chunks.clone())?,
            Some(Content::Mapped { id, map }) => {
                let map = self.map(map)?;
                extents = map.extents;
                self.checked(*id, map.chunks)?
            }
            None if entry.flags.has(EntryFlags::UNREADABLE) => return Err(ContentError::NotStored),
            None => DataParts::Chunks(vec![]),
        };
        let data = FileData { size: entry.size, extents: extents.map(place), parts };
        match data.contradiction() {
            Some(_) if entry.content.is_none() => Err(ContentError::NotStored),
            Some(what) => Err(ContentError::Contradiction(what)),
            None => Ok(data),
        }
    }

    /// The plain bytes of one chunk of [`DataParts::Chunks`]. `ahead` is of the contents that this reads.
    pub fn chunk(&self, ahead: &mut Ahead<'_>, chunk: &ChunkRef) -> Result<Vec<u8>, ContentError> {
        let bytes = ahead.chunk(&chunk.id)?;
        if bytes.len() != chunk.len as usize {
            return Err(ContentError::Contradiction("a chunk has another length than its list says"));
        }
        Ok(bytes)
    }

    /// Cuts a file out of its bundle's plain bytes.
    pub fn of_bundle<'b>(
        &self,
        bundle: &'b [u8],
        id: &FileId,
        offset: u32,
        len: u32,
    ) -> Result<&'b [u8], ContentError> {
        let end = u64::from(offset) + u64::from(len);
        let data = usize::try_from(end).ok().and_then(|end| bundle.get(offset as usize..end));
        let data = data.ok_or(ContentError::Contradiction("it ends behind its bundle"))?;
        if self.ids.of_data(data) == *id { Ok(data) } else { Err(ContentError::WrongContent) }
    }

    /// The data bytes in order, with their offsets in the file; what lies between is a hole.
    pub fn read<E: From<ContentError>>(&self, data: &FileData, sink: DataSink<'_, E>) -> Result<(), E> {
        self.read_ahead(data, &mut self.contents.ahead(data.chunks()), sink)
    }

    /// The same, of several files one after another: `ahead` knows the chunks of all.
    pub fn read_ahead<E: From<ContentError>>(
        &self,
        data: &FileData,
        ahead: &mut Ahead<'_>,
        sink: DataSink<'_, E>,
    ) -> Result<(), E> {
        match &data.parts {
            DataParts::Bundled { id, bundle, offset, len } => {
                let bundle = ahead.chunk(bundle).map_err(ContentError::from)?;
                data.place(0, self.of_bundle(&bundle, id, *offset, *len)?, sink)
            }
            DataParts::Chunks(chunks) => {
                let mut at = 0;
                for chunk in chunks {
                    data.place(at, &self.chunk(ahead, chunk)?, sink)?;
                    at += u64::from(chunk.len);
                }
                Ok(())
            }
        }
    }

    fn checked(&self, id: FileId, chunks: Vec<ChunkRef>) -> Result<DataParts, ContentError> {
        match self.ids.of_chunks(&chunks) == id {
            true => Ok(DataParts::Chunks(chunks)),
            false => Err(ContentError::WrongContent),
        }
    }

    fn map(&self, pieces: &[ChunkRef]) -> Result<ContentMap, ContentError> {
        if pieces.iter().map(|piece| u64::from(piece.len)).sum::<u64>() > MAX_MAP {
            return Err(ContentError::Contradiction("its content map is larger than 4 GiB"));
        }
        let mut bytes = Vec::new();
        let mut ahead = self.contents.ahead(pieces.iter().map(|piece| piece.id));
        for piece in pieces {
            bytes.extend_from_slice(&self.chunk(&mut ahead, piece)?);
        }
        ContentMap::decode(&bytes).map_err(ContentError::Map)
    }
}

impl FileData {
    /// Splits `bytes`, which begin at `at` of the data, into their places in the file.
    pub fn place<E>(&self, at: u64, bytes: &[u8], sink: DataSink<'_, E>) -> Result<(), E> {
        let Some(extents) = &self.extents else { return sink(at, bytes) };
        let (mut at, mut rest) = (at, bytes);
        let mut next = extents.partition_point(|placed| placed.data + placed.extent.len <= at);
        while !rest.is_empty() {
            let Placed { data, extent } = extents[next];
            let within = at - data;
            let len = rest.len().min(usize::try_from(extent.len - within).unwrap_or(usize::MAX));
            sink(extent.offset + within, &rest[..len])?;
            rest = &rest[len..];
            at += len as u64;
            next += 1;
        }
        Ok(())
    }

    /// Does it end with a hole, so that writing its data does not give it its size?
    pub fn ends_with_hole(&self) -> bool {
        let end = match &self.extents {
            None => self.size,
            Some(extents) => extents.last().map_or(0, |last| last.extent.offset + last.extent.len),
        };
        end < self.size
    }

    /// What holds its data, in order.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkId> {
        let (bundle, chunks) = match &self.parts {
            DataParts::Bundled { bundle, .. } => (Some(*bundle), &[][..]),
            DataParts::Chunks(chunks) => (None, &chunks[..]),
        };
        bundle.into_iter().chain(chunks.iter().map(|chunk| chunk.id))
    }

    /// Data bytes, without holes.
    pub fn len(&self) -> u64 {
        match &self.parts {
            DataParts::Bundled { len, .. } => u64::from(*len),
            DataParts::Chunks(chunks) => chunks.iter().map(|chunk| u64::from(chunk.len)).sum(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn contradiction(&self) -> Option<&'static str> {
        let Some(extents) = &self.extents else {
            return (self.len() != self.size).then_some("its content is not as long as the file");
        };
        let mut end = 0u64;
        for Placed { extent, .. } in extents {
            let behind = extent.offset.checked_add(extent.len).filter(|behind| *behind <= self.size);
            match behind {
                Some(behind) if extent.offset >= end && extent.len > 0 => end = behind,
                _ => return Some("its data ranges overlap or lie outside of it"),
            }
        }
        let ranges: u64 = extents.iter().map(|placed| placed.extent.len).sum();
        (ranges != self.len()).then_some("its content does not fill its data ranges")
    }
}

fn place(extents: Vec<Extent>) -> Vec<Placed> {
    let mut data = 0u64;
    let mut placed = Vec::with_capacity(extents.len());
    for extent in extents {
        placed.push(Placed { data, extent });
        // sums beyond the file's size are refused by the check that follows
        data = data.saturating_add(extent.len);
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ObjectName;

    #[test]
    fn what_is_archived_or_away_is_not_called_damaged() {
        let remedy = |error: RepoError| ContentError::from(error).remedy_at_target();
        let name = ObjectName::parse("packs/ab").unwrap();
        let archived = remedy(RepoError::Store(StoreError::Archived { name: name.clone() })).unwrap();
        assert!(archived.contains("thaw") && archived.contains("rozenctl restore"), "{archived}");
        assert!(remedy(RepoError::Store(StoreError::TargetGone { place: "/x".into() })).unwrap().contains("mount"));
        assert_eq!(remedy(RepoError::MissingChunk(ChunkId([0; 32]))), None);
        assert_eq!(remedy(RepoError::Store(StoreError::NotFound { name })), None);
    }

    fn data(size: u64, len: u32, extents: Option<&[(u64, u64)]>) -> FileData {
        let extents =
            extents.map(|all| place(all.iter().map(|(offset, len)| Extent { offset: *offset, len: *len }).collect()));
        FileData { size, parts: DataParts::Chunks(vec![ChunkRef { id: ChunkId([0; 32]), len }]), extents }
    }

    fn placed(data: &FileData, at: u64, bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut out = vec![];
        let sink: DataSink<'_, ()> = &mut |at, bytes| {
            out.push((at, bytes.to_vec()));
            Ok(())
        };
        data.place(at, bytes, sink).unwrap();
        out
    }

    #[test]
    fn bytes_go_to_the_extents_that_they_belong_to() {
        let sparse = data(100, 7, Some(&[(10, 3), (50, 4)]));
        assert_eq!(sparse.contradiction(), None);
        assert_eq!(placed(&sparse, 0, b"abcdefg"), [(10, b"abc".to_vec()), (50, b"defg".to_vec())]);
        assert_eq!(placed(&sparse, 2, b"cd"), [(12, b"c".to_vec()), (50, b"d".to_vec())]);
        assert_eq!(placed(&sparse, 4, b"ef"), [(51, b"ef".to_vec())]);
        assert!(sparse.ends_with_hole());
    }

    #[test]
    fn extents_and_lengths_that_contradict_each_other_are_refused() {
        let bad = [
            (8, 7, None),
            (100, 7, Some(&[(10, 3)][..])),
            (100, 7, Some(&[(50, 4), (10, 3)][..])),
            (100, 7, Some(&[(10, 4), (12, 3)][..])),
            (100, 7, Some(&[(96, 7)][..])),
            (100, 7, Some(&[(u64::MAX - 2, 7)][..])),
        ];
        for (size, len, extents) in bad {
            assert!(data(size, len, extents).contradiction().is_some(), "{size} {extents:?}");
        }
    }
}
