//! Packs on their way: spooled, durable, indexed.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Journal, JournalError, roots, uploads};
use crate::model::{ChunkId, FileId, ObjectHash, StorageClass};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PackKind {
    /// File content.
    Data,
    /// Tree nodes.
    Tree,
}

/// A pack that waits in the spool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackRow {
    pub hash: ObjectHash,
    pub kind: PackKind,
    /// Of the whole object, in bytes.
    pub size: u64,
    /// In which the target keeps it, or is to keep it.
    pub class: StorageClass,
    /// `None` for a pack that was never here: known from an index object.
    pub spool_path: Option<PathBuf>,
}

/// A frame of a pack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameRow {
    pub chunk: ChunkId,
    /// Frame kind as the format numbers them.
    pub kind: u8,
    /// Of the frame in the pack.
    pub offset: u64,
    /// Of the frame.
    pub len: u32,
    /// Of the plain content.
    pub raw_len: u32,
}

/// A small file inside a bundle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemberRow {
    pub file: FileId,
    pub bundle: ChunkId,
    /// In the bundle's plain content.
    pub offset: u32,
    pub len: u32,
}

/// A pack with all that an index object says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackContents {
    pub pack: PackRow,
    /// In order of their offsets.
    pub frames: Vec<FrameRow>,
    pub members: Vec<MemberRow>,
}

impl Journal {
    /// A complete pack lies in the spool: from now on its chunks are known. Repeating it changes nothing.
    pub fn pack_spooled(&self, pack: &PackRow, frames: &[FrameRow], members: &[MemberRow]) -> Result<(), JournalError> {
        self.write("store a pack", |tx| insert(tx, pack, frames, members, "spooled"))
    }

    /// The target holds it; an upload by parts that brought it there is forgotten in the same transaction.
    pub fn pack_durable(&self, hash: &ObjectHash) -> Result<(), JournalError> {
        self.write("mark a pack durable", |tx| {
            uploads::forget(tx, hash)?;
            let sql = "UPDATE packs SET spool_path = NULL,
                       state = CASE state WHEN 'spooled' THEN 'durable' ELSE state END WHERE hash = ?1";
            match tx.prepare_cached(sql)?.execute([hash])? {
                0 => Err(JournalError::UnknownPack { hash: *hash }),
                _ => Ok(()),
            }
        })
    }

    /// Packs that wait for their upload, in the order in which they were spooled.
    pub fn packs_spooled(&self) -> Result<Vec<PackRow>, JournalError> {
        self.read("read spooled packs", |connection| {
            Ok(in_state(connection, "spooled")?.into_iter().map(|(_, pack)| pack).collect())
        })
    }

    /// Durable packs that no index object lists yet, with what the next one has to say of them.
    pub fn packs_unindexed(&self) -> Result<Vec<PackContents>, JournalError> {
        self.read("read packs to be indexed", |connection| {
            let packs = in_state(connection, "durable")?;
            packs.into_iter().map(|(key, pack)| contents(connection, key, pack)).collect()
        })
    }

    /// Is there any such pack?
    pub fn any_unindexed(&self) -> Result<bool, JournalError> {
        self.read("look for packs to be indexed", |connection| {
            let sql = "SELECT 1 FROM packs WHERE state = 'durable' AND state <> 'indexed'";
            Ok(connection.prepare_cached(sql)?.exists([])?)
        })
    }

    /// Packs that the target is believed to hold, with their sizes.
    pub fn packs_stored(&self) -> Result<Vec<(ObjectHash, u64)>, JournalError> {
        self.read("read stored packs", |connection| {
            let mut statement = connection.prepare_cached("SELECT hash, size FROM packs WHERE state <> 'spooled'")?;
            Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
        })
    }

    /// The index object `index`, which lists these packs, is durable. It stays so whether or not a snapshot follows.
    pub fn packs_indexed(&self, index: &ObjectHash, packs: &[ObjectHash]) -> Result<(), JournalError> {
        self.write("mark packs indexed", |tx| {
            tx.prepare_cached("INSERT OR IGNORE INTO indexes (hash) VALUES (?1)")?.execute([index])?;
            let sql = "UPDATE packs SET state = 'indexed' WHERE hash = ?1 AND state <> 'spooled'";
            let mut statement = tx.prepare_cached(sql)?;
            for hash in packs {
                if statement.execute([hash])? == 0 {
                    return Err(JournalError::UnknownPack { hash: *hash });
                }
            }
            Ok(())
        })
    }

    /// The pack is lost (spool file gone or damaged before its upload): its chunks are unknown again and will be
    /// stored anew. An upload of it stays known as an orphan.
    pub fn forget_pack(&self, hash: &ObjectHash) -> Result<(), JournalError> {
        self.write("forget a pack", |tx| {
            tx.execute("DELETE FROM packs WHERE hash = ?1", [hash])?;
            Ok(())
        })
    }

    /// Packs that the target has lost: their chunks are unknown again. What was stored with them looks unchanged, so no root is
    /// trusted: all files are read again and all nodes written, and what is not known is sent. What cannot be read keeps the entry
    /// that it has. Gives how many of them the journal knew, without those that another pack stands in for; without any nothing
    /// else is changed.
    pub fn lose_packs(&self, packs: &[ObjectHash], now_ms: i64) -> Result<u64, JournalError> {
        self.write("forget lost packs", |tx| {
            let mut known = 0;
            for hash in packs {
                // without a superseded pack nothing is missing
                let sql = "DELETE FROM packs WHERE hash = ?1 RETURNING superseded_by IS NULL";
                known += tx.query_row(sql, [hash], |row| row.get::<_, bool>(0)).optional()?.map_or(0, u64::from);
            }
            if known > 0 {
                // what was safe may not be so any more
                tx.execute_batch(
                    "UPDATE roots SET recovery_point_ms = NULL;
                     UPDATE listed_roots SET complete = 0, recovery_point_ms = NULL;",
                )?;
                roots::distrust_all(tx)?;
                roots::mark_all(tx, "the target has lost stored content", now_ms)?;
            }
            Ok(known)
        })
    }

