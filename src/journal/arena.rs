//! Small packs whose copies wait to be merged, and packs that a merge has superseded.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Row, params};

use super::packs::{contents, insert};
use super::{FrameRow, Journal, JournalError, MemberRow, PackContents, PackRow};
use crate::model::{ObjectHash, StorageClass};

/// A pack that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArenaPack {
    pub hash: ObjectHash,
    /// That it is meant for.
    pub class: StorageClass,
    /// In bytes.
    pub size: u64,
    /// Frames and small files.
    pub rows: u64,
    pub since_ms: i64,
}

impl Journal {
    /// A copy of this pack is kept for a pack of `class`. Repeating it changes nothing.
    pub fn arena_add(&self, pack: &ObjectHash, class: StorageClass, now_ms: i64) -> Result<(), JournalError> {
        self.write("let a pack wait in the arena", |tx| {
            let sql =
                "INSERT OR IGNORE INTO arena (pack, class, since_ms) SELECT key, ?2, ?3 FROM packs WHERE hash = ?1";
            tx.prepare_cached(sql)?.execute(params![pack, class, now_ms])?;
            Ok(())
        })
    }

    /// In the target, and not taken by a merge: the oldest first.
    pub fn arena_waiting(&self) -> Result<Vec<ArenaPack>, JournalError> {
        self.read("read what waits in the arena", |connection| {
            let sql = "SELECT hash, arena.class AS meant_for, size, since_ms,
                              (SELECT count(*) FROM chunks WHERE chunks.pack = packs.key)
                              + (SELECT count(*) FROM chunks JOIN members ON members.bundle = chunks.key
                                 WHERE chunks.pack = packs.key) AS rows
                       FROM arena JOIN packs ON packs.key = arena.pack
                       WHERE merged_into IS NULL AND state <> 'spooled' ORDER BY since_ms, packs.key";
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement.query_map([], ArenaPack::from_row)?.collect::<Result<_, _>>()?)
        })
    }

    /// Whose copies are wanted.
    pub fn arena_packs(&self) -> Result<HashSet<ObjectHash>, JournalError> {
        self.read("read what is in the arena", |connection| {
            let sql = "SELECT hash FROM arena JOIN packs ON packs.key = arena.pack";
            Ok(connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
    }

    /// Bytes of those that are meant for this class.
    pub fn arena_bytes(&self, class: StorageClass) -> Result<u64, JournalError> {
        self.read("measure the arena", |connection| {
            let sql = "SELECT coalesce(sum(size), 0) FROM arena JOIN packs ON packs.key = arena.pack
                       WHERE arena.class = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([class], |row| row.get(0))?)
        })
    }

    /// The copy is lost, or not wanted any more: the pack stays as it is in the target.
    pub fn arena_forget(&self, pack: &ObjectHash) -> Result<(), JournalError> {
        self.write("forget a copy of the arena", |tx| {
            let sql = "DELETE FROM arena WHERE pack = (SELECT key FROM packs WHERE hash = ?1)";
            tx.prepare_cached(sql)?.execute([pack])?;
            Ok(())
        })
    }

    /// All that an index object says of a pack; `None` for one that is not known.
    pub fn pack_contents(&self, pack: &ObjectHash) -> Result<Option<PackContents>, JournalError> {
        self.read("read what is in a pack", |connection| {
            let sql = "SELECT key, hash, kind, size, class, spool_path FROM packs WHERE hash = ?1";
            let found = connection
                .prepare_cached(sql)?
                .query_row([pack], |row| Ok((row.get(0)?, PackRow::from_row(row)?)))
                .optional()?;
            found.map(|(key, row)| contents(connection, key, row)).transpose()
        })
    }

    /// A complete pack lies in the spool that holds all frames of `sources`: it is to be stored as any other, and they
    /// wait no longer.
    pub fn pack_merged(
        &self,
        pack: &PackRow,
        frames: &[FrameRow],
        members: &[MemberRow],
        sources: &[ObjectHash],
    ) -> Result<(), JournalError> {
        self.write("store a merged pack", |tx| {
            insert(tx, pack, frames, members, "spooled")?;
            let sql = "UPDATE arena SET merged_into = (SELECT key FROM packs WHERE hash = ?1)
                       WHERE pack = (SELECT key FROM packs WHERE hash = ?2)";
            let mut statement = tx.prepare_cached(sql)?;
            sources.iter().try_for_each(|source| statement.execute([&pack.hash, source]).map(drop))?;
            Ok(())
        })
    }

    /// Where a merged pack is indexed, what it was made of is superseded and leaves the arena. Gives how many packs that were.
    pub fn arena_settle(&self) -> Result<u64, JournalError> {
        const INDEXED: &str = "SELECT arena.pack FROM arena JOIN packs AS merged ON merged.key = merged_into WHERE merged.state = 'indexed'";
        let any = |connection: &rusqlite::Connection| connection.prepare_cached(INDEXED)?.exists([]);
        if !self.read("look for merged packs", |connection| Ok(any(connection)?))? {
            return Ok(0);
        }
        self.write("mark packs superseded", |tx| {
            let sql = format!(
                "UPDATE packs SET superseded_by = (SELECT merged_into FROM arena WHERE arena.pack = packs.key)
                 WHERE key IN ({INDEXED})"
            );
            let superseded = tx.execute(&sql, [])? as u64;
            tx.execute(&format!("DELETE FROM arena WHERE pack IN ({INDEXED})"), [])?;
            Ok(superseded)
        })
    }

    /// After the packs were learnt from the target: one whose every chunk is also in one and the same archived pack was
    /// merged into that. Gives how many were found.
    pub fn find_superseded(&self) -> Result<u64, JournalError> {
        const ARCHIVED: &str = "kind = 0 AND class IN ('GLACIER', 'DEEP_ARCHIVE')";
        self.write("look for superseded packs", |tx| {
            if !tx.prepare(&format!("SELECT 1 FROM packs WHERE {ARCHIVED}"))?.exists([])? {
                return Ok(0);
            }
            let sql = format!(
                "WITH archived AS (SELECT key FROM packs WHERE {ARCHIVED}),
                 found AS (
                     SELECT small.key AS small, (
                         SELECT twin.pack FROM chunks AS one JOIN chunks AS twin ON twin.id = one.id
                         WHERE one.key = (SELECT min(key) FROM chunks WHERE pack = small.key)
                           AND twin.pack IN archived
                           AND NOT EXISTS (
                               SELECT 1 FROM chunks AS each WHERE each.pack = small.key AND NOT EXISTS (
                                   SELECT 1 FROM chunks AS there WHERE there.id = each.id AND there.pack = twin.pack))
                         LIMIT 1) AS merged
                     FROM packs AS small WHERE kind = 0 AND superseded_by IS NULL AND key NOT IN archived)
                 UPDATE packs SET superseded_by = found.merged FROM found
                 WHERE packs.key = found.small AND found.merged IS NOT NULL"
            );
            Ok(tx.execute(&sql, [])? as u64)
        })
    }

    /// Packs of which another one holds all, in no order: what a prune may remove without losing anything. Nothing does yet;
    /// tests look at it.
    pub fn packs_superseded(&self) -> Result<Vec<ObjectHash>, JournalError> {
        self.read("read superseded packs", |connection| {
            let sql = "SELECT hash FROM packs WHERE superseded_by IS NOT NULL";
            Ok(connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
    }
}

impl ArenaPack {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            hash: row.get("hash")?,
            class: row.get("meant_for")?,
            size: row.get("size")?,
            rows: row.get("rows")?,
            since_ms: row.get("since_ms")?,
        })
    }
}
