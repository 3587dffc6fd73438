//! How manifests list the roots: the last committed one, and one that was announced. Kept apart from the nodes, so that a
//! root whose nodes are lost, or older than its last snapshot, is still listed by the tree that it has in the target.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Journal, JournalError, RunId, RunState, runs};
use crate::model::{ListedRoot, ObjectHash, RootTag, Seq, Timestamp};

impl Journal {
    /// In the last snapshot; `None` for a root that is not in it.
    pub fn listed_root(&self, tag: &RootTag) -> Result<Option<ListedRoot>, JournalError> {
        self.read("read how a root is listed", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT tree, entries, bytes, complete, recovery_point_ms FROM listed_roots
                 WHERE seq = (SELECT head_seq FROM machine) AND tag = ?1",
            )?;
            let listed = statement.query_row([tag], |row| {
                Ok(ListedRoot {
                    tag: *tag,
                    tree: row.get(0)?,
                    entries: row.get(1)?,
                    bytes: row.get(2)?,
                    complete: row.get(3)?,
                    recovery_point: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
                })
            });
            Ok(listed.optional()?)
        })
    }

    /// The intent to write this manifest; outlives a power cut. From now on the target says whether the snapshot exists.
    pub fn announce_manifest(
        &self,
        run: RunId,
        (seq, manifest): (Seq, ObjectHash),
        listing: &[ListedRoot],
    ) -> Result<(), JournalError> {
        self.write_durably("announce a manifest", |tx| {
            runs::require_unfinished(tx, run, "announce a manifest")?;
            runs::set_state(tx, run, &RunState::Committing { seq, manifest })?;
            // one that was announced before and never written
            tx.execute("DELETE FROM listed_roots WHERE seq IS NOT (SELECT head_seq FROM machine)", [])?;
            insert(tx, seq, listing)
        })
    }
}

pub(super) fn insert(tx: &Transaction<'_>, seq: Seq, listing: &[ListedRoot]) -> Result<(), JournalError> {
    let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO listed_roots VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for root in listing {
        let point = root.recovery_point.map(Timestamp::millis);
        insert.execute(params![seq, root.tag, root.tree, root.entries, root.bytes, root.complete, point])?;
    }
    Ok(())
}

/// The head has moved: what older manifests and failed ones listed is of no use.
pub(super) fn keep_only(tx: &Transaction<'_>, head: Seq) -> Result<(), JournalError> {
    tx.execute("DELETE FROM listed_roots WHERE seq <> ?1", [head])?;
    Ok(())
}
