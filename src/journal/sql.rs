//! Newtypes as SQL values: checked when they come back, so that no raw row leaves this room.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::model::{ChunkId, FileId, ObjectHash, RelPath, RepoId, RootTag, Seq};

macro_rules! blob_id {
    ($($id:ident),*) => {$(
        impl ToSql for $id {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.as_bytes().as_slice()))
            }
        }

        impl FromSql for $id {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let blob = value.as_blob()?;
                $id::from_slice(blob)
                    .ok_or(FromSqlError::InvalidBlobSize { expected_size: $id::LEN, blob_size: blob.len() })
            }
        }
    )*};
}

blob_id!(ChunkId, FileId, ObjectHash, RepoId, RootTag);

impl ToSql for RelPath {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.as_bytes()))
    }
}

impl FromSql for RelPath {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        RelPath::parse(value.as_blob()?).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

impl ToSql for Seq {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for Seq {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u64::column_result(value).map(Seq)
    }
}

/// All paths below `dir` are greater than the first and less than the second, in byte order, and no others are:
/// `/` is followed by `0`. `None` for the root, below which everything is.
pub(super) fn below(dir: &RelPath) -> Option<(Vec<u8>, Vec<u8>)> {
    let with = |end: u8| [dir.as_bytes(), &[end]].concat();
    (!dir.is_root()).then(|| (with(b'/'), with(b'/' + 1)))
}
