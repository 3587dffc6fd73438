//! One root of a run: what of it is read, how far it is trusted, and its slices until the end or the next partial snapshot.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{RootDone, Running};
use crate::backup::error::RunError;
use crate::backup::feed::Remaining;
use crate::backup::nodes::LocalNodes;
use crate::backup::own::{own_inodes, own_paths};
use crate::backup::pipeline::{Slice, SliceContext, run_slice};
use crate::backup::placement::Placement;
use crate::backup::request::{RootPlan, RootScope};
use crate::backup::unannounced::Unannounced;
use crate::backup::view::{self, OpenedView};
use crate::journal::{Cut, Distrust, RootState};
use crate::model::Timestamp;
use crate::scan::{Scan, ScanError, ScanOptions, Target};
use crate::tree::TreeReader;

impl Running<'_> {
    pub(super) fn root(&mut self, plan: &RootPlan, number: u32) -> Result<RootDone, RunError> {
        self.progress.set_current(&plan.id);
        let backup = self.backup;
        let state = backup.journal.root_state(&plan.id)?;
        let reads_all = reads_all(backup.journal.distrust(&plan.id)?, plan.scope);
        let full =
            plan.scope == RootScope::Full || state.tree.is_none() || reads_all || self.is_listed_otherwise(&state)?;
        let targets = if full { Target::everything() } else { self.targets(&plan.id, self.run.cut)? };
        let done = RootDone {
            id: plan.id.clone(),
            changed: false,
            full,
            reads_all,
            frozen_by: None,
            missed_by_watcher: 0,
            has_kept: false,
        };
        if targets.is_empty() {
            return Ok(done);
        }
        let unannounced = self.unannounced(plan, &state, reads_all)?;
        let mut opened = view::open(backup, self.run.id, plan, number)?;
        if let Err(error) = self.guard(plan, &state) {
            opened.release(backup)?;
            return Err(error);
        }
        self.report.problems.append(&mut opened.problems);
        let done = self.read(
            plan,
            &opened,
            &state,
            targets,
            unannounced.as_ref(),
            RootDone { frozen_by: Some(opened.method), ..done },
        );
        opened.release(backup)?;
        done
    }

    /// Asked on the open view: a disk that was unmounted since the run began is not an empty folder. The identity is
    /// written down before the first entry of the root is, so that also a run that is cut off has left it.
    fn guard(&self, plan: &RootPlan, state: &RootState) -> Result<(), RunError> {
        let Some(guard) = &plan.guard else { return Ok(()) };
        let identity =
            guard().map_err(|problem| RunError::Doubtful { root: plan.id.clone(), problem: Box::new(problem) })?;
        if state.identity.as_deref() != Some(&identity) {
            self.backup.journal.set_root_identity(&plan.id, &identity)?;
        }
        Ok(())
    }

    fn read(
        &mut self,
        plan: &RootPlan,
        opened: &OpenedView,
        state: &RootState,
        targets: Vec<Target>,
        unannounced: Option<&Mutex<Unannounced>>,
        mut done: RootDone,
    ) -> Result<RootDone, RunError> {
        let backup = self.backup;
        let options = ScanOptions {
            read_all: done.reads_all,
            rules: plan.rules.clone(),
            own: own_inodes(&self.request.own_dirs),
            own_paths: own_paths(&self.request.own_dirs, &plan.path),
            cut_before: state.recovery_point_ms.map(Timestamp::from_millis),
        };
        let nodes = LocalNodes { journal: backup.journal.clone(), root: plan.id.clone() };
        let scan = Scan::new(&opened.view, TreeReader::new(nodes, state.tree), options, targets);
        let mut remaining = Remaining::new(scan.map_err(|error| scan_error(&plan.id, error))?);
        loop {
            let slice = self.slice(plan, opened, unannounced, &mut remaining)?;
            done.changed |= slice.changed;
            let problems = slice.problems.into_iter().map(|problem| problem.below(&plan.path));
            self.report.problems.extend(problems);
            self.again.extend(slice.again.into_iter().map(|dir| (plan.id.clone(), dir)));
            if remaining.is_nothing() {
                let found = unannounced.map(|u| u.lock().unwrap_or_else(PoisonError::into_inner).count());
                let (missed_by_watcher, has_kept) = (found.unwrap_or(0), remaining.scan.has_kept());
                return Ok(RootDone { missed_by_watcher, has_kept, ..done });
            }
            self.commit_partial(&done, opened.frozen_at.is_some())?;
            // only what has stored something may end early: so every run stores more than the one before; and a file that was begun is
            // read to its end: in the next freeze it would have to be read from its beginning
            let may_end = done.changed && remaining.unread.half.is_none();
            if may_end && self.is_freeze_too_old(opened) {
                return Err(RunError::FreezeTooOld { root: plan.id.clone() });
            }
        }
    }

    fn is_freeze_too_old(&self, opened: &OpenedView) -> bool {
        opened.frozen_at.is_some() && self.frozen_for(opened) >= self.backup.options.freeze_limit
    }

    fn frozen_for(&self, opened: &OpenedView) -> Duration {
        self.backup.clock.monotonic().since(opened.opened)
    }

    fn slice<N: crate::tree::NodeSource>(
        &self,
        plan: &RootPlan,
        opened: &OpenedView,
        unannounced: Option<&Mutex<Unannounced>>,
        remaining: &mut Remaining<'_, N>,
    ) -> Result<Slice, RunError>
    where
        N::Error: std::fmt::Display,
    {
        let context = SliceContext {
            backup: self.backup,
            root: &plan.id,
            slot: &self.slot,
            presence: &self.presence,
            progress: self.progress,
            stop: self.stop,
            frozen_at: opened.frozen_at,
            placement: Placement::new(plan.class, &self.backup.options),
            time: self.slice_time(opened, remaining.unread.half.is_some()),
            unannounced,
        };
        run_slice(&context, remaining)
    }

    /// Until the next partial snapshot, or until the freeze is too old. One that is kept only for a file in the middle of which the
    /// slice before ended is kept no longer than that.
    fn slice_time(&self, opened: &OpenedView, is_half_read: bool) -> Duration {
        let every = self.request.partial_every;
        match self.is_freeze_too_old(opened) {
            true if is_half_read => Duration::ZERO,
            true => every,
            false if opened.frozen_at.is_some() => {
                every.min(self.backup.options.freeze_limit.saturating_sub(self.frozen_for(opened)))
            }
            false => every,
        }
    }

    /// A full comparison with a tree tells how much the watcher missed.
    fn unannounced(
        &self,
        plan: &RootPlan,
        state: &RootState,
        reads_all: bool,
    ) -> Result<Option<Mutex<Unannounced>>, RunError> {
        if plan.scope != RootScope::Full || state.tree.is_none() || reads_all {
            return Ok(None);
        }
        let hints = self.backup.journal.hints_upto(&plan.id, self.run.cut)?;
        Ok(Some(Mutex::new(Unannounced::new(hints, self.report.cut_at))))
    }

    fn targets(&self, root: &str, cut: Cut) -> Result<Vec<Target>, RunError> {
        let hints = self.backup.journal.hints_upto(root, cut)?;
        Ok(hints.into_iter().map(|hint| Target { dir: hint.dir, recursive: hint.recursive }).collect())
    }
}

/// What was lost is read at once; what could not be read then, when everything is compared anyway.
pub(in crate::backup) fn reads_all(distrust: Option<Distrust>, scope: RootScope) -> bool {
    match distrust {
        None => false,
        Some(Distrust::Unread) => true,
        Some(Distrust::Kept) => scope == RootScope::Full,
    }
}

pub(in crate::backup) fn scan_error<E: std::fmt::Display>(root: &str, error: ScanError<E>) -> RunError {
    match error {
        ScanError::Source(source) => RunError::Source { root: root.to_owned(), source },
        ScanError::Tree(error) => RunError::LocalTree { root: root.to_owned(), what: error.to_string() },
        ScanError::Stopped => RunError::Stopped,
    }
}
