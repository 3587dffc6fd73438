//! At start: what an earlier process left is completed or forgotten. Every step may be repeated.

use super::agent::Backup;
use super::error::RunError;
use crate::journal::RunState;
use crate::model::ObjectHash;
use crate::pack::SpooledPack;
use crate::repo::{self, Rebuilt};

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The journal was empty and filled from the target.
    pub rebuilt: Option<Rebuilt>,
    /// Packs of the spool that were uploaded.
    pub uploaded: u64,
    /// Packs of the spool that were damaged or lost: their content is read again.
    pub lost: u64,
    /// A run had not ended.
    pub interrupted: bool,
}

pub(super) fn recover(backup: &Backup) -> Result<Recovered, RunError> {
    let interrupted = end_interrupted_run(backup)?;
    let rebuilt = match backup.journal.head()? {
        None => Some(repo::rebuild(&backup.store, &backup.keys, &backup.journal)?),
        Some(_) => None,
    };
    let (uploaded, lost) = upload_spooled(backup)?;
    let known: std::collections::HashSet<ObjectHash> =
        backup.journal.packs_spooled()?.into_iter().map(|row| row.hash).collect();
    backup.spool.remove_unknown(|hash| known.contains(hash))?;
    Ok(Recovered { rebuilt, uploaded, lost, interrupted })
}

/// A run that was about to commit asks the target whether it did; every other run is given up, its hints wait.
fn end_interrupted_run(backup: &Backup) -> Result<bool, RunError> {
    let Some(run) = backup.journal.unfinished_run()? else { return Ok(false) };
    let now = backup.clock.wall_ms();
    match run.state {
        RunState::Committing { seq, manifest } if repo::is_committed(&backup.store, &backup.keys, seq, &manifest)? => {
            backup.journal.adopt_commit(run.id, now)?;
        }
        _ => backup.journal.fail_run(run.id, "the agent was stopped in the middle of it", now)?,
    }
    Ok(true)
}

fn upload_spooled(backup: &Backup) -> Result<(u64, u64), RunError> {
    let (mut uploaded, mut lost) = (0, 0);
    for row in backup.journal.packs_spooled()? {
        let is_whole = match &row.spool_path {
            Some(path) => SpooledPack::verify_file(path, &row.hash)?,
            None => false,
        };
        if is_whole || is_stored(backup, &row)? {
            backup.upload_again(&row, is_whole)?;
            uploaded += 1;
        } else {
            backup.journal.forget_pack(&row.hash)?;
            if let Some(path) = &row.spool_path {
                SpooledPack::remove_file(path)?;
            }
            lost += 1;
        }
    }
    Ok((uploaded, lost))
}

/// The file may have been moved into the target just before the process died.
fn is_stored(backup: &Backup, row: &crate::journal::PackRow) -> Result<bool, RunError> {
    let is_tree = row.kind == crate::journal::PackKind::Tree;
    let name = repo::names::pack(&backup.keys.machine_id, is_tree, &row.hash);
    Ok(backup.store.head(&name).map_err(RunError::Target)? == Some(row.size))
}

impl Backup {
    fn upload_again(&self, row: &crate::journal::PackRow, has_file: bool) -> Result<(), RunError> {
        if has_file {
            return self.upload(row);
        }
        Ok(self.journal.pack_durable(&row.hash)?)
    }
}
