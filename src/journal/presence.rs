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
    ///
    /// SQLite does not see a flipped bit of its file in a value, and nothing that a run reads afterwards would: so only that is believed
    /// which the table and its index say alike (each holds all of it), and the file is stored again otherwise.
    pub fn member(&self, file: &FileId, len: u32) -> Result<Option<(ChunkId, u32)>, JournalError> {
        self.read("look for a small file", |connection| {
            let mut statement = connection.prepare_cached(
                // the signs + keep the index out of the second look
                "SELECT bundles.id, found.offset
                 FROM members AS found INDEXED BY members_by_file JOIN chunks AS bundles ON bundles.key = found.bundle
                 WHERE found.file = ?1 AND found.len = ?2
                   AND EXISTS (SELECT 1 FROM members AS row WHERE row.bundle = found.bundle AND row.offset = found.offset
                                                              AND +row.len = found.len AND +row.file = found.file)
                   AND EXISTS (SELECT 1 FROM chunks AS listed INDEXED BY chunks_by_id
                               WHERE listed.id = bundles.id AND listed.key = bundles.key)
                 LIMIT 1",
            )?;
            Ok(statement.query_row(params![file, len], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
        })
    }
}
