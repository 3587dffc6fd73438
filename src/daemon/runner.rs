//! The thread that executes runs, one at a time, each reported once.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::costs;
use super::error::DaemonError;
use super::identity::{RootCheck, RootMemory, check_root, guard_hints, guard_root, remember_root};
use super::memory::forget_unstored;
use super::message::Message;
use super::watching::Watching;
use crate::backup::{self, Backup, BackupOptions, MergedPacks, RootReport, RootScope, RunError, RunReport, RunRequest};
use crate::clock::{Clock, Monotonic};
use crate::config::exclude::Rules;
use crate::config::{Config, RootConfig};
use crate::cost::PriceFiles;
use crate::crypto::MachineKeys;
use crate::engine::{Covered, Cut, Event, Outcome, Progress, RootPlan, RootResult};
use crate::journal::{Journal, JournalError};
use crate::model::{Problem, ProblemCode, RootId, with_causes};
use crate::repo::RepoError;
use crate::status::{Count, Phase, merge_line};
use crate::store::{Limiter, RetryPolicy, Store, StoreUrl};
use crate::upload::UploadError;

const REPORT_EVERY: Duration = Duration::from_millis(500);
/// Full comparisons may come more often.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// Short: the engine tries again later, and a stop must not wait long.
const RETRY: RetryPolicy =
    RetryPolicy { tries: 4, first_delay: Duration::from_millis(250), max_delay: Duration::from_secs(2) };

/// What runs work with; does not change while the agent lives.
pub(super) struct Setup {
    pub(super) config: Config,
    /// As the roots of the configuration.
    pub(super) rules: Vec<Rules>,
    pub(super) url: StoreUrl,
    pub(super) state_dir: PathBuf,
    pub(super) own_dirs: Vec<PathBuf>,
    pub(super) price_files: PriceFiles,
    pub(super) keys: MachineKeys,
    /// The configuration as it was read.
    pub(super) config_text: String,
    pub(super) journal: Journal,
    pub(super) clock: Clock,
    pub(super) limiter: Limiter,
}

/// The owner's handle; dropping it ends the thread after its run.
pub(super) struct Runner {
    jobs: Option<Sender<Vec<RootPlan>>>,
    cancel: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Runner {
    pub(super) fn start(
        setup: Arc<Setup>,
        watching: Arc<Watching>,
        owner: Sender<Message>,
    ) -> Result<Self, DaemonError> {
        let (jobs, received) = mpsc::channel::<Vec<RootPlan>>();
        let cancel = setup.limiter.stop().clone();
        let worker = Worker { setup, watching, owner, cancel: cancel.clone(), looked: Mutex::default() };
        let work = move || received.into_iter().for_each(|plans| worker.execute(&plans));
        let thread = std::thread::Builder::new().name("run".into()).spawn(work).map_err(DaemonError::Thread)?;
        Ok(Self { jobs: Some(jobs), cancel, thread: Some(thread) })
    }

    /// Its end is told by [`Event::RunFinished`].
    pub(super) fn run(&self, plans: Vec<RootPlan>) -> Result<(), DaemonError> {
        self.cancel.store(false, Ordering::SeqCst);
        let jobs = self.jobs.as_ref().ok_or(DaemonError::Broken)?;
        jobs.send(plans).map_err(|_| DaemonError::Broken)
    }

    /// Nothing new is sent, so that the run ends soon.
    pub(super) fn cancel(&self) {
        self.cancel.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.cancel();
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the runs has panicked");
        }
    }
}

struct Worker {
    setup: Arc<Setup>,
    watching: Arc<Watching>,
    owner: Sender<Message>,
    cancel: Arc<AtomicBool>,
    /// At the target, last.
    looked: Mutex<Option<Monotonic>>,
}

impl Worker {
    fn execute(&self, plans: &[RootPlan]) {
        let billed_before = costs::last_billed(&self.setup);
        let safe_before = self.setup.safe_roots();
        let outcome = self.try_run(plans).unwrap_or_else(|error| failed(&error));
        self.tell_lost(&safe_before, &outcome);
        if let Some(text) = costs::since(&self.setup, billed_before) {
            tracing::info!(cost = text, "a run is over");
            self.tell(Event::RunCost { text });
        }
        self.tell(Event::RunFinished(outcome));
    }

