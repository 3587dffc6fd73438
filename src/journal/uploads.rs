//! Uploads by parts that were begun and have not ended. One for a pack at most; the row of a part is written after the
//! target gave its receipt. The end of an upload that made its object is [`Journal::pack_durable`].

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Journal, JournalError};
use crate::model::ObjectHash;

/// How far an upload came; `upload` is the name that the target gave it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UploadState {
    /// The target may or may not have begun it.
    Creating,
    Uploading {
        upload: String,
    },
    /// All parts are there; the target may or may not have made the object of them.
    Completing {
        upload: String,
    },
}

/// The receipt of a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartRow {
    /// From 1.
    pub number: u32,
    /// In bytes.
    pub size: u64,
    pub etag: String,
    pub crc64: Option<u64>,
}

/// An upload of a spooled pack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadRow {
    /// Of the object in the target.
    pub name: String,
    pub state: UploadState,
    /// Of every part but the last.
    pub part_bytes: u64,
    /// In order of their numbers.
    pub parts: Vec<PartRow>,
}

/// An upload whose pack is forgotten.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrphanRow {
    pub key: i64,
    pub name: String,
    /// `None`: the target's answer never came.
    pub upload: Option<String>,
}

impl Journal {
    pub fn upload_of(&self, pack: &ObjectHash) -> Result<Option<UploadRow>, JournalError> {
        self.read("read an upload", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT uploads.key, name, uploads.state, upload_id, part_bytes
                 FROM uploads JOIN packs ON packs.key = uploads.pack WHERE packs.hash = ?1",
            )?;
            let found = statement.query_row([pack], |row| Ok((row.get(0)?, UploadRow::from_row(row)?))).optional()?;
            let Some((key, row)) = found else { return Ok(None) };
            Ok(Some(UploadRow { parts: parts(connection, key)?, ..row }))
        })
    }

    /// The target will be asked to begin an upload of this pack as `name`. What was known of an earlier one is
    /// forgotten.
    pub fn upload_announced(&self, pack: &ObjectHash, name: &str, part_bytes: u64) -> Result<(), JournalError> {
        self.write("announce an upload", |tx| {
            tx.execute("DELETE FROM uploads WHERE pack = ?1", [pack_key(tx, pack)?])?;
            tx.execute(
                "INSERT INTO uploads (pack, name, state, part_bytes) VALUES (?1, ?2, 'creating', ?3)",
                params![pack_key(tx, pack)?, name, part_bytes],
            )?;
            Ok(())
        })
    }

    /// The target began it as `upload`. Outlives a power cut: without the name all parts would have to be sent again.
    pub fn upload_created(&self, pack: &ObjectHash, upload: &str) -> Result<(), JournalError> {
        self.write_durably("store an upload's id", |tx| {
            let sql = "UPDATE uploads SET state = 'uploading', upload_id = ?2 WHERE key = ?1";
            tx.execute(sql, params![upload_key(tx, pack)?, upload])?;
            Ok(())
        })
    }

    /// The target has given the receipt of a part. Outlives a power cut, so that the part is not sent again.
    pub fn part_sent(&self, pack: &ObjectHash, part: &PartRow) -> Result<(), JournalError> {
        self.write_durably("store a part's receipt", |tx| {
            let PartRow { number, size, etag, crc64 } = part;
            tx.prepare_cached(
                "INSERT OR REPLACE INTO parts (upload, number, size, etag, crc64) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![upload_key(tx, pack)?, number, size, etag, crc64.map(u64::cast_signed)])?;
            Ok(())
        })
    }

    /// The target does not hold these parts as their receipts say: they are to be sent again.
    pub fn parts_lost(&self, pack: &ObjectHash, numbers: &[u32]) -> Result<(), JournalError> {
        self.write("forget parts", |tx| {
            let key = upload_key(tx, pack)?;
            tx.execute("UPDATE uploads SET state = 'uploading' WHERE key = ?1", [key])?;
            let mut statement = tx.prepare_cached("DELETE FROM parts WHERE upload = ?1 AND number = ?2")?;
            numbers.iter().try_for_each(|number| statement.execute(params![key, number]).map(drop))?;
            Ok(())
        })
    }

    /// All parts have receipts; the target will be asked to make the object of them.
    pub fn upload_completing(&self, pack: &ObjectHash) -> Result<(), JournalError> {
        self.write("announce an upload's end", |tx| {
            tx.execute("UPDATE uploads SET state = 'completing' WHERE key = ?1", [upload_key(tx, pack)?])?;
            Ok(())
        })
    }

    /// The upload is no more, without an object from it; the pack waits as before it.
    pub fn upload_ended(&self, pack: &ObjectHash) -> Result<(), JournalError> {
        self.write("forget an upload", |tx| forget(tx, pack))
    }

    /// Uploads of packs that were forgotten.
    pub fn uploads_orphaned(&self) -> Result<Vec<OrphanRow>, JournalError> {
        self.read("read orphaned uploads", |connection| {
            let mut statement = connection
                .prepare_cached("SELECT key, name, upload_id FROM uploads WHERE pack IS NULL ORDER BY key")?;
            let rows = statement
                .query_map([], |row| Ok(OrphanRow { key: row.get(0)?, name: row.get(1)?, upload: row.get(2)? }))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    pub fn orphan_ended(&self, key: i64) -> Result<(), JournalError> {
        self.write("forget an orphaned upload", |tx| {
            tx.execute("DELETE FROM uploads WHERE key = ?1 AND pack IS NULL", [key])?;
            Ok(())
        })
    }

    /// The target's names of all uploads that will go on.
    pub fn uploads_open(&self) -> Result<HashSet<String>, JournalError> {
        self.read("read uploads", |connection| {
            let mut statement = connection
                .prepare_cached("SELECT upload_id FROM uploads WHERE pack IS NOT NULL AND upload_id IS NOT NULL")?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
    }
}

/// With its parts; nothing where there is none.
pub(super) fn forget(tx: &Transaction<'_>, pack: &ObjectHash) -> Result<(), JournalError> {
    tx.prepare_cached("DELETE FROM uploads WHERE pack = (SELECT key FROM packs WHERE hash = ?1)")?.execute([pack])?;
    Ok(())
}

fn parts(connection: &Connection, key: i64) -> Result<Vec<PartRow>, JournalError> {
    let mut statement =
        connection.prepare_cached("SELECT number, size, etag, crc64 FROM parts WHERE upload = ?1 ORDER BY number")?;
    let rows = statement.query_map([key], |row| {
        let crc64: Option<i64> = row.get(3)?;
        Ok(PartRow { number: row.get(0)?, size: row.get(1)?, etag: row.get(2)?, crc64: crc64.map(i64::cast_unsigned) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn pack_key(tx: &Transaction<'_>, pack: &ObjectHash) -> Result<i64, JournalError> {
    let mut statement = tx.prepare_cached("SELECT key FROM packs WHERE hash = ?1")?;
    let key = statement.query_row([pack], |row| row.get(0)).optional()?;
    key.ok_or(JournalError::UnknownPack { hash: *pack })
}

fn upload_key(tx: &Transaction<'_>, pack: &ObjectHash) -> Result<i64, JournalError> {
    let mut statement = tx.prepare_cached("SELECT key FROM uploads WHERE pack = ?1")?;
    let key = statement.query_row([pack_key(tx, pack)?], |row| row.get(0)).optional()?;
    key.ok_or(JournalError::UnknownUpload { pack: *pack })
}

impl UploadRow {
    /// Without its parts.
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let upload: Option<String> = row.get("upload_id")?;
        let is_completing = row.get::<_, String>("state")? == "completing";
        let state = match upload {
            None => UploadState::Creating,
            Some(upload) if is_completing => UploadState::Completing { upload },
            Some(upload) => UploadState::Uploading { upload },
        };
        Ok(Self { name: row.get("name")?, state, part_bytes: row.get("part_bytes")?, parts: Vec::new() })
    }
}
