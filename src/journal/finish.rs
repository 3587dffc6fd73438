//! The book-keeping after a manifest is durable: one transaction, so that hints, trees and the head never disagree.

use rusqlite::{Transaction, params};

use super::{Journal, JournalError, RunId, RunRow, RunState, hints, machine, nodes, roots, runs, staging};
use crate::model::{ChunkId, ObjectHash, Seq};

/// The tree that a root has in the new snapshot, as a difference to the nodes that the journal holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTree {
    pub root: String,
    pub tree: ChunkId,
    pub put: Vec<(ChunkId, Vec<u8>)>,
    pub drop: Vec<ChunkId>,
}

/// A root that the run has covered completely.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinishRoot {
    pub tree: NewTree,
    /// All that changed before is now durable; `None` leaves the old one (the run is not sure).
    pub recovery_point_ms: Option<i64>,
    /// When the full comparison began, if the run made one of the whole root.
    pub audited_ms: Option<i64>,
    pub reading: Reading,
}

/// Which content a run has read of a root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// Of what looked changed: nothing is known of the rest.
    LooksChanged,
    /// Everything but what could not be looked at, and stays as it was.
    AllButKept,
    All,
}

/// The end of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FinishRun {
    pub run: RunId,
    pub now_ms: i64,
    /// The snapshot that the run committed; `None` when nothing had changed and none was needed.
    pub head: Option<(Seq, ObjectHash)>,
    /// Roots of the run that could not be covered are left out: they keep their hints.
    pub roots: Vec<FinishRoot>,
}

impl Journal {
    /// Ends a run: trees and nodes replaced, head moved, staging cleared, all hints up to the run's cut forgotten. A
    /// snapshot must have been announced by [`Journal::announce_manifest`].
    pub fn finish_run(&self, finish: &FinishRun) -> Result<(), JournalError> {
        self.write("finish a run", |tx| {
            let run = runs::require_unfinished(tx, finish.run, "finish")?;
            if let Some(head) = &finish.head {
                move_head(tx, &run, head)?;
            }
            for root in &finish.roots {
                finish_root(tx, &run, root)?;
            }
            end_run(tx, finish.run, finish.head.map(|(seq, _)| seq), finish.now_ms)
        })
    }

    /// A partial snapshot was committed while the run goes on: trees and head move, hints stay. Nodes that a tree drops can
    /// be read until the run ends. `reading`: the root that the run has not covered yet. Its new tree hides why the scan went
    /// below directories that no hint names (they were new to it, or their rules had changed), so that it has to be compared in
    /// full should this run not come to its end.
    pub fn commit_partial(
        &self,
        run: RunId,
        head: (Seq, ObjectHash),
        trees: &[NewTree],
        reading: &str,
    ) -> Result<(), JournalError> {
        self.write("record a partial snapshot", |tx| {
            let row = runs::require_unfinished(tx, run, "commit")?;
            move_head(tx, &row, &head)?;
            for NewTree { root, tree, put, drop } in trees {
                let key = roots::key(tx, root)?;
                nodes::apply(tx, key, put, &[])?;
                nodes::settle_partial(tx, key, drop)?;
                nodes::set_tree(tx, key, tree)?;
                staging::clear(tx, key)?;
            }
            hints::doubt_all(tx, roots::key(tx, reading)?, row.cut, row.started_ms)?;
            tx.execute("UPDATE runs SET state = 'scanning', seq = NULL, manifest = NULL WHERE id = ?1", [run.0])?;
            Ok(())
        })
    }

    /// After a crash in [`RunState::Committing`] the manifest was found in the target: the snapshot counts. Trees and
    /// hints stay as they were, so the next run compares again from the older tree; nothing is stored twice.
    pub fn adopt_commit(&self, run: RunId, now_ms: i64) -> Result<(), JournalError> {
        self.write("adopt a commit", |tx| {
            let row = runs::require_unfinished(tx, run, "be adopted")?;
            let RunState::Committing { seq, manifest } = row.state else {
                return Err(wrong_state(&row, "be adopted"));
            };
            machine::set_head(tx, seq, &manifest)?;
            for root in &row.roots {
                staging::clear(tx, roots::key(tx, root)?)?;
            }
            end_run(tx, run, Some(seq), now_ms)
        })
    }
}

fn move_head(tx: &Transaction<'_>, run: &RunRow, head: &(Seq, ObjectHash)) -> Result<(), JournalError> {
    match &run.state {
        RunState::Committing { seq, manifest } if (seq, manifest) == (&head.0, &head.1) => {
            machine::set_head(tx, head.0, &head.1)
        }
        _ => Err(wrong_state(run, "commit this snapshot")),
    }
}

fn finish_root(tx: &Transaction<'_>, run: &RunRow, root: &FinishRoot) -> Result<(), JournalError> {
    if !run.roots.contains(&root.tree.root) {
        return Err(JournalError::UnknownRoot { root: root.tree.root.clone() });
    }
    let key = roots::key(tx, &root.tree.root)?;
    nodes::apply(tx, key, &root.tree.put, &root.tree.drop)?;
    nodes::settle(tx, key)?;
    nodes::set_tree(tx, key, &root.tree.tree)?;
    staging::clear(tx, key)?;
    hints::forget(tx, key, run.cut)?;
    if let Some(began_ms) = root.audited_ms {
        roots::finish_audit(tx, key, run.cut, began_ms)?;
    }
    match root.reading {
        Reading::LooksChanged => {}
        Reading::AllButKept => roots::trust_but_kept(tx, &root.tree.root)?,
        Reading::All => roots::trust(tx, &root.tree.root)?,
    }
    tx.execute(
        "UPDATE roots SET recovery_point_ms = coalesce(?2, recovery_point_ms) WHERE key = ?1",
        params![key, root.recovery_point_ms],
    )?;
    Ok(())
}

fn end_run(tx: &Transaction<'_>, run: RunId, seq: Option<Seq>, now_ms: i64) -> Result<(), JournalError> {
    tx.execute("UPDATE runs SET state = 'done', seq = ?2, ended_ms = ?3 WHERE id = ?1", params![run.0, seq, now_ms])?;
    Ok(())
}

fn wrong_state(run: &RunRow, wanted: &'static str) -> JournalError {
    JournalError::WrongRunState { run: run.id.0, wanted, found: format!("{:?}", run.state) }
}
