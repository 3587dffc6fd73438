//! Roots: what is known of each, and whether an audit is due.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::hints::{self, Hint, Place};
use super::{Cut, Journal, JournalError};
use crate::model::{ChunkId, RelPath};

/// What the journal knows of a root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootState {
    pub id: String,
    pub path: PathBuf,
    /// Tree of the last committed snapshot.
    pub tree: Option<ChunkId>,
    /// Filesystem and directory as last seen.
    pub identity: Option<String>,
    /// All that changed before is durable in the target.
    pub recovery_point_ms: Option<i64>,
    pub last_audit_ms: Option<i64>,
    pub audit: Option<AuditMark>,
}

/// Why and since when a full comparison is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditMark {
    pub reason: String,
    pub since_ms: i64,
}

const COLUMNS: &str = "id, path, tree, identity, recovery_point_ms, last_audit_ms, audit_reason, audit_since_ms";

impl Journal {
    /// Makes a root known. A new one, and one that moved to another path, is marked for audit.
    pub fn upsert_root(&self, id: &str, path: &Path, now_ms: i64) -> Result<(), JournalError> {
        self.write("store a root", |tx| {
            let bytes = path.as_os_str().as_bytes();
            let known: Option<Vec<u8>> =
                tx.query_row("SELECT path FROM roots WHERE id = ?1", [id], |row| row.get(0)).optional()?;
            let reason = match known {
                Some(known) if known == bytes => return Ok(()),
                Some(_) => "the root has another path than before",
                None => "the root is new",
            };
            tx.execute(
                "INSERT INTO roots (id, path) VALUES (?1, ?2) ON CONFLICT (id)
                 DO UPDATE SET path = excluded.path, identity = NULL",
                params![id, bytes],
            )?;
            mark_audit(tx, id, reason, now_ms)
        })
    }

    /// Forgets a root with its hints, nodes and staged entries; snapshots keep what they hold.
    pub fn forget_root(&self, id: &str) -> Result<(), JournalError> {
        self.write("forget a root", |tx| {
            tx.execute("DELETE FROM roots WHERE key = ?1", [key(tx, id)?])?;
            Ok(())
        })
    }

    pub fn root_state(&self, id: &str) -> Result<RootState, JournalError> {
        self.read("read a root", |connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM roots WHERE id = ?1"))?;
            statement
                .query_row([id], RootState::from_row)
                .optional()?
                .ok_or_else(|| JournalError::UnknownRoot { root: id.to_owned() })
        })
    }

    /// All roots, by id.
    pub fn roots(&self) -> Result<Vec<RootState>, JournalError> {
        self.read("read roots", |connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM roots ORDER BY id"))?;
            Ok(statement.query_map([], RootState::from_row)?.collect::<Result<_, _>>()?)
        })
    }

    pub fn set_root_identity(&self, id: &str, identity: &str) -> Result<(), JournalError> {
        self.write("store a root's identity", |tx| {
            tx.execute("UPDATE roots SET identity = ?2 WHERE key = ?1", params![key(tx, id)?, identity])?;
            Ok(())
        })
    }

    /// What is stored of it may be lost, whatever its tree says: until a run that read everything is committed.
    pub fn distrust(&self, id: &str) -> Result<Option<Distrust>, JournalError> {
        let stored = self.fact(&distrust(id))?;
        Ok(stored.map(|stored| if stored == KEPT { Distrust::Kept } else { Distrust::Unread }))
    }

    /// What only the agent can say: whether a doubt came in between.
    pub fn set_recovery_point(&self, id: &str, point_ms: Option<i64>) -> Result<(), JournalError> {
        self.write("store a recovery point", |tx| {
            let statement = "UPDATE roots SET recovery_point_ms = ?2 WHERE key = ?1";
            tx.execute(statement, params![key(tx, id)?, point_ms])?;
            Ok(())
        })
    }

    /// Any doubt about coverage: the next run compares the whole root. The first reason stays until an audit that
    /// began later has been committed.
    pub fn mark_audit(&self, id: &str, reason: &str, now_ms: i64) -> Result<(), JournalError> {
        self.write("mark a root for audit", |tx| mark_audit(tx, id, reason, now_ms))
    }
}

