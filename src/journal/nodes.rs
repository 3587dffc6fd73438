//! Nodes of the current tree of each root: a run reads its previous tree here, not from the target.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Journal, JournalError, roots};
use crate::model::ChunkId;

impl Journal {
    /// The plain bytes of a node.
    pub fn node_get(&self, root: &str, id: &ChunkId) -> Result<Option<Vec<u8>>, JournalError> {
        self.read("read a tree node", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT bytes FROM nodes WHERE root = (SELECT key FROM roots WHERE id = ?1) AND id = ?2",
            )?;
            Ok(statement.query_row(params![root, id], |row| row.get(0)).optional()?)
        })
    }

    /// Nodes that the run under way has made. They are part of the tree once it is committed; when the run fails, the next
    /// one drops them.
    pub fn make_nodes(&self, root: &str, nodes: &[(ChunkId, Vec<u8>)]) -> Result<(), JournalError> {
        self.write("store tree nodes", |tx| {
            let key = roots::key(tx, root)?;
            // one that a partial snapshot has replaced is needed again
            let mut insert = tx.prepare_cached(
                "INSERT INTO nodes (root, id, bytes, state) VALUES (?1, ?2, ?3, 1)
                 ON CONFLICT (root, id) DO UPDATE SET state = 1 WHERE state = 2",
            )?;
            for (id, bytes) in nodes {
                insert.execute(params![key, id, bytes])?;
            }
            Ok(())
        })
    }

    /// Forgets tree and nodes: the next run builds the tree anew.
    pub fn drop_tree(&self, root: &str) -> Result<(), JournalError> {
        self.write("drop a tree", |tx| {
            let key = roots::key(tx, root)?;
            tx.execute("DELETE FROM nodes WHERE root = ?1", [key])?;
            tx.execute("UPDATE roots SET tree = NULL WHERE key = ?1", [key])?;
            Ok(())
        })
    }
}

pub(super) fn set_tree(tx: &Transaction<'_>, root: i64, tree: &ChunkId) -> Result<(), JournalError> {
    tx.prepare_cached("UPDATE roots SET tree = ?2 WHERE key = ?1")?.execute(params![root, tree])?;
    Ok(())
}

/// What runs that did not end well have made or replaced is in no tree.
pub(super) fn drop_leftovers(tx: &Transaction<'_>) -> Result<(), JournalError> {
    tx.execute("DELETE FROM nodes WHERE state <> 0", [])?;
    Ok(())
}

/// A partial snapshot is committed: what the run has made so far is the tree; what that replaced is still read by the
/// scan under way.
pub(super) fn settle_partial(tx: &Transaction<'_>, root: i64, replaced: &[ChunkId]) -> Result<(), JournalError> {
    tx.execute("UPDATE nodes SET state = 0 WHERE root = ?1 AND state <> 0 AND state = 1", [root])?;
    let mut mark = tx.prepare_cached("UPDATE nodes SET state = 2 WHERE root = ?1 AND id = ?2")?;
    for id in replaced {
        mark.execute(params![root, id])?;
    }
    Ok(())
}

/// The run is over: what it made is the tree, what it replaced is gone.
pub(super) fn settle(tx: &Transaction<'_>, root: i64) -> Result<(), JournalError> {
    tx.execute("DELETE FROM nodes WHERE root = ?1 AND state <> 0 AND state = 2", [root])?;
    tx.execute("UPDATE nodes SET state = 0 WHERE root = ?1 AND state <> 0", [root])?;
    Ok(())
}

/// Drops first: a node that is in both stays.
pub(super) fn apply(
    tx: &Transaction<'_>,
    root: i64,
    put: &[(ChunkId, Vec<u8>)],
    drop: &[ChunkId],
) -> Result<(), JournalError> {
    let mut delete = tx.prepare_cached("DELETE FROM nodes WHERE root = ?1 AND id = ?2")?;
    for id in drop {
        delete.execute(params![root, id])?;
    }
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO nodes (root, id, bytes) VALUES (?1, ?2, ?3)")?;
    for (id, bytes) in put {
        insert.execute(params![root, id, bytes])?;
    }
    Ok(())
}