    /// A run that finds out that the target has lost something takes the recovery points of all roots out of the journal. It makes good
    /// only those that it stores itself.
    fn tell_lost(&self, safe_before: &[RootId], outcome: &Outcome) {
        let still_safe = self.setup.safe_roots();
        let is_stored = |root: &RootId| match outcome {
            Outcome::Done { roots, .. } => roots.iter().any(|done| done.root == *root && done.result.is_ok()),
            _ => false,
        };
        for root in safe_before.iter().filter(|root| !still_safe.contains(root) && !is_stored(root)) {
            self.tell(Event::StoredLost { root: root.clone() });
        }
    }

    fn try_run(&self, plans: &[RootPlan]) -> Result<Outcome, RunError> {
        if plans.iter().any(|plan| plan.full) {
            self.watching.recheck_missing();
        }
        self.take_cut(plans);
        let mut request = RunRequest {
            roots: Vec::new(),
            partial_every: self.setup.config.run.partial_every,
            own_dirs: self.setup.own_dirs.clone(),
        };
        let mut results = Vec::new();
        let mut identities = Vec::new();
        for plan in plans {
            match self.prepare(plan)? {
                Ok((root, identity)) => {
                    request.roots.push(root);
                    identities.push((plan.root.clone(), identity));
                }
                Err(problem) => results.push(RootResult { root: plan.root.clone(), result: Err(problem) }),
            }
        }
        if request.roots.is_empty() {
            return Ok(Outcome::Done { snapshot: None, roots: results, problems: Vec::new() });
        }
        let report = self.back_up(&request)?;
        self.tell_arena(&report);
        results.extend(self.results(&report, identities)?);
        let (snapshot, problems) = (report.snapshot.map(|snapshot| snapshot.seq), of_run(&report));
        Ok(Outcome::Done { snapshot, roots: results, problems })
    }

    /// Before anything is read: what the watcher saw until now is the run's to store.
    fn take_cut(&self, plans: &[RootPlan]) {
        let at = self.setup.clock.wall();
        self.watching.look_at_roots();
        let point = self.watching.sync();
        if !point.complete {
            for plan in plans.iter().filter(|plan| !plan.full) {
                self.tell(Event::Doubt { root: plan.root.clone() });
            }
        }
        self.tell(Event::CutTaken(Cut { newest: point.newest, at }));
    }

    /// The inner `Err`: the root must not be read now.
    fn prepare(&self, plan: &RootPlan) -> Result<Result<(backup::RootPlan, String), Problem>, JournalError> {
        let setup = &self.setup;
        let Some((root, rules)) = setup.root(&plan.root) else {
            let text = "the root is not in the configuration";
            return Ok(Err(Problem::new(ProblemCode::RunFailed, b"", text, "Restart the agent.")));
        };
        let memory = setup.memory(&root.id);
        let (identity, full) = match check_root(&root.path, Some(&memory))? {
            RootCheck::Doubtful(problem) => return Ok(Err(problem)),
            RootCheck::Same(identity) => (identity, plan.full),
            RootCheck::Exchanged(identity) => {
                if !plan.full {
                    // the watcher did not tell: who knows what else it has missed
                    self.tell(Event::Doubt { root: root.id.clone() });
                }
                (identity, true)
            }
        };
        let guard = guard_root(&root.path, Some(memory));
        let (scope, guard) = match full {
            true => (RootScope::Full, guard),
            false => (RootScope::Hints, guard_hints(&root.path, guard, identity.clone())),
        };
        let (id, path, rules, class) = (root.id.to_string(), root.path.clone(), rules.clone(), root.class);
        Ok(Ok((backup::RootPlan { id, path, rules, scope, class, guard: Some(guard) }, identity)))
    }

    /// The repository is opened for each run: that completes what an earlier one left, notices before anything is sent
    /// that the target is not the same any more, and lets its disk be unmounted in between.
    fn back_up(&self, request: &RunRequest) -> Result<RunReport, RunError> {
        let mut backup = self.setup.open()?;
        self.look_at_target(&mut backup, request)?;
        forget_unstored(&self.setup.journal, &self.setup.keys, &self.setup.config)?;
        let progress = backup::Progress::default();
        let (end, ended) = mpsc::channel::<()>();
        let over = AtomicBool::new(false);
        let shown = &progress;
        std::thread::scope(|scope| {
            scope.spawn(move || self.report(shown, &ended));
            if backup.is_first(request) {
                scope.spawn(|| backup.count(request, shown, &over));
            }
            let report = backup.run(request, &progress, &self.cancel);
            drop(end);
            over.store(true, Ordering::Relaxed);
            report
        })
    }

