//! The engine's state as the status that people and programs see.

use std::time::Duration;

use super::Now;
use super::backoff::SetbackKind;
use super::machine::{Engine, Mode};
use super::root::Root;
use crate::model::{Problem, Timestamp};
use crate::status::{Agent, RootState, RootStatus, Status, Target};

/// More problems than a person reads are counted.
const MAX_PROBLEMS: usize = 100;

impl Engine {
    pub fn status(&self, now: Now) -> Status {
        let mut problems = self.problems();
        let beyond = problems.len().saturating_sub(MAX_PROBLEMS) as u64;
        problems.truncate(MAX_PROBLEMS);
        Status {
            version: self.settings.version.clone(),
            time: now.wall,
            agent: self.agent(now),
            repository: self.settings.repository.clone(),
            target: self.target(now),
            limits: self.limits,
            roots: self.roots.values().map(|root| self.root_status(root, now)).collect(),
            last_run_cost: self.last_run_cost.clone(),
            arena: self.arena.clone(),
            last_merge: self.last_merge.clone(),
            run: self.run.as_ref().map(|run| run.status()),
            problems,
            more_problems: beyond + self.roots.values().map(|root| root.more_problems).sum::<u64>(),
        }
    }

    /// Most urgent first: the target, runs as a whole, roots that are gone, doubts, single files.
    fn problems(&self) -> Vec<Problem> {
        let roots = || self.roots.values();
        let setback = self.setback.iter().map(|setback| setback.problem.clone());
        let gone = roots().filter_map(|root| root.unavailable.clone());
        let doubts = roots().filter_map(Root::coverage_problem);
        setback
            .chain(self.config_problem.iter().cloned())
            .chain(self.run_problems.iter().cloned())
            .chain(gone)
            .chain(doubts)
            .chain(roots().flat_map(|root| root.problems.clone()))
            .collect()
    }

    fn agent(&self, now: Now) -> Agent {
        match self.mode {
            Mode::Starting => Agent::Starting,
            Mode::Watching => Agent::Watching,
            Mode::Paused { until } => Agent::Paused { until: until.map(|until| now.wall_at(until)) },
            Mode::Stopping | Mode::Ended => Agent::Stopping,
        }
    }

    fn target(&self, now: Now) -> Target {
        match (&self.setback, self.target_up) {
            (Some(setback), _) if setback.kind == SetbackKind::Target => Target::Down {
                since: setback.since,
                next_try: (setback.retry_at > now.mono).then(|| now.wall_at(setback.retry_at)),
                message: setback.problem.message.clone(),
                gone: setback.is_gone,
            },
            (_, Some(true)) => Target::Up,
            _ => Target::Unknown,
        }
    }

    fn root_status(&self, root: &Root, now: Now) -> RootStatus {
        let known = &root.known;
        let running = self.run.as_ref().is_some_and(|run| run.works_on(root.id()));
        RootStatus {
            id: known.id.clone(),
            path: known.path.clone(),
            state: self.root_state(root, running, now),
            // after the clock was set back: nothing is promised for times that have not come
            recovery_point: known.recovery_point.map(|point| point.min(now.wall)),
            up_to_date: root.is_up_to_date() && !running,
            coverage: root.coverage.clone(),
            pending_hints: root.pending.count(),
            last_snapshot: known.last_snapshot.clone(),
            last_audit: known.last_audit,
            entries: known.entries,
            bytes: known.bytes,
            missed_by_watcher: root.missed_by_watcher,
            missed_by_last_audit: known.missed_by_last_audit,
        }
    }

    fn root_state(&self, root: &Root, running: bool, now: Now) -> RootState {
        if let Some(problem) = &root.unavailable {
            return RootState::Unavailable { message: problem.message.clone() };
        }
        match (self.mode, root.pending.due(self.settings.run.settle, self.settings.run.max_delay)) {
            _ if running => RootState::Running,
            (Mode::Paused { .. }, _) => RootState::Paused,
            (_, Some(due)) if due > now.mono => RootState::Settling { until: self.settled_at(due, now) },
            (_, Some(_)) => RootState::Queued,
            (_, None) if root.audit_due(&self.settings.run, now) <= now.mono => RootState::Queued,
            (_, None) => RootState::Idle,
        }
    }

    fn settled_at(&self, due: Duration, now: Now) -> Timestamp {
        let barrier = self.setback.as_ref().map_or(Duration::ZERO, |setback| setback.retry_at);
        now.wall_at(due.max(barrier))
    }
}
