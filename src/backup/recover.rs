//! At start: what an earlier process left is completed or forgotten. Every step may be repeated.

use super::agent::Backup;
use super::error::RunError;
use super::view;
use crate::journal::RunState;
use crate::model::ObjectHash;
use crate::pack::SpooledPack;
use crate::repo::{self, Rebuilt};
use crate::upload::{Origin, UploadError};

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
    /// Freezes of an earlier process that were removed.
    pub freezes: u64,
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
    let freezes = view::reap(backup)?;
    Ok(Recovered { rebuilt, uploaded, lost, interrupted, freezes })
}

/// A run that was about to commit asks the target whether it did; every other run is given up, its hints wait.
pub(super) fn end_interrupted_run(backup: &Backup) -> Result<bool, RunError> {
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
        match backup.upload(&row, Origin::EarlierProcess) {
            Ok(()) => uploaded += 1,
            Err(UploadError::Lost { .. }) => {
                backup.journal.forget_pack(&row.hash)?;
                if let Some(path) = &row.spool_path {
                    SpooledPack::remove_file(path)?;
                }
                lost += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((uploaded, lost))
}