    /// Takes over an index object of the target, so that nothing that it lists is stored again. Packs that are known
    /// already stay as they are, but count as indexed once they are durable.
    pub fn import_index(&self, index: &ObjectHash, packs: &[PackContents]) -> Result<(), JournalError> {
        self.write("import an index", |tx| {
            for PackContents { pack, frames, members } in packs {
                insert(tx, pack, frames, members, "indexed")?;
                tx.prepare_cached("UPDATE packs SET state = 'indexed' WHERE hash = ?1 AND state = 'durable'")?
                    .execute([pack.hash])?;
            }
            tx.prepare_cached("INSERT OR IGNORE INTO indexes (hash) VALUES (?1)")?.execute([index])?;
            Ok(())
        })
    }

    /// All index objects are to be read again: they may list packs that were lost and have come back.
    pub fn forget_indexes(&self) -> Result<(), JournalError> {
        self.write("forget which indexes were read", |tx| Ok(tx.execute_batch("DELETE FROM indexes")?))
    }

    pub fn index_known(&self, index: &ObjectHash) -> Result<bool, JournalError> {
        self.read("look for an index", |connection| {
            Ok(connection.prepare_cached("SELECT 1 FROM indexes WHERE hash = ?1")?.exists([index])?)
        })
    }
}

pub(super) fn insert(
    tx: &Transaction<'_>,
    pack: &PackRow,
    frames: &[FrameRow],
    members: &[MemberRow],
    state: &str,
) -> Result<(), JournalError> {
    let spool_path = pack.spool_path.as_ref().map(|path| path.as_os_str().as_bytes());
    let new = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO packs (hash, kind, size, class, state, spool_path) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![pack.hash, pack.kind, pack.size, pack.class, state, spool_path])?;
    if new == 0 {
        return Ok(());
    }
    let bundles = insert_frames(tx, tx.last_insert_rowid(), frames)?;
    insert_members(tx, &bundles, members)
}

/// Returns the row of each chunk, for the members.
fn insert_frames(tx: &Transaction<'_>, pack: i64, frames: &[FrameRow]) -> Result<HashMap<ChunkId, i64>, JournalError> {
    let mut statement =
        tx.prepare_cached("INSERT INTO chunks (id, pack, kind, offset, len, raw_len) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let mut keys = HashMap::with_capacity(frames.len());
    for FrameRow { chunk, kind, offset, len, raw_len } in frames {
        keys.insert(*chunk, statement.insert(params![chunk, pack, kind, offset, len, raw_len])?);
    }
    Ok(keys)
}

fn insert_members(
    tx: &Transaction<'_>,
    bundles: &HashMap<ChunkId, i64>,
    members: &[MemberRow],
) -> Result<(), JournalError> {
    let mut statement =
        tx.prepare_cached("INSERT OR IGNORE INTO members (bundle, offset, len, file) VALUES (?1, ?2, ?3, ?4)")?;
    for MemberRow { file, bundle, offset, len } in members {
        let key = bundles.get(bundle).ok_or(JournalError::UnknownBundle { bundle: *bundle })?;
        statement.execute(params![key, offset, len, file])?;
    }
    Ok(())
}

fn in_state(connection: &Connection, state: &'static str) -> Result<Vec<(i64, PackRow)>, JournalError> {
    // the words `<> 'indexed'` let SQLite use the partial index
    let mut statement = connection.prepare_cached(
        "SELECT key, hash, kind, size, class, spool_path FROM packs WHERE state = ?1 AND state <> 'indexed' ORDER BY key",
    )?;
    let rows = statement.query_map([state], |row| Ok((row.get(0)?, PackRow::from_row(row)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn contents(connection: &Connection, key: i64, pack: PackRow) -> Result<PackContents, JournalError> {
    let mut frames = connection
        .prepare_cached("SELECT id, kind, offset, len, raw_len FROM chunks WHERE pack = ?1 ORDER BY offset")?;
    let frames = frames.query_map([key], FrameRow::from_row)?.collect::<Result<_, _>>()?;
    let mut members = connection.prepare_cached(
        "SELECT members.file, chunks.id, members.offset, members.len
         FROM chunks JOIN members ON members.bundle = chunks.key WHERE chunks.pack = ?1
         ORDER BY chunks.offset, members.offset",
    )?;
    let members = members.query_map([key], MemberRow::from_row)?.collect::<Result<_, _>>()?;
    Ok(PackContents { pack, frames, members })
}

impl PackRow {
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let spool_path: Option<Vec<u8>> = row.get("spool_path")?;
        Ok(Self {
            hash: row.get("hash")?,
            kind: row.get("kind")?,
            size: row.get("size")?,
            class: row.get("class")?,
            spool_path: spool_path.map(|bytes| PathBuf::from(OsString::from_vec(bytes))),
        })
    }
}

impl FrameRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { chunk: row.get(0)?, kind: row.get(1)?, offset: row.get(2)?, len: row.get(3)?, raw_len: row.get(4)? })
    }
}

impl MemberRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { file: row.get(0)?, bundle: row.get(1)?, offset: row.get(2)?, len: row.get(3)? })
    }
}

impl ToSql for PackKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(match self {
            PackKind::Data => 0i64,
            PackKind::Tree => 1,
        }))
    }
}

impl FromSql for PackKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(PackKind::Data),
            1 => Ok(PackKind::Tree),
            other => Err(FromSqlError::OutOfRange(other)),
        }
    }
}
