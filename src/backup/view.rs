//! The view of a root for one run: frozen where the filesystem can, live elsewhere.
//!
//! A freeze is written down before it is made; whatever happens then, the reaper of the next start finds it.

use std::path::Path;

use super::agent::Backup;
use super::error::RunError;
use super::request::RootPlan;
use crate::clock::Monotonic;
use crate::freeze::{FreezeError, FreezeId, Freezer, Hold, PlanOptions};
use crate::journal::RunId;
use crate::model::{Problem, RelPath, Timestamp};
use crate::scan::is_wanted;
use crate::source::View;

pub(super) struct OpenedView {
    pub view: View,
    /// When it was frozen; `None`: it is live.
    pub frozen_at: Option<Timestamp>,
    /// When it was opened.
    pub opened: Monotonic,
    /// For people: "btrfs", "live".
    pub method: &'static str,
    pub problems: Vec<Problem>,
    hold: Hold,
}

/// `number`: of the root in the run.
pub(super) fn open(backup: &Backup, run: RunId, plan: &RootPlan, number: u32) -> Result<OpenedView, RunError> {
    let journal = &backup.journal;
    reap_unknown(backup, plan)?;
    let live = View::live(&plan.path).ok();
    let wanted = |dir: &RelPath| live.as_ref().is_none_or(|view| is_wanted(view, &plan.rules, dir));
    let options = PlanOptions { one_filesystem: plan.rules.config().one_filesystem, wanted: &wanted };
    let id = FreezeId { run: run.0.unsigned_abs(), root: number };
    let freeze_error = |source| RunError::Freeze { root: plan.id.clone(), source };
    let frozen = Freezer::new(backup.keys.machine_id).plan(&plan.path, id, &options).map_err(freeze_error)?;
    for name in frozen.names() {
        journal.freeze_intent(run, &plan.id, name.as_str(), "", backup.clock.wall_ms())?;
    }
    crate::fault::point("freeze.announced");
    let asked_at = backup.clock.wall();
    let frozen = frozen.create().map_err(freeze_error)?;
    crate::fault::point("freeze.made");
    for name in frozen.hold.names() {
        journal.freeze_live(name.as_str())?;
    }
    let is_frozen = frozen.parts.frozen;
    Ok(OpenedView {
        view: View::from_parts(frozen.parts.root, frozen.parts.grafts, is_frozen),
        frozen_at: is_frozen.then_some(asked_at),
        opened: backup.clock.monotonic(),
        method: if frozen.hold.names().is_empty() { "live" } else { "btrfs" },
        problems: frozen.not_covered,
        hold: frozen.hold,
    })
}

impl OpenedView {
    /// Closes the view and removes what it was read from. What cannot be removed is a leftover for the reaper.
    pub fn release(self, backup: &Backup) -> Result<(), RunError> {
        let names = self.hold.names().to_vec();
        drop(self.view);
        if let Err(error) = self.hold.release() {
            tracing::warn!(%error, "a freeze could not be removed; the next start tries again");
            return Ok(());
        }
        for name in &names {
            backup.journal.freeze_released(name.as_str())?;
        }
        Ok(())
    }
}

/// Once for each root and journal: what was left by a run that another journal knew, which is lost, would stay for ever, and a new one
/// would take its name.
fn reap_unknown(backup: &Backup, plan: &RootPlan) -> Result<(), RunError> {
    let fact = format!("reaped/{}", plan.id);
    if backup.journal.fact(&fact)?.is_some() {
        return Ok(());
    }
    match reap_below(backup, &plan.id, &plan.path) {
        Ok(Some(_)) => backup.journal.set_fact(&fact, &[1])?,
        Ok(None) => {}
        // as with every run of an ordinary user, who can make none either
        Err(error) => tracing::debug!(root = plan.id, %error, "leftover freezes could not be looked for"),
    }
    Ok(())
}

/// Removes what an earlier process left frozen. Nothing is claimed by a run: one that was interrupted begins anew.
pub(super) fn reap(backup: &Backup) -> Result<u64, RunError> {
    let waiting = backup.journal.unreleased_freezes()?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let mut removed = 0;
    for root in backup.journal.roots()? {
        let concerned: Vec<_> = waiting.iter().filter(|row| row.root == root.id).collect();
        if concerned.is_empty() {
            continue;
        }
        match reap_below(backup, &root.id, &root.path) {
            Ok(Some(count)) => {
                removed += count;
                concerned.iter().try_for_each(|row| backup.journal.freeze_released(&row.name))?;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(root = root.id, %error, "leftover freezes could not be looked for"),
        }
    }
    Ok(removed)
}

/// How many were removed; `None` unless none is left.
fn reap_below(backup: &Backup, root: &str, path: &Path) -> Result<Option<u64>, FreezeError> {
    let reaped = Freezer::new(backup.keys.machine_id).reap(path, &[])?;
    if reaped.problems.is_empty() {
        return Ok(Some(reaped.removed.len() as u64));
    }
    tracing::warn!(root, left = reaped.problems.len(), "freezes are left over");
    Ok(None)
}
