//! What follows from the state, whatever the event was: start a run, look for a root, end, arm the timer.

use std::collections::BTreeMap;
use std::time::Duration;

use super::machine::{Engine, Mode};
use super::requests::Request;
use super::root::Root;
use super::run::Running;
use super::{Effect, Now, Progress, RootPlan};
use crate::status::{BackupAnswer, RunReason};

impl Engine {
    pub(super) fn go_on(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if let Mode::Paused { until: Some(until) } = self.mode
            && now.mono >= until
        {
            self.resume();
        }
        if self.mode == Mode::Stopping && self.run.is_none() {
            self.mode = Mode::Ended;
            effects.push(Effect::Exit);
        }
        for request in self.requests.take_looked(now.mono) {
            self.queue(request, effects);
        }
        if self.mode == Mode::Watching {
            let due = self.roots.values_mut().filter_map(|root| root.probe(now).then(|| root.id().clone()));
            effects.extend(due.map(Effect::ProbeRoot));
            self.start_run(now, effects);
        }
        self.arm_timer(now, effects);
    }

    fn start_run(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.run.is_some() || !self.is_run_due(now) {
            return;
        }
        let roots: Vec<RootPlan> = self.roots.values().filter_map(|root| self.plan(root, now)).collect();
        let away = self.unavailable().map(|(root, problem)| (root.clone(), vec![problem.clone()])).collect();
        let serves = self.requests.take();
        if roots.is_empty() {
            return self.refuse(serves, effects);
        }
        let reason = self.reason(&serves, &roots);
        effects.push(Effect::StartRun { reason, roots: roots.clone() });
        let (cut, cancelled, progress) = (None, false, Progress::default());
        let (started, taken) = (now.wall, BTreeMap::new());
        self.run = Some(Running { reason, roots, away, started, cut, taken, serves, progress, cancelled });
    }

    /// Somebody asks, or something is due and no setback holds it back.
    fn is_run_due(&self, now: Now) -> bool {
        let waits = self.setback.as_ref().is_some_and(|setback| setback.retry_at > now.mono);
        let due = |root: &Root| root.due(&self.settings.run, now).is_some_and(|due| due <= now.mono);
        !self.requests.is_empty() || !waits && self.roots.values().any(due)
    }

    /// Every asked root has gone since the request came.
    fn refuse(&self, requests: Vec<Request>, effects: &mut Vec<Effect>) {
        effects.extend(requests.into_iter().filter_map(|request| {
            let answer = self.none_there(&request).unwrap_or(BackupAnswer::Busy);
            request.answer(answer)
        }));
    }

    /// Once a run starts it takes along every root that has anything to do.
    fn plan(&self, root: &Root, now: Now) -> Option<RootPlan> {
        let asked = self.requests.wants(root.id());
        let audit = root.audit_due(&self.settings.run, now) <= now.mono;
        let anything = asked.is_some() || audit || !root.pending.is_empty();
        let full = audit || asked == Some(true) || root.is_new();
        (anything && root.unavailable.is_none()).then(|| RootPlan { root: root.id().clone(), full })
    }

    fn reason(&self, serves: &[Request], plans: &[RootPlan]) -> RunReason {
        if !serves.is_empty() {
            RunReason::Requested
        } else if plans.iter().any(|plan| self.roots[&plan.root].is_new()) {
            RunReason::First
        } else if plans.iter().any(|plan| plan.full) {
            RunReason::Audit
        } else {
            RunReason::Changes
        }
    }

    fn arm_timer(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let next = self.next_timer(now);
        if next != self.armed {
            self.armed = next;
            effects.extend(next.map(Effect::ArmTimer));
        }
    }

    fn next_timer(&self, now: Now) -> Option<Duration> {
        match self.mode {
            Mode::Starting | Mode::Stopping | Mode::Ended => return None,
            Mode::Paused { until } => return until,
            Mode::Watching => {}
        }
        let barrier = self.setback.as_ref().map_or(Duration::ZERO, |setback| setback.retry_at);
        let idle = self.run.is_none();
        let work = self.roots.values().filter(|_| idle).filter_map(|root| root.due(&self.settings.run, now));
        let probes = self.roots.values().filter_map(Root::probe_at);
        work.map(|due| due.max(barrier)).chain(probes).chain(self.requests.look_ends()).min()
    }
}
