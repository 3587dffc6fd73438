//! What a run reports, booked: its cut, its progress, its end; and how the target fares.

use super::backoff::{self, Setback, SetbackKind};
use super::machine::Engine;
use super::requests::Request;
use super::run::{Running, answer_done};
use super::{Covered, Cut, Effect, Now, Outcome, Progress, RootResult};
use crate::model::{Problem, ProblemCode, RootId, Seq, Timestamp};
use crate::status::{BackupAnswer, SnapshotStatus};

impl Engine {
    pub(super) fn cut_taken(&mut self, cut: Cut) {
        let Some(run) = &mut self.run else { return };
        run.cut = Some(cut);
        for plan in &run.roots {
            if let Some(root) = self.roots.get_mut(&plan.root) {
                let taken = root.cut(cut);
                if let Some(before) = run.taken.insert(plan.root.clone(), taken) {
                    // a second cut in one run: what the first took is still the run's to store or to give back
                    root.pending.give_back(before.pending);
                }
            }
        }
    }

    pub(super) fn progress(&mut self, progress: Progress) {
        if let Some(run) = &mut self.run {
            run.progress = progress;
        }
    }

    pub(super) fn partial_stored(&mut self, seq: Seq, time: Timestamp) {
        let Some(run) = &self.run else { return };
        self.target_up = Some(true);
        for plan in &run.roots {
            if let Some(root) = self.roots.get_mut(&plan.root) {
                root.known.last_snapshot = Some(SnapshotStatus { seq, time, partial: true });
            }
        }
    }

    pub(super) fn run_finished(&mut self, outcome: Outcome, now: Now, effects: &mut Vec<Effect>) {
        let Some(mut run) = self.run.take() else { return };
        let serves = std::mem::take(&mut run.serves);
        match outcome {
            Outcome::Done { snapshot, roots, problems } => {
                let found = self.done(&mut run, snapshot, roots, now);
                let full = run.roots.iter().any(|plan| plan.full);
                self.keep_run_problems(full, &problems);
                effects.extend(serves.into_iter().filter_map(|request| {
                    let answer = answer_done(&request, snapshot, &found, &problems);
                    request.answer(answer)
                }));
            }
            // only a pause or a stop cancels, and both have answered; should it happen by itself, ask again
            Outcome::Cancelled => serves.into_iter().for_each(|request| self.queue(request, effects)),
            Outcome::TargetFailed { message, remedy } => {
                self.target_failed(message, remedy, now);
                self.answer_failed(serves, effects);
            }
            Outcome::RepositoryGone { message, remedy } => {
                self.target_failed(message, remedy, now);
                self.setback.iter_mut().for_each(|setback| setback.is_gone = true);
                self.answer_failed(serves, effects);
            }
            Outcome::Failed(problem) => {
                self.set_back(SetbackKind::Run, problem, now);
                self.answer_failed(serves, effects);
            }
        }
        for (root, taken) in std::mem::take(&mut run.taken) {
            self.with_root(&root, |root| root.pending.give_back(taken.pending));
        }
    }

    fn keep_run_problems(&mut self, full: bool, found: &[Problem]) {
        let old = std::mem::take(&mut self.run_problems);
        let is_another = |problem: &Problem| problem.code == ProblemCode::AnotherCopy;
        let before = old.iter().find(|old| is_another(old));
        let found: Vec<Problem> = found
            .iter()
            .map(|new| match before {
                Some(old) if is_another(new) && old != new => another_copy_again(new),
                _ => new.clone(),
            })
            .collect();
        let is_kept = |old: &Problem| match old.code {
            ProblemCode::WentBack => !found.contains(old),
            // one of a machine, however often it happens
            ProblemCode::AnotherCopy => !found.iter().any(is_another),
            _ => false,
        };
        self.run_problems = old.into_iter().filter(|old| !full && is_kept(old)).chain(found.iter().cloned()).collect();
    }