    /// Where nothing changes nothing is sent, and nobody would hear that a bucket was emptied, while each full comparison says that
    /// everything is safe.
    fn look_at_target(&self, backup: &mut Backup, request: &RunRequest) -> Result<(), RunError> {
        let now = self.setup.clock.monotonic();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = request.roots.iter().any(|root| root.scope == RootScope::Full);
        if is_look_due(*looked, now, is_full) {
            backup.look_at_target()?;
            *looked = Some(now);
        }
        Ok(())
    }

    /// Tells how far the run is until it has ended.
    fn report(&self, progress: &backup::Progress, ended: &mpsc::Receiver<()>) {
        let started = self.setup.clock.monotonic();
        let mut head = self.setup.journal.head().ok().flatten();
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(REPORT_EVERY) {
            self.tell(Event::RunProgress(self.now(progress, started)));
            let now = self.setup.journal.head().ok().flatten();
            // the last snapshot of a run is told by its end
            if let Some((seq, _)) = now.filter(|now| Some(now) != head.as_ref())
                && progress.phase() == backup::Phase::Scanning
            {
                self.tell(Event::PartialStored { seq });
                head = now;
            }
        }
    }

    fn now(&self, progress: &backup::Progress, started: Monotonic) -> Progress {
        let (entries, bytes) = progress.done();
        let seconds = self.setup.clock.monotonic().since(started).as_secs();
        let total = progress.total();
        let phase = match progress.phase() {
            backup::Phase::Starting => Phase::Freezing,
            backup::Phase::Scanning => Phase::Storing,
            backup::Phase::Committing | backup::Phase::Done => Phase::Committing,
        };
        Progress {
            phase,
            entries: Count { done: entries, total: total.map(|(entries, _)| entries) },
            bytes: Count { done: bytes, total: total.map(|(_, bytes)| bytes) },
            // what was there before says nothing of how fast it goes
            bytes_per_second: progress.stored().checked_div(seconds),
        }
    }

    fn results(&self, report: &RunReport, identities: Vec<(RootId, String)>) -> Result<Vec<RootResult>, JournalError> {
        let mut results = Vec::new();
        for (root, identity) in identities {
            let result = match report.roots.iter().find(|found| found.id == root.as_str()) {
                Some(found) => {
                    remember_root(&self.setup.journal, root.as_str(), &identity)?;
                    self.tell_look_again(&root, found.look_again);
                    Ok(covered(found))
                }
                None => Err(self.setup.gone(&root, report)),
            };
            results.push(RootResult { root, result });
        }
        Ok(results)
    }

    fn tell_arena(&self, report: &RunReport) {
        let waiting = costs::arena(&self.setup);
        let line = |merged: &MergedPacks| merge_line(merged.packs, merged.bytes, merged.class);
        let merged: Vec<String> = report.merged.iter().map(line).collect();
        let merged = (!merged.is_empty()).then(|| merged.join("; "));
        self.tell(Event::Arena { waiting, merged });
    }

    /// What could not be read as one state waits for the next run: the engine hears of it before it hears that this one
    /// is over.
    fn tell_look_again(&self, root: &RootId, count: u64) {
        if count > 0 {
            let newest = self.watching.stored_by_run(count);
            self.tell(Event::HintsStored { root: root.clone(), count, newest });
        }
    }

    fn tell(&self, event: Event) {
        // without an owner the agent is ending
        let _ = self.owner.send(Message::Event(event));
    }
}

impl Setup {
    pub(super) fn root(&self, id: &RootId) -> Option<(&RootConfig, &Rules)> {
        self.config.roots.iter().zip(&self.rules).find(|(root, _)| root.id == *id)
    }

    fn open(&self) -> Result<Backup, RunError> {
        let store = Store::open_limited(&self.url, &self.limiter).map_err(RepoError::Store)?;
        let store = store.retrying(RETRY, self.clock.clone());
        let (run, merge) = (&self.config.run, self.config.archive.merge);
        let (level, freeze_limit) = (run.level, run.freeze_limit);
        let options = BackupOptions { level, freeze_limit, merge, ..BackupOptions::default() };
        let (journal, keys) = (self.journal.clone(), self.keys.clone());
        let opened = Backup::with_journal(journal, &self.state_dir, store, keys, self.clock.clone(), options);
        let (backup, recovered) = opened?;
        tracing::debug!(?recovered, "the repository is open");
        Ok(backup.with_config(self.config_text.clone()))
    }