/// Why the content of a root is to be read, though it looks unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distrust {
    /// Stored content was lost, and nothing was read since.
    Unread,
    /// All was read since but what could not be: that is tried again with each full comparison, not with each run.
    Kept,
}

const UNREAD: &[u8] = &[1];
const KEPT: &[u8] = &[2];

/// The name of the fact.
fn distrust(id: &str) -> String {
    format!("distrust/{id}")
}

pub(super) fn distrust_all(tx: &Transaction<'_>) -> Result<(), JournalError> {
    tx.execute("INSERT OR REPLACE INTO facts SELECT 'distrust/' || id, ?1 FROM roots", [UNREAD])?;
    Ok(())
}

pub(super) fn trust(tx: &Transaction<'_>, id: &str) -> Result<(), JournalError> {
    tx.execute("DELETE FROM facts WHERE name = ?1", [distrust(id)])?;
    Ok(())
}

pub(super) fn trust_but_kept(tx: &Transaction<'_>, id: &str) -> Result<(), JournalError> {
    tx.execute("UPDATE facts SET value = ?2 WHERE name = ?1", params![distrust(id), KEPT])?;
    Ok(())
}

/// The mark, and a recursive hint that makes a run do it.
fn mark_audit(tx: &Transaction<'_>, id: &str, reason: &str, now_ms: i64) -> Result<(), JournalError> {
    tx.execute(
        "UPDATE roots SET audit_reason = coalesce(audit_reason, ?2), audit_since_ms = coalesce(audit_since_ms, ?3),
         audit_epoch = ?4 WHERE key = ?1",
        params![key(tx, id)?, reason, now_ms, hints::current_epoch(tx)?],
    )?;
    let everything =
        Hint { dir: RelPath::root(), recursive: true, names: Vec::new(), reason: reason.to_owned(), first_ms: now_ms };
    Place::now(tx, id)?.add(tx, everything).map(drop)
}

pub(super) fn mark_all(tx: &Transaction<'_>, reason: &str, now_ms: i64) -> Result<(), JournalError> {
    let ids: Vec<String> =
        tx.prepare("SELECT id FROM roots")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    ids.iter().try_for_each(|id| mark_audit(tx, id, reason, now_ms))
}

/// An audit that began with `cut` is committed: it answers all marks up to there.
pub(super) fn finish_audit(tx: &Transaction<'_>, root: i64, cut: Cut, began_ms: i64) -> Result<(), JournalError> {
    tx.execute("UPDATE roots SET last_audit_ms = ?2 WHERE key = ?1", params![root, began_ms])?;
    tx.execute(
        "UPDATE roots SET audit_reason = NULL, audit_since_ms = NULL, audit_epoch = NULL
         WHERE key = ?1 AND audit_epoch <= ?2",
        params![root, cut.seq],
    )?;
    Ok(())
}

pub(super) fn key(connection: &Connection, id: &str) -> Result<i64, JournalError> {
    let mut statement = connection.prepare_cached("SELECT key FROM roots WHERE id = ?1")?;
    let key = statement.query_row([id], |row| row.get(0)).optional()?;
    key.ok_or_else(|| JournalError::UnknownRoot { root: id.to_owned() })
}

impl RootState {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let audit = match row.get(6)? {
            Some(reason) => Some(AuditMark { reason, since_ms: row.get(7)? }),
            None => None,
        };
        Ok(Self {
            id: row.get(0)?,
            path: PathBuf::from(OsString::from_vec(row.get(1)?)),
            tree: row.get(2)?,
            identity: row.get(3)?,
            recovery_point_ms: row.get(4)?,
            last_audit_ms: row.get(5)?,
            audit,
        })
    }
}
