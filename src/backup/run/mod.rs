//! A run: roots one after the other, partial snapshots on the way, one snapshot at the end.

mod root;

use std::sync::atomic::AtomicBool;

pub(super) use root::{reads_all, scan_error};

use crate::backup::agent::Backup;
use crate::backup::arena;
use crate::backup::billing;
use crate::backup::config;
use crate::backup::error::RunError;
use crate::backup::nodes;
use crate::backup::presence::Presence;
use crate::backup::progress::{Phase, Progress};
use crate::backup::recover;
use crate::backup::report::{RootReport, RunReport};
use crate::backup::request::{RootPlan, RunRequest};
use crate::backup::snapshot::{self, RootResult, Totals};
use crate::crypto::SealingSlot;
use crate::journal::{FinishRoot, FinishRun, HintRow, NewTree, Reading, RootState, Run, RunId, RunState};
use crate::model::{ListedRoot, Problem, ProblemCode, RelPath, Timestamp};
use crate::repo::RepoError;

impl Backup {
    /// Runs to the end. On an error no hint is lost and what was stored is kept for the next run. Where the target turns out to
    /// have another history of this machine than the journal, it begins once more behind that.
    pub fn run(&self, request: &RunRequest, progress: &Progress, stop: &AtomicBool) -> Result<RunReport, RunError> {
        let looked = self.look_at_near_target()?;
        let (caught_up, mut report) = match self.run_once(request, progress, stop) {
            Err(RunError::Repository(error @ (RepoError::SequenceTaken { .. } | RepoError::WentBack { .. }))) => {
                let Some(caught_up) = recover::catch_up(self)? else { return Err(error.into()) };
                (Some(caught_up), self.run_once(request, progress, stop)?)
            }
            ended => (looked, ended?),
        };
        let told = caught_up.and_then(|caught_up| recover::told(&caught_up, &self.keys.machine_id));
        // what was found at the start is found again until a snapshot follows it
        report.problems.extend(told.filter(|told| !self.found.contains(told)));
        Ok(report)
    }

    fn run_once(&self, request: &RunRequest, progress: &Progress, stop: &AtomicBool) -> Result<RunReport, RunError> {
        progress.follow(self.store.limiter());
        recover::end_interrupted_run(self)?;
        let cut_at = self.clock.wall();
        for root in &request.roots {
            self.journal.upsert_root(&root.id, &root.path, self.clock.wall_ms())?;
        }
        let ids: Vec<&str> = request.roots.iter().map(|root| root.id.as_str()).collect();
        let run = self.journal.begin_run(&ids, self.clock.wall_ms())?;
        let mut running = Running {
            backup: self,
            request,
            progress,
            stop,
            run: &run,
            slot: SealingSlot::create(&self.keys),
            presence: Presence::new(self.journal.clone()),
            report: RunReport { cut_at, problems: self.found.clone(), ..RunReport::default() },
            again: Vec::new(),
            done: Vec::new(),
        };
        let result = running.all_roots().map_err(RunError::or_stopped);
        let Running { mut report, .. } = running;
        progress.set_phase(Phase::Done);
        report.requests = billing::count_requests(self, run.id);
        match result {
            Ok(()) => Ok(report),
            Err(error) => {
                self.give_up(run.id, &error)?;
                if let RunError::LocalTree { root, .. } = &error {
                    // the next run compares everything with nothing; what is stored is known by its ids
                    self.journal.drop_tree(root)?;
                }
                Err(error)
            }
        }
    }
}

impl Backup {
    /// Ends a run that failed. Had it announced its manifest, the target says whether that exists; while the target cannot
    /// answer, the run stays open and the next one asks again.
    fn give_up(&self, run: RunId, error: &RunError) -> Result<(), RunError> {
        if matches!(self.journal.run(run)?.state, RunState::Committing { .. }) {
            if let Err(unanswered) = recover::end_interrupted_run(self) {
                tracing::warn!(%unanswered, "whether the last snapshot was committed is asked again by the next run");
            }
            return Ok(());
        }
        Ok(self.journal.fail_run(run, &error.to_string(), self.clock.wall_ms())?)
    }
}

/// A run in progress.
struct Running<'a> {
    backup: &'a Backup,
    request: &'a RunRequest,
    progress: &'a Progress,
    stop: &'a AtomicBool,
    run: &'a Run,
    slot: SealingSlot,
    presence: Presence,
    report: RunReport,
    /// Directories to be looked at again: root and directory.
    again: Vec<(String, RelPath)>,
    done: Vec<RootDone>,
}