    /// Roots that have a recovery point.
    fn safe_roots(&self) -> Vec<RootId> {
        let is_safe = |id: &RootId| {
            let state = self.journal.root_state(id.as_str());
            state.is_ok_and(|state| state.recovery_point_ms.is_some())
        };
        self.config.roots.iter().map(|root| root.id.clone()).filter(is_safe).collect()
    }

    pub(super) fn memory(&self, root: &RootId) -> RootMemory {
        RootMemory::new(&self.journal, &self.keys, root)
    }

    /// Why the run could not read this root.
    fn gone(&self, id: &RootId, report: &RunReport) -> Problem {
        let path = self.root(id).map(|(root, _)| root.path.to_string_lossy().into_owned()).unwrap_or_default();
        let told = report.problems.iter().find(|p| p.code == ProblemCode::RootUnavailable && p.path == path);
        told.cloned().unwrap_or_else(|| {
            let (text, remedy) = ("the folder could not be read", "mount it or bring it back");
            Problem::new(ProblemCode::RootUnavailable, path.as_bytes(), text, remedy)
        })
    }
}

/// Problems of no root: roots that could not be read bear theirs themselves.
fn of_run(report: &RunReport) -> Vec<Problem> {
    let of_roots = |problem: &Problem| report.roots.iter().any(|root| root.problems.contains(problem));
    let own =
        report.problems.iter().filter(|problem| problem.code != ProblemCode::RootUnavailable && !of_roots(problem));
    own.cloned().collect()
}

fn covered(report: &RootReport) -> Covered {
    Covered {
        entries: report.entries,
        bytes: report.bytes,
        missed_by_watcher: report.missed_by_watcher,
        problems: report.problems.clone(),
    }
}

/// An outage of the target is told apart from everything else.
fn failed(error: &RunError) -> Outcome {
    let (message, remedy) = (with_causes(error), error.remedy().to_owned());
    match error {
        // the next run goes on at once
        error if error.is_stopped() => Outcome::Cancelled,
        RunError::FreezeTooOld { .. } => Outcome::Cancelled,
        error if is_gone(error) => Outcome::RepositoryGone { message, remedy },
        RunError::Upload(UploadError::Target { .. }) => Outcome::TargetFailed { message, remedy },
        RunError::Repository(error) if is_of_target(error) => Outcome::TargetFailed { message, remedy },
        _ => run_failed(message, remedy),
    }
}

/// The target has answered, and knows of no repository or bucket. (A disk that is not mounted says no more than that; nothing is known
/// to be safe then either.)
fn is_gone(error: &RunError) -> bool {
    match error {
        RunError::Upload(UploadError::Target { source, .. }) => source.is_no_bucket(),
        RunError::Repository(RepoError::NoRepository { .. } | RepoError::Hidden { .. }) => true,
        RunError::Repository(RepoError::Store(error)) => error.is_no_bucket(),
        _ => false,
    }
}

/// A disk that is not mounted shows an empty directory, which holds no repository.
fn is_of_target(error: &RepoError) -> bool {
    let of_upload = |error: &UploadError| matches!(error, UploadError::Target { .. });
    match error {
        RepoError::Store(_) | RepoError::NoRepository { .. } | RepoError::Hidden { .. } => true,
        RepoError::Upload(error) => of_upload(error),
        _ => false,
    }
}

fn run_failed(message: String, remedy: String) -> Outcome {
    Outcome::Failed(Problem::new(ProblemCode::RunFailed, b"", message, remedy))
}

/// Is the target looked at though there may be nothing to send? When the agent starts, and from then on with full comparisons.
fn is_look_due(looked: Option<Monotonic>, now: Monotonic, is_full: bool) -> bool {
    looked.is_none_or(|looked| is_full && now.since(looked) >= LOOK_EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_looked_at_when_the_agent_starts_and_with_full_comparisons_but_not_with_each() {
        let start = Clock::system().monotonic();
        assert!(is_look_due(None, start, false));
        assert!(!is_look_due(Some(start), start + Duration::from_secs(3599), true));
        assert!(is_look_due(Some(start), start + Duration::from_secs(3600), true));
        assert!(!is_look_due(Some(start), start + Duration::from_secs(36_000), false));
    }
}
