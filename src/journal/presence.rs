//! Which content the repository holds, or will hold once the spool is uploaded: asked for every file and chunk.

use rusqlite::{OptionalExtension, params};

use super::{Journal, JournalError};
use crate::model::{ChunkId, FileId};

impl Journal {
    pub fn chunk_known(&self, chunk: &ChunkId) -> Result<bool, JournalError> {
        self.read("look for a chunk", |connection| {
            Ok(connection.prepare_cached("SELECT 1 FROM chunks WHERE id = ?1")?.exists([chunk])?)
        })
    }

    /// A bundle that holds this file, and the file's offset in it. The length guards against ids that collide.
    pub fn member(&self, file: &FileId, len: u32) -> Result<Option<(ChunkId, u32)>, JournalError> {
        self.read("look for a small file", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT chunks.id, members.offset FROM members JOIN chunks ON chunks.key = members.bundle
                 WHERE members.file = ?1 AND members.len = ?2 LIMIT 1",
            )?;
            Ok(statement.query_row(params![file, len], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
        })
    }
}
