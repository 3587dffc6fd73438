//! Whether the target holds our repository, and the history that the journal knows: asked before anything is sent to it.
//!
//! A run that finds nothing to store sends nothing, so it needs no answer either: of a bucket nothing is asked then, but by an agent
//! now and then, as long as it says that everything is safe. A disk is
//! looked at before each run: that costs no request, and it may be another one than at the last run.

use std::sync::atomic::Ordering;

use super::agent::Backup;
use super::error::RunError;
use super::recover;
use crate::chunk::ChunkLimits;
use crate::crypto::MachineKeys;
use crate::journal::{Journal, JournalError, RunState};
use crate::repo::{self, CaughtUp, RepoError};
use crate::store::Store;

/// The chunk limits of the repository never change: the journal, which belongs to one repository, keeps them.
const FACT: &str = "repository/chunk-limits";

/// What the repository says, or what the journal knows that it says.
pub(super) struct Limits {
    pub limits: ChunkLimits,
    /// The target was asked.
    pub asked: bool,
}

/// `look`: ask the target although nothing may have to be sent.
pub(super) fn limits(journal: &Journal, store: &Store, keys: &MachineKeys, look: bool) -> Result<Limits, RunError> {
    match remembered(journal)? {
        Some(limits) if !look && !is_something_open(journal)? => Ok(Limits { limits, asked: false }),
        _ => {
            let limits = repo::open_for_backup(store, keys)?;
            remember(journal, limits)?;
            Ok(Limits { limits, asked: true })
        }
    }
}

impl Backup {
    /// Looks at the target although nothing may have to be sent. For an agent, now and then.
    pub fn look_at_target(&mut self) -> Result<(), RunError> {
        if !self.is_target_asked() {
            self.ask_target()?;
            let caught_up = recover::catch_up(self)?;
            self.found.extend(caught_up.and_then(|caught_up| recover::told(&caught_up, &self.keys.machine_id)));
            recover::end_orphans(self)?;
        }
        Ok(())
    }

    fn ask_target(&self) -> Result<(), RunError> {
        repo::open_for_backup(&self.store, &self.keys)?;
        self.target_asked.store(true, Ordering::Release);
        Ok(())
    }

    pub(super) fn is_target_asked(&self) -> bool {
        self.target_asked.load(Ordering::Acquire)
    }

    /// Before the first object of this process is sent: the target is there, is the one that it was, and holds what it held.
    pub(super) fn require_target(&self) -> Result<(), RunError> {
        if !self.is_target_asked() {
            self.ask_target()?;
            if !repo::is_last_there(&self.store, &self.keys, &self.journal)? {
                return Err(RepoError::WentBack { machine: self.keys.machine_id }.into());
            }
        }
        Ok(())
    }

    /// Before each run, where looking costs nothing: a disk may be another one than at the last run, or an older copy of
    /// itself. One that is not there is no error yet: perhaps nothing has to be sent.
    pub(super) fn look_at_near_target(&self) -> Result<Option<CaughtUp>, RunError> {
        if self.store.is_far() || repo::open_for_backup(&self.store, &self.keys).is_err() {
            return Ok(None);
        }
        match recover::catch_up(self) {
            Err(RunError::Repository(RepoError::Store(error))) if error.is_of_target() => Ok(None),
            // who has the number is told by the run that needs it
            Err(RunError::Repository(RepoError::SequenceTaken { .. })) => Ok(None),
            looked => looked,
        }
    }
}

/// Did an earlier run leave anything that only the target can answer or take?
fn is_something_open(journal: &Journal) -> Result<bool, JournalError> {
    let run = journal.unfinished_run()?;
    let may_be_committed = run.is_some_and(|run| matches!(run.state, RunState::Committing { .. }));
    Ok(may_be_committed || journal.head()?.is_none() || !journal.packs_spooled()?.is_empty())
}

fn remembered(journal: &Journal) -> Result<Option<ChunkLimits>, JournalError> {
    let fact = journal.fact(FACT)?.unwrap_or_default();
    let number = |at: usize| fact.get(at..at + 4).map(|b| u32::from_le_bytes(b.try_into().expect("4 bytes")));
    let limits = number(0).zip(number(4)).zip(number(8));
    let limits = limits.map(|((min, average), max)| ChunkLimits { min, average, max });
    Ok(limits.filter(ChunkLimits::is_valid))
}

fn remember(journal: &Journal, limits: ChunkLimits) -> Result<(), JournalError> {
    if remembered(journal)? == Some(limits) {
        return Ok(());
    }
    let ChunkLimits { min, average, max } = limits;
    journal.set_fact(FACT, &[min.to_le_bytes(), average.to_le_bytes(), max.to_le_bytes()].concat())
}
