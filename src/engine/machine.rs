//! The state machine. [`Engine::apply`] first takes the event in, then decides what follows from the whole state, so
//! that no event needs to know what the others left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::backoff::{Jitter, Setback};
use super::requests::{Request, Requests};
use super::root::{KnownRoot, Root};
use super::run::Running;
use super::{Effect, Event, Now, WaitId};
use crate::config::RunConfig;
use crate::model::{Problem, RootId, Timestamp};
use crate::status::{ArenaUsage, BackupAnswer, Limits};

/// A request waits no longer for the answer whether a root is back.
const LOOK_AT_MOST: Duration = Duration::from_secs(5);

/// What does not change while the agent runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// For the status.
    pub version: String,
    pub repository: String,
    pub run: RunConfig,
    /// Spreads retries; any number.
    pub seed: u64,
}

#[derive(Debug)]
pub struct Engine {
    pub(super) settings: Settings,
    pub(super) roots: BTreeMap<RootId, Root>,
    pub(super) run: Option<Running>,
    pub(super) mode: Mode,
    /// The watcher is armed.
    started: bool,
    pub(super) setback: Option<Setback>,
    /// Of runs that ended well, and of no root: as the last run told them, but for what is told only once, which stays until a
    /// full comparison has ended since.
    pub(super) run_problems: Vec<Problem>,
    /// Of the configuration; only shown.
    pub(super) config_problem: Option<Problem>,
    /// `None` until the target was used.
    pub(super) target_up: Option<bool>,
    /// Only shown.
    pub(super) limits: Limits,
    /// Of the last run that cost anything.
    pub(super) last_run_cost: Option<String>,
    /// Only shown, as what was merged last.
    pub(super) arena: Vec<ArenaUsage>,
    pub(super) last_merge: Option<String>,
    pub(super) requests: Requests,
    pub(super) jitter: Jitter,
    pub(super) armed: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Starting,
    Watching,
    Paused {
        /// Of the monotonic clock.
        until: Option<Duration>,
    },
    Stopping,
    /// `Exit` was said.
    Ended,
}

impl Engine {
    pub fn new(settings: Settings, roots: Vec<KnownRoot>, now: Now) -> Self {
        let roots = roots.into_iter().map(|known| (known.id.clone(), Root::new(known, now)));
        Self {
            jitter: Jitter(settings.seed),
            settings,
            roots: roots.collect(),
            run: None,
            mode: Mode::Starting,
            started: false,
            setback: None,
            run_problems: Vec::new(),
            config_problem: None,
            target_up: None,
            limits: Limits::default(),
            last_run_cost: None,
            arena: Vec::new(),
            last_merge: None,
            requests: Requests::default(),
            armed: None,
        }
    }

    /// Events of roots that are not known any more change nothing.
    pub fn apply(&mut self, event: Event, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        let quiet = event == Event::Tick;
        self.see_clock(now.wall);
        self.take_in(event, now, &mut effects);
        self.go_on(now, &mut effects);
        if !quiet || !effects.is_empty() {
            effects.push(Effect::PublishStatus);
        }
        effects
    }

    fn take_in(&mut self, event: Event, now: Now, effects: &mut Vec<Effect>) {
        match event {
            Event::Started => self.started(),
            Event::HintsStored { root, count, newest } => {
                self.with_root(&root, |r| r.pending.add(count, newest, now.mono));
            }
            Event::Doubt { root } => self.with_root(&root, Root::doubt),
            Event::Config(problem) => self.config_problem = problem,
            Event::HintsLost { root } => self.with_root(&root, Root::lose_hints),
            Event::StoredLost { root } => self.with_root(&root, Root::lose_stored),
            Event::Coverage { root, coverage } => self.with_root(&root, |r| r.set_coverage(coverage)),
            Event::RootUnavailable { root, problem } => {
                self.with_root(&root, |r| r.lose(problem, now));
                self.requests.looked(&root);
            }
            Event::RootAvailable { root } => {
                self.with_root(&root, Root::find);
                self.requests.looked(&root);
            }
            Event::CutTaken(cut) => self.cut_taken(cut),
            Event::RunProgress(progress) => self.progress(progress),
            Event::PartialStored { seq } => self.partial_stored(seq, now.wall),
            Event::RunCost { text } => self.last_run_cost = Some(text),
            Event::Arena { waiting, merged } => {
                self.arena = waiting;
                self.last_merge = merged.or_else(|| self.last_merge.take());
            }
            Event::RunFinished(outcome) => self.run_finished(outcome, now, effects),
            Event::TargetDown { message, remedy } => self.target_failed(message, remedy, now),
            Event::TargetUp => self.target_up(),
            Event::Limits(limits) => self.limits = limits,
            Event::BackupRequested { roots, full, wait } => {
                self.requested(roots, full, wait, now, effects);
            }
            Event::Pause { length } => self.pause(length.map(|length| now.mono.saturating_add(length)), effects),
            Event::Resume => self.resume(),
            Event::Tick => self.armed = None,
            Event::Stop => self.stop(effects),
        }
    }