struct RootDone {
    id: String,
    changed: bool,
    full: bool,
    /// Also what looks unchanged is read: stored content was lost.
    reads_all: bool,
    /// `None`: nothing of it had to be read.
    frozen_by: Option<&'static str>,
    missed_by_watcher: u64,
    /// See [`Scan::has_kept`].
    has_kept: bool,
}

impl Running<'_> {
    fn all_roots(&mut self) -> Result<(), RunError> {
        self.progress.set_phase(Phase::Scanning);
        for (plan, number) in self.request.roots.iter().zip(0..) {
            let before = self.report.problems.len();
            match self.root(plan, number) {
                Ok(done) => {
                    let problems = self.report.problems[before..].to_vec();
                    let (id, missed_by_watcher) = (plan.id.clone(), done.missed_by_watcher);
                    self.report.roots.push(RootReport { id, problems, missed_by_watcher, ..RootReport::default() });
                    self.done.push(done);
                }
                Err(error @ (RunError::Source { .. } | RunError::Freeze { .. } | RunError::Doubtful { .. })) => {
                    self.backup.journal.clear_staging(&plan.id)?;
                    // what was claimed for it may be in no pack
                    self.presence = Presence::new(self.backup.journal.clone());
                    self.report.problems.push(unavailable(plan, &error));
                    self.report.unavailable.push(plan.id.clone());
                }
                Err(error) => return Err(error),
            }
        }
        self.finish()
    }

    /// What is stored so far becomes a snapshot that restores; hints stay, the run goes on.
    fn commit_partial(&mut self, reading: &RootDone, is_frozen: bool) -> Result<(), RunError> {
        if !reading.changed && !self.done.iter().any(|done| done.changed) {
            return Ok(());
        }
        let Some(built) = nodes::build(self.backup, &reading.id, &self.slot, &self.presence, reading.reads_all)? else {
            return Ok(());
        };
        let mut results: Vec<RootResult> = self.build_done()?;
        results.push(RootResult {
            id: reading.id.clone(),
            built: Some(built),
            complete: false,
            full: false,
            recovery_point: None,
            frozen_by: reading.frozen_by,
        });
        // what has changed may be in the last one already
        if !self.is_news(&results)? {
            return Ok(());
        }
        // before: should the run die now, the next one knows that a whole snapshot is wanted
        snapshot::remember_partial(self.backup, true)?;
        let committed = snapshot::commit(self.backup, self.run.id, &results, &self.totals(true), self.progress)?;
        let trees: Vec<NewTree> =
            results.into_iter().filter_map(|result| result.built).map(|built| built.new).collect();
        let head = (committed.seq, committed.manifest);
        self.backup.journal.commit_partial(self.run.id, head, &trees, &reading.id)?;
        self.done.iter_mut().for_each(|done| done.changed = false);
        self.report.partial_snapshots += 1;
        // a merge takes its time, and a frozen filesystem costs space as long as it is frozen
        if !is_frozen {
            self.merge();
        }
        Ok(())
    }

    /// When a snapshot is safe. It does not need this: what could not be merged stays as it is, and the next run tries again.
    fn merge(&mut self) {
        if let Err(error) = arena::merge_due(self.backup, self.stop, &mut self.report.merged)
            && !error.is_stopped()
        {
            tracing::warn!(%error, "small packs could not be merged");
            let problem = arena::not_merged(&error);
            self.report.problems.retain(|told| (told.code, &told.path) != (problem.code, &problem.path));
            self.report.problems.push(problem);
        }
    }

    fn build_done(&self) -> Result<Vec<RootResult>, RunError> {
        let mut results = Vec::new();
        for done in &self.done {
            let state = self.backup.journal.root_state(&done.id)?;
            let is_doubted = done.reads_all || self.is_listed_otherwise(&state)?;
            let built = match done.changed || (done.frozen_by.is_some() && is_doubted) {
                true => nodes::build(self.backup, &done.id, &self.slot, &self.presence, done.reads_all)?,
                false => None,
            };
            let recovery_point = done.full.then_some(self.report.cut_at);
            let (id, frozen_by) = (done.id.clone(), done.frozen_by);
            results.push(RootResult { id, built, complete: true, full: done.full, recovery_point, frozen_by });
        }
        Ok(results)
    }

    /// The last snapshot lists another tree than the journal has: its answer was lost, or the journal. What the hints of that
    /// time said is not known any more.
    fn is_listed_otherwise(&self, state: &RootState) -> Result<bool, RunError> {
        let listed = self.backup.listed(&state.id)?;
        Ok(listed.is_some_and(|listed| listed.tree != state.tree))
    }

    /// Would a snapshot say anything that the last one does not?
    fn is_news(&self, results: &[RootResult]) -> Result<bool, RunError> {
        for result in results {
            let Some(built) = &result.built else { continue };
            let listed = self.backup.listed(&result.id)?;
            let same =
                |listed: ListedRoot| listed.tree == Some(built.summary.root) && listed.complete == result.complete;
            if !listed.is_some_and(same) {
                return Ok(true);
            }
        }
        Ok(!results.is_empty() && config::is_new(self.backup)?)
    }

    /// A snapshot is committed when anything differs from the last one; when that is a partial one, of this run or of one
    /// that was cut off; and when content was stored that no index object lists, such as what the target had lost.
    fn finish(&mut self) -> Result<(), RunError> {
        self.progress.set_phase(Phase::Committing);
        let backup = self.backup;
        let before: Vec<RootState> =
            self.done.iter().map(|done| backup.journal.root_state(&done.id)).collect::<Result<_, _>>()?;
        let results = self.build_done()?;
        if self.is_news(&results)? || snapshot::is_last_partial(backup)? || backup.journal.any_unindexed()? {
            let totals = self.totals(false);
            self.report.snapshot = Some(snapshot::commit(backup, self.run.id, &results, &totals, self.progress)?);
            snapshot::remember_partial(backup, false)?;
        }
        self.look_again()?;
        let now_ms = backup.clock.wall_ms();
        let mut roots = Vec::new();
        for ((result, done), before) in results.into_iter().zip(&self.done).zip(&before) {
            let tree = match (result.built, before.tree) {
                (Some(built), _) => built.new,
                (None, Some(tree)) => NewTree { root: done.id.clone(), tree, put: vec![], drop: vec![] },
                (None, None) => continue,
            };
            let root = finish_root(tree, result.full, self.report.cut_at);
            let reading = match (done.reads_all, done.has_kept) {
                (false, _) => Reading::LooksChanged,
                (true, true) => Reading::AllButKept,
                (true, false) => Reading::All,
            };
            roots.push(FinishRoot { reading, ..root });
        }
        let head = self.report.snapshot.map(|snapshot| (snapshot.seq, snapshot.manifest));
        backup.journal.finish_run(&FinishRun { run: self.run.id, now_ms, head, roots })?;
        for root in &mut self.report.roots {
            (root.entries, root.bytes) = snapshot::summary(backup, &root.id)?;
        }
        self.merge();
        (self.report.entries, self.report.bytes) = (
            self.progress.entries.load(std::sync::atomic::Ordering::Relaxed),
            self.progress.bytes_read.load(std::sync::atomic::Ordering::Relaxed),
        );
        Ok(())
    }

    /// Hints for what could not be read as one state; they are younger than the cut and stay.
    fn look_again(&mut self) -> Result<(), RunError> {
        let now_ms = self.backup.clock.wall_ms();
        self.again.sort();
        self.again.dedup();
        for (root, dir) in self.again.drain(..) {
            let report = self.report.roots.iter_mut().find(|report| report.id == root);
            report.into_iter().for_each(|report| report.look_again += 1);
            let hint = HintRow { dir, recursive: false, names: vec![], reason: "changed while read".into(), now_ms };
            self.backup.journal.add_hints(&root, &[hint])?;
        }
        Ok(())
    }

    fn totals(&self, partial: bool) -> Totals<'_> {
        Totals { partial, started: self.report.cut_at, problems: &self.report.problems }
    }
}

fn finish_root(tree: NewTree, full: bool, cut_at: Timestamp) -> FinishRoot {
    let cut_ms = cut_at.secs * 1000 + i64::from(cut_at.nanos / 1_000_000);
    FinishRoot {
        tree,
        recovery_point_ms: full.then_some(cut_ms),
        audited_ms: full.then_some(cut_ms),
        reading: Reading::LooksChanged,
    }
}

pub(in crate::backup) fn unavailable(plan: &RootPlan, error: &RunError) -> Problem {
    if let RunError::Doubtful { problem, .. } = error {
        return (**problem).clone();
    }
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let causes: String = causes.map(|cause| format!(": {cause}")).collect();
    Problem::new(
        ProblemCode::RootUnavailable,
        plan.path.as_os_str().as_encoded_bytes(),
        format!("{error}{causes}; nothing of it counts as deleted"),
        error.remedy(),
    )
}
