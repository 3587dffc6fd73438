//! At start: what an earlier process left is completed or forgotten. Every step may be repeated.

use super::agent::Backup;
use super::arena;
use super::error::RunError;
use super::{config, snapshot, view};
use crate::journal::{PackRow, RunState};
use crate::model::{MachineId, ObjectHash, Problem, ProblemCode};
use crate::pack::SpooledPack;
use crate::repo::{self, CaughtUp, Rebuilt, names};
use crate::store::ObjectName;
use crate::upload::{Origin, Orphans, UploadError};

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The journal was empty and filled from the target.
    pub rebuilt: Option<Rebuilt>,
    /// The target has snapshots of this machine that the journal did not know.
    pub caught_up: Option<CaughtUp>,
    /// Packs of the spool that were uploaded.
    pub uploaded: u64,
    /// Packs of the spool that were damaged or lost, or for which there is no room: their content is read again.
    pub lost: u64,
    /// Names of packs for which the target holds other bytes: their content is read again and stored under another
    /// name.
    pub damaged: Vec<ObjectName>,
    /// Uploads that nobody went on with.
    pub orphans: Orphans,
    /// A run had not ended.
    pub interrupted: bool,
    /// Freezes of an earlier process that were removed.
    pub freezes: u64,
}

pub(super) fn recover(backup: &Backup) -> Result<Recovered, RunError> {
    let interrupted = end_interrupted_run(backup)?;
    let now_ms = backup.clock.wall_ms();
    let rebuilt = match backup.journal.head()? {
        None => {
            config::forget(backup)?;
            Some(repo::rebuild(&backup.store, &backup.keys, &backup.journal, now_ms)?)
        }
        Some(_) => None,
    };
    let caught_up = if backup.is_target_asked() { catch_up(backup)? } else { None };
    let spooled = upload_spooled(backup)?;
    let orphans = if backup.is_target_asked() { end_orphans(backup)? } else { Orphans::default() };
    let known: std::collections::HashSet<ObjectHash> =
        backup.journal.packs_spooled()?.into_iter().map(|row| row.hash).collect();
    backup.spool.remove_unknown(|hash| known.contains(hash))?;
    arena::settle(backup)?;
    let freezes = view::reap(backup)?;
    Ok(Recovered { rebuilt, caught_up, orphans, interrupted, freezes, ..spooled })
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

/// Is the last snapshot there, and the number of the next one free? Asked at the start of an agent and with its full comparisons, of a target that is near before
/// each run, and when a run finds that it is not so.
pub(super) fn catch_up(backup: &Backup) -> Result<Option<CaughtUp>, RunError> {
    let caught_up = repo::catch_up(&backup.store, &backup.keys, &backup.journal, backup.clock.wall_ms())?;
    if caught_up.is_some() {
        // the one that was taken over may be
        snapshot::remember_partial(backup, true)?;
        config::forget(backup)?;
        tracing::warn!("the target has another history of this machine than the journal");
    }
    Ok(caught_up)
}

/// `None` where nobody but this journal can have stored it.
pub(super) fn told(caught_up: &CaughtUp, machine: &MachineId) -> Option<Problem> {
    if caught_up.is_announced {
        return None;
    }
    if let Some(gone) = caught_up.gone {
        let name = names::manifest(machine, gone);
        return Some(Problem::new(
            ProblemCode::WentBack,
            name.as_str().as_bytes(),
            format!("the target does not hold snapshot {} any more; what is missing with it is stored again", gone.0),
            "Nothing to do where an older copy of the target was put back, or another disk is used in turn. Otherwise find out who \
             took it away: `rozenctl check` names all that is missing.",
        ));
    }
    let name = names::manifest(machine, caught_up.last);
    Some(Problem::new(
        ProblemCode::AnotherCopy,
        name.as_str().as_bytes(),
        format!(
            "snapshots up to {} were stored by another copy of this machine; its history goes on behind them",
            caught_up.last.0
        ),
        "Nothing to do where the state directory was brought back from a copy. If two computers use this machine's key, \
         stop one of them and set it up anew with `rozenctl init`.",
    ))
}

/// The next snapshot goes on behind one that cannot be read: nobody else says so.
fn told_unread(rebuilt: &Rebuilt, machine: &MachineId) -> Option<Problem> {
    let name = names::manifest(machine, rebuilt.passed_over?);
    Some(Problem::new(
        ProblemCode::Damaged,
        name.as_str().as_bytes(),
        "it is damaged, or was stored by somebody else: the history of this machine goes on behind the snapshot before it",
        "`rozenctl check` says what is wrong with it; all other snapshots restore.",
    ))
}

/// Its part of what was found.
fn upload_spooled(backup: &Backup) -> Result<Recovered, RunError> {
    let mut found = Recovered::default();
    for row in backup.journal.packs_spooled()? {
        match backup.upload(&row, Origin::EarlierProcess) {
            Ok(()) => found.uploaded += 1,
            Err(UploadError::Lost { .. }) => {
                forget(backup, &row)?;
                found.lost += 1;
            }
            Err(UploadError::Damaged { name }) => {
                tracing::error!(%name, "the target holds other bytes under the name of a pack; it is stored anew");
                forget(backup, &row)?;
                found.damaged.push(name);
            }
            Err(error) if error.is_target_full() => {
                forget(backup, &row)?;
                found.lost += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// A pack for which the target has no room is forgotten: its content may have been deleted or excluded since, and then something smaller
/// has room. So is one whose spool file is of no use, at once: a disk that could not take it says so only once, and the next one to
/// ask would find it good. The error stays.
pub(super) fn upload_or_forget(backup: &Backup, row: &PackRow, origin: Origin) -> Result<(), RunError> {
    match backup.upload(row, origin) {
        Err(error) if error.is_target_full() || matches!(error, UploadError::Lost { .. }) => {
            forget(backup, row)?;
            Err(error.into())
        }
        ended => Ok(ended?),
    }
}

/// Uploads by parts that nobody will complete. A list at the target: once a process, not once a run.
pub(super) fn end_orphans(backup: &Backup) -> Result<Orphans, RunError> {
    let forgotten = backup.uploader.end_forgotten()?;
    Ok(forgotten.and(backup.uploader.end_unknown(&names::below(&backup.keys.machine_id))?))
}

/// No snapshot refers to a pack that was not durable, and the hints of its run are all still there: the next run reads
/// its content again. A new pack of the same content has another name, as no two seals are alike.
fn forget(backup: &Backup, row: &PackRow) -> Result<(), RunError> {
    backup.journal.forget_pack(&row.hash)?;
    if let Some(path) = &row.spool_path {
        SpooledPack::remove_file(path)?;
    }
    Ok(())
}

impl Recovered {
    /// What a person should know: told with the next run.
    pub(super) fn problems(&self, machine: &MachineId) -> Vec<Problem> {
        let damaged = |name: &ObjectName| {
            let error = UploadError::Damaged { name: name.clone() };
            Problem::new(ProblemCode::Damaged, name.as_str().as_bytes(), error.to_string(), error.remedy())
        };
        let caught_up = self.caught_up.iter().filter_map(|caught_up| told(caught_up, machine));
        let rebuilt = self.rebuilt.iter().chain(self.caught_up.iter().map(|caught_up| &caught_up.rebuilt));
        let unread = rebuilt.filter_map(|rebuilt| told_unread(rebuilt, machine));
        self.damaged.iter().map(damaged).chain(caught_up).chain(unread).collect()
    }
}