    /// When the clock was set back, changes to come carry times that a later recovery point would promise.
    fn see_clock(&mut self, wall: Timestamp) {
        self.roots.values_mut().for_each(|root| root.lower_recovery_point(wall));
        if let Some(cut) = self.run.as_mut().and_then(|run| run.cut.as_mut()) {
            cut.at = cut.at.min(wall);
        }
    }

    fn started(&mut self) {
        self.started = true;
        if self.mode == Mode::Starting {
            self.mode = Mode::Watching;
        }
    }

    pub(super) fn with_root(&mut self, root: &RootId, change: impl FnOnce(&mut Root)) {
        if let Some(root) = self.roots.get_mut(root) {
            change(root);
        }
    }

    fn requested(&mut self, roots: Vec<RootId>, full: bool, wait: Option<WaitId>, now: Now, effects: &mut Vec<Effect>) {
        let unknown = roots.iter().find(|root| !self.roots.contains_key(root)).cloned();
        let roots = if roots.is_empty() { self.roots.keys().cloned().collect() } else { roots };
        let request = Request { roots, full, wait };
        match unknown {
            Some(root) => effects.extend(request.answer(BackupAnswer::UnknownRoot { root })),
            None => self.look_first(request, now, effects),
        }
    }

    /// What was away may be back.
    fn look_first(&mut self, request: Request, now: Now, effects: &mut Vec<Effect>) {
        let away = |id: &&RootId| self.roots.get(*id).is_some_and(|root| root.unavailable.is_some());
        let away: BTreeSet<RootId> = request.roots.iter().filter(away).cloned().collect();
        if away.is_empty() || !matches!(self.mode, Mode::Starting | Mode::Watching) {
            return self.queue(request, effects);
        }
        let unseen = away.iter().filter(|root| !self.requests.is_looking_for(root));
        effects.extend(unseen.cloned().map(Effect::ProbeRoot));
        if let Err(request) = self.requests.look(request, away, now.mono.saturating_add(LOOK_AT_MOST)) {
            effects.extend(request.answer(BackupAnswer::Busy));
        }
    }

    pub(super) fn queue(&mut self, request: Request, effects: &mut Vec<Effect>) {
        let refusal = match self.mode {
            Mode::Stopping | Mode::Ended => Some(BackupAnswer::Stopping),
            Mode::Paused { .. } => Some(BackupAnswer::Paused),
            Mode::Starting | Mode::Watching => self.none_there(&request),
        };
        match refusal {
            Some(answer) => effects.extend(request.answer(answer)),
            None => {
                if let Err(request) = self.requests.push(request) {
                    effects.extend(request.answer(BackupAnswer::Busy));
                }
            }
        }
    }

    /// A request for roots of which none can be read is over at once.
    pub(super) fn none_there(&self, request: &Request) -> Option<BackupAnswer> {
        let mut problem = None;
        for root in &request.roots {
            problem = Some(self.roots.get(root)?.unavailable.clone()?);
        }
        problem.map(|problem| BackupAnswer::Failed { problem })
    }

    fn pause(&mut self, until: Option<Duration>, effects: &mut Vec<Effect>) {
        if matches!(self.mode, Mode::Stopping | Mode::Ended) {
            return;
        }
        self.mode = Mode::Paused { until };
        self.drop_work(BackupAnswer::Paused, effects);
    }

    pub(super) fn resume(&mut self) {
        if let Mode::Paused { .. } = self.mode {
            self.mode = if self.started { Mode::Watching } else { Mode::Starting };
        }
    }

    fn stop(&mut self, effects: &mut Vec<Effect>) {
        if matches!(self.mode, Mode::Stopping | Mode::Ended) {
            return;
        }
        self.mode = Mode::Stopping;
        self.drop_work(BackupAnswer::Stopping, effects);
    }

    /// Whoever waits hears why; the run is asked to end.
    fn drop_work(&mut self, answer: BackupAnswer, effects: &mut Vec<Effect>) {
        let mut over = self.requests.take_all();
        if let Some(run) = &mut self.run {
            over.append(&mut run.serves);
            if !run.cancelled {
                run.cancelled = true;
                effects.push(Effect::CancelRun);
            }
        }
        effects.extend(over.into_iter().filter_map(|request| request.answer(answer.clone())));
    }
}
