//! Where chunks lie, for reading without local state: a temporary table that spills to disk, so that no repository is too
//! large for memory.

use rusqlite::{Connection, params};

use super::JournalError;
use crate::model::{ChunkId, ChunkLocation, MachineId, ObjectHash, PackKey};

/// Filled from index objects; gone with the process.
pub struct LocationTable {
    connection: Connection,
}

const SCHEMA: &str = "
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -16384;
    CREATE TABLE packs (key INTEGER PRIMARY KEY, machine BLOB, is_tree INTEGER, hash BLOB, UNIQUE (hash, machine, is_tree));
    CREATE TABLE chunks (id BLOB, pack INTEGER, offset INTEGER, len INTEGER, PRIMARY KEY (id, pack)) WITHOUT ROWID;
";

impl LocationTable {
    /// A private database without a name: SQLite keeps it in memory while it is small, else in a deleted file.
    pub fn temporary() -> Result<Self, JournalError> {
        let connection = Connection::open("").map_err(sql("open a temporary table"))?;
        connection.execute_batch(SCHEMA).map_err(sql("open a temporary table"))?;
        Ok(Self { connection })
    }

    /// Frames of one pack: chunk, offset in bytes, length in bytes. A chunk may have several places.
    pub fn insert(
        &mut self,
        pack: PackKey,
        frames: impl Iterator<Item = (ChunkId, u64, u32)>,
    ) -> Result<(), JournalError> {
        let failed = sql("store the place of a chunk");
        let insert = || -> rusqlite::Result<()> {
            let tx = self.connection.transaction()?;
            tx.prepare_cached("INSERT OR IGNORE INTO packs (machine, is_tree, hash) VALUES (?1, ?2, ?3)")?
                .execute(params![pack.machine.as_bytes(), pack.is_tree, pack.hash])?;
            let key: i64 = tx
                .prepare_cached("SELECT key FROM packs WHERE machine = ?1 AND is_tree = ?2 AND hash = ?3")?
                .query_row(params![pack.machine.as_bytes(), pack.is_tree, pack.hash], |row| row.get(0))?;
            let mut statement = tx.prepare_cached("INSERT OR IGNORE INTO chunks VALUES (?1, ?2, ?3, ?4)")?;
            for (id, offset, len) in frames {
                statement.execute(params![id, key, offset as i64, len])?;
            }
            drop(statement);
            tx.commit()
        };
        insert().map_err(failed)
    }

    pub fn knows(&self, pack: &PackKey) -> Result<bool, JournalError> {
        let find = || -> rusqlite::Result<bool> {
            self.connection
                .prepare_cached("SELECT 1 FROM packs WHERE machine = ?1 AND is_tree = ?2 AND hash = ?3")?
                .exists(params![pack.machine.as_bytes(), pack.is_tree, pack.hash])
        };
        find().map_err(sql("look for a pack"))
    }

    /// All places, those of packs that were inserted first before the others.
    pub fn find(&self, id: &ChunkId) -> Result<Vec<ChunkLocation>, JournalError> {
        let find = || -> rusqlite::Result<Vec<ChunkLocation>> {
            let text =
                "SELECT machine, is_tree, hash, offset, len FROM chunks JOIN packs ON packs.key = pack WHERE id = ?1
                        ORDER BY pack";
            self.connection.prepare_cached(text)?.query_map([id], location)?.collect()
        };
        find().map_err(sql("look for a chunk"))
    }
}

/// The columns machine, is_tree, hash, offset, len.
fn location(row: &rusqlite::Row<'_>) -> rusqlite::Result<ChunkLocation> {
    let machine: [u8; 16] = row.get(0)?;
    let hash: ObjectHash = row.get(2)?;
    let offset: i64 = row.get(3)?;
    let pack = PackKey { machine: MachineId(machine), is_tree: row.get(1)?, hash };
    Ok(ChunkLocation { pack, offset: offset as u64, len: row.get(4)? })
}

fn sql(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> JournalError {
    move |source| JournalError::Sql { doing, source }
}
