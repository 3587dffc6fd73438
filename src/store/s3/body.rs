//! Bodies that go up: their length and checksum are known before the first byte leaves, and they can be sent again.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use aws_sdk_s3::primitives::{ByteStream, Length, SdkBody};

use super::checksum::{Checksum, Sum, Summing};
use super::pace::Pace;
use crate::store::{PartSource, PutSource, StoreError};

/// What is read at a time, and how much of a file is held in memory at most while it goes up.
const BUFFER_BYTES: usize = 256 << 10;

pub(super) struct Body {
    bytes: Bytes,
    len: u64,
    sum: Sum,
}

enum Bytes {
    Memory(SdkBody),
    /// Read again for every attempt, so that no number of uploads in flight fills the memory.
    File {
        path: PathBuf,
        offset: u64,
    },
}

impl Body {
    pub(super) fn of_object(source: PutSource<'_>, checksum: Checksum) -> Result<Self, StoreError> {
        match source {
            PutSource::Bytes(bytes) => Ok(Self::of_bytes(bytes, checksum)),
            PutSource::File { path, .. } => {
                let len = std::fs::metadata(path).map_err(spool(path))?.len();
                Self::of_range(path, 0, len, checksum)
            }
        }
    }

    pub(super) fn of_part(part: PartSource<'_>, checksum: Checksum) -> Result<Self, StoreError> {
        Self::of_range(part.path, part.offset, part.len, checksum)
    }

    fn of_bytes(bytes: &[u8], checksum: Checksum) -> Self {
        let mut summing = Summing::new(checksum);
        summing.update(bytes);
        Self { bytes: Bytes::Memory(SdkBody::from(bytes)), len: bytes.len() as u64, sum: summing.finish() }
    }

    /// Small ranges are read once; of larger ones only the checksum is computed now.
    fn of_range(path: &Path, offset: u64, len: u64, checksum: Checksum) -> Result<Self, StoreError> {
        let mut file = File::open(path).map_err(spool(path))?;
        file.seek(SeekFrom::Start(offset)).map_err(spool(path))?;
        if len <= BUFFER_BYTES as u64 {
            let mut bytes = vec![0; usize::try_from(len).expect("it is below BUFFER_BYTES")];
            file.read_exact(&mut bytes).map_err(spool(path))?;
            return Ok(Self::of_bytes(&bytes, checksum));
        }
        let sum = sum_of(file.take(len), len, checksum).map_err(spool(path))?;
        Ok(Self { bytes: Bytes::File { path: path.to_path_buf(), offset }, len, sum })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn sum(&self) -> Sum {
        self.sum
    }

    /// The body for one attempt.
    pub(super) async fn stream(&self, pace: &Pace) -> Result<ByteStream, StoreError> {
        match &self.bytes {
            Bytes::Memory(body) => {
                let body = body.try_clone().expect("a body in memory can be cloned");
                if self.len > BUFFER_BYTES as u64 {
                    return Ok(ByteStream::new(pace.keep(body)));
                }
                // small: it goes at once, signed with the request
                pace.one_piece(self.len).await?;
                Ok(ByteStream::new(body))
            }
            Bytes::File { path, offset } => {
                let range = ByteStream::read_from().path(path).offset(*offset).length(Length::Exact(self.len));
                let range = range.buffer_size(BUFFER_BYTES).build().await;
                let range = range.map_err(|error| spool(path)(io::Error::other(error)))?;
                Ok(ByteStream::new(pace.keep(range.into_inner())))
            }
        }
    }
}

fn sum_of(mut from: impl Read, len: u64, checksum: Checksum) -> io::Result<Sum> {
    let mut summing = Summing::new(checksum);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut seen = 0;
    loop {
        match from.read(&mut buffer)? {
            0 if seen == len => return Ok(summing.finish()),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                summing.update(&buffer[..read]);
                seen += read as u64;
            }
        }
    }
}

fn spool(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Spool { path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_a_file_has_the_checksum_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spooled");
        let bytes: Vec<u8> = (0..700_000u32).map(|at| (at * 31 % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        for (offset, len) in [(0, 0), (5, 10), (0, 700_000), (100, 600_000)] {
            let part = PartSource { path: &path, offset: offset as u64, len: len as u64 };
            let body = Body::of_part(part, Checksum::Md5).unwrap();
            assert_eq!(body.sum(), Body::of_bytes(&bytes[offset..offset + len], Checksum::Md5).sum());
            assert_eq!(body.len(), len as u64);
        }
    }

    #[test]
    fn a_file_that_is_missing_or_too_short_is_an_error_of_the_spool() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spooled");
        let part = |len| Body::of_part(PartSource { path: &path, offset: 0, len }, Checksum::Crc64Nvme).err();
        assert!(matches!(part(1), Some(StoreError::Spool { .. })));
        std::fs::write(&path, [1; 10]).unwrap();
        assert!(matches!(part(11), Some(StoreError::Spool { .. })));
        assert!(matches!(part(1 << 20), Some(StoreError::Spool { .. })));
    }
}
