//! What a run has found so far, on disk and in the order of the tree, so that a run needs no memory for it.

use rusqlite::{Row, Transaction, params};

use super::sql::below;
use super::{Journal, JournalError, roots};
use crate::model::RelPath;

/// A changed name. The root itself is ("", "").
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StagedEntry {
    pub dir: RelPath,
    pub name: Vec<u8>,
    /// Encoded entry; `None` deletes the name.
    pub entry: Option<Vec<u8>>,
}

impl Journal {
    /// A later entry of the same name replaces an earlier one.
    pub fn stage(&self, root: &str, entries: &[StagedEntry]) -> Result<(), JournalError> {
        self.write("stage entries", |tx| {
            let key = roots::key(tx, root)?;
            let mut statement = tx.prepare_cached("INSERT OR REPLACE INTO staged VALUES (?1, ?2, ?3, ?4)")?;
            for StagedEntry { dir, name, entry } in entries {
                statement.execute(params![key, dir, name, entry])?;
            }
            Ok(())
        })
    }

    /// All that the old tree has in `dir` and below is gone (its own name in its parent is not meant). What was staged
    /// there before is forgotten; what is staged there later is kept.
    pub fn stage_remove_subtree(&self, root: &str, dir: &RelPath) -> Result<(), JournalError> {
        self.write("stage the removal of a directory", |tx| {
            let key = roots::key(tx, root)?;
            for table in ["staged", "staged_removals"] {
                delete_subtree(tx, table, key, dir)?;
            }
            tx.execute("INSERT INTO staged_removals VALUES (?1, ?2)", params![key, dir])?;
            Ok(())
        })
    }

    /// The next `limit` entries after `after` (directory, name), in byte order of directory, then name.
    pub fn staged_iter(
        &self,
        root: &str,
        after: Option<(&RelPath, &[u8])>,
        limit: usize,
    ) -> Result<Vec<StagedEntry>, JournalError> {
        self.read("read staged entries", |connection| {
            let key = roots::key(connection, root)?;
            let page = match after {
                Some((dir, name)) => connection
                    .prepare_cached(
                        "SELECT dir, name, entry FROM staged WHERE root = ?1 AND (dir, name) > (?3, ?4)
                         ORDER BY dir, name LIMIT ?2",
                    )?
                    .query_map(params![key, limit, dir, name], StagedEntry::from_row)?
                    .collect::<Result<_, _>>(),
                None => connection
                    .prepare_cached("SELECT dir, name, entry FROM staged WHERE root = ?1 ORDER BY dir, name LIMIT ?2")?
                    .query_map(params![key, limit], StagedEntry::from_row)?
                    .collect::<Result<_, _>>(),
            };
            Ok(page?)
        })
    }

    /// Directories to be emptied before staged entries are applied; none is below another.
    pub fn staged_removals(&self, root: &str) -> Result<Vec<RelPath>, JournalError> {
        self.read("read staged removals", |connection| {
            let key = roots::key(connection, root)?;
            let mut statement =
                connection.prepare_cached("SELECT dir FROM staged_removals WHERE root = ?1 ORDER BY dir")?;
            Ok(statement.query_map([key], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
    }

    pub fn clear_staging(&self, root: &str) -> Result<(), JournalError> {
        self.write("clear staged entries", |tx| clear(tx, roots::key(tx, root)?))
    }
}

pub(super) fn clear(tx: &Transaction<'_>, root: i64) -> Result<(), JournalError> {
    for table in ["staged", "staged_removals"] {
        tx.execute(&format!("DELETE FROM {table} WHERE root = ?1"), [root])?;
    }
    Ok(())
}

fn delete_subtree(tx: &Transaction<'_>, table: &str, root: i64, dir: &RelPath) -> Result<(), JournalError> {
    match below(dir) {
        None => tx.execute(&format!("DELETE FROM {table} WHERE root = ?1"), [root])?,
        Some((from, to)) => tx.execute(
            &format!("DELETE FROM {table} WHERE root = ?1 AND (dir = ?2 OR dir > ?3 AND dir < ?4)"),
            params![root, dir, from, to],
        )?,
    };
    Ok(())
}

impl StagedEntry {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { dir: row.get(0)?, name: row.get(1)?, entry: row.get(2)? })
    }
}