    /// Books what was stored; what stays in `run.taken` goes back to its root. Returns the problems by root.
    fn done(
        &mut self,
        run: &mut Running,
        snapshot: Option<Seq>,
        results: Vec<RootResult>,
        now: Now,
    ) -> Vec<(RootId, Vec<Problem>)> {
        if snapshot.is_some() {
            self.target_up();
        } else if let Some(setback) = self.setback.take_if(|setback| setback.kind == SetbackKind::Target) {
            // nothing was sent, so nothing is known of the target; but nothing waits for it either
            self.setback = Some(Setback { retry_at: now.mono, ..setback });
        } else {
            self.setback = None;
        }
        let mut found = std::mem::take(&mut run.away);
        for RootResult { root, result } in results {
            match result {
                Ok(covered) => {
                    found.push((root.clone(), covered.problems.clone()));
                    self.root_stored(run, &root, snapshot, covered, now);
                }
                Err(problem) => {
                    found.push((root.clone(), vec![problem.clone()]));
                    self.with_root(&root, |root| root.lose(problem, now));
                }
            }
        }
        found
    }

    fn root_stored(&mut self, run: &mut Running, id: &RootId, snapshot: Option<Seq>, covered: Covered, now: Now) {
        let full = run.roots.iter().any(|plan| plan.root == *id && plan.full);
        let pause = self.settings.run.max_delay;
        let (Some(root), Some(cut)) = (self.roots.get_mut(id), run.cut) else { return };
        let Some(taken) = run.taken.remove(id) else { return };
        root.stored(taken, cut, full, covered, pause, now);
        match (snapshot, &mut root.known.last_snapshot) {
            (Some(seq), last) => *last = Some(SnapshotStatus { seq, time: cut.at, partial: false }),
            // nothing had changed since: what was there is all
            (None, Some(last)) => last.partial = false,
            (None, None) => {}
        }
    }

    fn answer_failed(&mut self, serves: Vec<Request>, effects: &mut Vec<Effect>) {
        let Some(setback) = &self.setback else { return };
        let answer = BackupAnswer::Failed { problem: setback.problem.clone() };
        effects.extend(serves.into_iter().filter_map(|request| request.answer(answer.clone())));
    }

    pub(super) fn target_failed(&mut self, message: String, remedy: String, now: Now) {
        self.target_up = Some(false);
        let problem = Problem::new(ProblemCode::Target, self.settings.repository.as_bytes(), message, remedy);
        self.set_back(SetbackKind::Target, problem, now);
    }

    pub(super) fn target_up(&mut self) {
        self.target_up = Some(true);
        self.setback = None;
    }

    /// What keeps runs from succeeding, if anything does: the same from its first failure to its end.
    pub fn trouble(&self) -> Option<&Problem> {
        self.setback.as_ref().map(|setback| &setback.problem)
    }

    /// Roots that cannot be read, and why.
    pub fn unavailable(&self) -> impl Iterator<Item = (&RootId, &Problem)> {
        self.roots.values().filter_map(|root| Some((root.id(), root.unavailable.as_ref()?)))
    }

    fn set_back(&mut self, kind: SetbackKind, problem: Problem, now: Now) {
        let before = self.setback.take().filter(|before| before.kind == kind);
        let is_gone = before.as_ref().is_some_and(|before| before.is_gone);
        let (since, attempts) = before.map_or((now.wall, 1), |b| (b.since, b.attempts.saturating_add(1)));
        let retry_at = now.mono + backoff::delay(attempts, &mut self.jitter);
        self.setback = Some(Setback { kind, is_gone, since, attempts, retry_at, problem });
    }
}

/// A state directory that was brought back from a copy does that once.
fn another_copy_again(problem: &Problem) -> Problem {
    let message = format!("{}; it has happened before, so two computers use this machine's key", problem.message);
    let remedy = "stop one of them, and set it up anew with `rozenctl init --recovery FILE`".to_owned();
    Problem { message, remedy, ..problem.clone() }
}
