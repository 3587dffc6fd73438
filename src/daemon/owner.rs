//! The loop that owns the engine: one message at a time, effects carried out before the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::config_file::ConfigFile;
use super::error::DaemonError;
use super::identity::{RootCheck, check_root};
use super::message::Message;
use super::runner::{Runner, Setup};
use super::watching::Watching;
use super::{costs, coverage};
use super::{memory, service};
use crate::control::{Ask, Publisher, Reply, Wish};
use crate::cost;
use crate::engine::{Effect, Engine, Event, Now, Outcome, WaitId};
use crate::journal::JournalError;
use crate::model::{Problem, ProblemCode, Rates, RootId};
use crate::status::{Coverage, Limits, Usage};
use crate::watch::RootState;

/// While the watcher arms, and afterwards.
const LOOK_SOON: Duration = Duration::from_millis(100);
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Owner {
    pub(super) engine: Engine,
    pub(super) setup: Arc<Setup>,
    pub(super) watching: Arc<Watching>,
    pub(super) runner: Runner,
    pub(super) publisher: Publisher,
    pub(super) inbox: Receiver<Message>,
    /// For threads that answer later.
    pub(super) outbox: Sender<Message>,
    pub(super) waiting: BTreeMap<WaitId, Reply>,
    pub(super) next_wait: u64,
    /// When the engine wants a tick, in monotonic time.
    pub(super) armed: Option<Duration>,
    pub(super) next_look: Duration,
    pub(super) next_alive: Option<Duration>,
    pub(super) shown: BTreeMap<RootId, Coverage>,
    /// The trouble that was logged and has not ended.
    pub(super) trouble: Option<ProblemCode>,
    /// Roots whose loss was logged and that are not back.
    pub(super) away: BTreeSet<RootId>,
    pub(super) is_started: bool,
    pub(super) is_running: bool,
    pub(super) is_over: bool,
    /// That were told to the engine.
    pub(super) limits: Limits,
    pub(super) config_file: ConfigFile,
}

impl Owner {
    /// Until the engine says that nothing runs any more.
    pub(super) fn run(mut self) -> Result<(), DaemonError> {
        self.check_roots();
        self.look()?;
        while !self.is_over {
            let wait = self.next_deadline().saturating_sub(self.now().mono);
            match self.inbox.recv_timeout(wait) {
                Ok(Message::Event(event)) => self.apply(event)?,
                Ok(Message::Ask(ask)) => self.ask(ask)?,
                Ok(Message::LookAtCoverage) => self.look()?,
                Err(RecvTimeoutError::Timeout) => {}
                // we hold a sender ourselves
                Err(RecvTimeoutError::Disconnected) => return Err(DaemonError::Broken),
            }
            self.keep_time()?;
        }
        service::stopping();
        Ok(())
    }

    fn now(&self) -> Now {
        Now { mono: self.setup.clock.monotonic().0, wall: self.setup.clock.wall() }
    }

    fn next_deadline(&self) -> Duration {
        [self.armed, Some(self.next_look), self.next_alive].into_iter().flatten().min().unwrap_or(self.next_look)
    }

    fn keep_time(&mut self) -> Result<(), DaemonError> {
        let now = self.now().mono;
        if self.armed.is_some_and(|at| at <= now) {
            self.armed = None;
            self.apply(Event::Tick)?;
        }
        if self.next_look <= now {
            self.watching.look_at_roots();
            self.look()?;
        }
        if self.next_alive.is_some_and(|at| at <= now) {
            service::alive();
            self.next_alive = service::watchdog_period().map(|period| now + period);
        }
        if self.is_running && !self.runner.is_alive() {
            return Err(DaemonError::Broken);
        }
        Ok(())
    }

    fn apply(&mut self, event: Event) -> Result<(), DaemonError> {
        let finished = matches!(event, Event::RunFinished(_));
        if let Event::RunFinished(outcome) = &event {
            log_end(outcome);
        }
        let now = self.now();
        let effects = self.engine.apply(event, now);
        if finished {
            self.is_running = false;
            // folders that came with the changes are watched by now: the status tells both together
            self.next_look = now.mono;
            // before anything else happens: only the engine knows how far the recovery points go
            if let Err(error) = memory::keep(&self.setup.journal, &self.engine.status(now).roots) {
                // says less than is true after a restart; whatever is wrong with the journal, the next run tells
                tracing::error!(error = &error as &dyn std::error::Error, "what the status shows cannot be kept");
            }
        }
        self.log_trouble();
        self.log_away();
        effects.into_iter().try_for_each(|effect| self.carry_out(effect, now))
    }

    /// One line when it begins and one when it ends, however many runs it costs.
    fn log_trouble(&mut self) {
        let trouble = self.engine.trouble();
        match (self.trouble, trouble) {
            (None, None) => {}
            (Some(before), Some(now)) if before == now.code => {}
            (_, Some(now)) => {
                let (message, remedy) = (&now.message, &now.remedy);
                tracing::error!(message, remedy, "no backup is possible; it is tried again, and this is not repeated");
            }
            (Some(_), None) => tracing::info!("backups are possible again"),
        }
        self.trouble = trouble.map(|now| now.code);
    }

    /// One line when a root is lost and one when it is back.
    fn log_away(&mut self) {
        let away: BTreeSet<RootId> = self.engine.unavailable().map(|(root, _)| root.clone()).collect();
        for (root, Problem { path, message, remedy, .. }) in self.engine.unavailable() {
            if !self.away.contains(root) {
                tracing::warn!(%root, path, message, remedy, "a folder is lost; it is looked for, and this is not repeated");
            }
        }
        for root in self.away.difference(&away) {
            tracing::info!(%root, "a folder is back; it is compared in full");
        }
        self.away = away;
    }

    fn carry_out(&mut self, effect: Effect, now: Now) -> Result<(), DaemonError> {
        match effect {
            Effect::StartRun { reason, roots } => {
                match self.trouble {
                    None => tracing::info!(?reason, roots = roots.len(), "a run starts"),
                    Some(_) => tracing::debug!(?reason, roots = roots.len(), "a run starts"),
                }
                self.is_running = true;
                self.runner.run(roots)?;
            }
            Effect::CancelRun => self.runner.cancel(),
            Effect::ArmTimer(at) => self.armed = Some(at),
            Effect::ProbeRoot(root) => self.probe(root),
            Effect::PublishStatus => {
                let status = self.engine.status(now);
                service::status(&status);
                self.publisher.publish(&status);
            }
            Effect::Answer { wait, answer } => {
                if let Some(reply) = self.waiting.remove(&wait) {
                    reply.send(answer);
                }
            }
            Effect::Exit => self.is_over = true,
        }
        Ok(())
    }

    fn ask(&mut self, ask: Ask) -> Result<(), DaemonError> {
        let event = match ask {
            Ask::Backup { wish: Wish { mut roots, full, accept }, reply } => {
                let wait = reply.map(|reply| {
                    self.next_wait += 1;
                    let wait = WaitId(self.next_wait);
                    self.waiting.insert(wait, reply);
                    wait
                });
                roots.extend(accept.iter().filter(|root| !roots.contains(root)).cloned().collect::<Vec<_>>());
                let request = Event::BackupRequested { roots, full, wait };
                if !accept.is_empty() {
                    self.accept(accept, request);
                    return Ok(());
                }
                request
            }
            Ask::Pause { length } => Event::Pause { length },
            Ask::Resume => Event::Resume,
            Ask::Usage { reply } => {
                self.tell_usage(reply);
                return Ok(());
            }
        };
        self.apply(event)
    }

    /// A person says that these roots are meant to be as they are. The request follows when that is known.
    fn accept(&self, accepted: Vec<RootId>, request: Event) {
        let (setup, watching, outbox) = (self.setup.clone(), self.watching.clone(), self.outbox.clone());
        let accept = move || {
            let events: Vec<_> = accepted.into_iter().filter_map(|root| accept_root(&setup, root)).collect();
            watching.recheck_missing();
            for event in events.into_iter().chain([request]) {
                // without an owner the agent is ending
                let _ = outbox.send(Message::Event(event));
            }
        };
        if let Err(error) = std::thread::Builder::new().name("accept".into()).spawn(accept) {
            // who waits hears of it when the agent ends
            tracing::error!(%error, "a folder cannot be accepted");
        }
    }

    /// On a thread of its own: a large journal takes its time.
    fn tell_usage(&self, reply: Reply<Result<Usage, String>>) {
        let setup = self.setup.clone();
        let tell = move || {
            let usage = cost::usage(&setup.journal, setup.config.archive.merge.as_ref(), setup.clock.wall());
            reply.send(usage.map_err(|error| Problem::of_error(ProblemCode::RunFailed, b"", &error, "").message));
        };
        // without a thread the reply is dropped, and who waits is told so
        if let Err(error) = std::thread::Builder::new().name("usage".into()).spawn(tell) {
            tracing::warn!(%error, "what is stored cannot be summed up");
        }
    }

    /// All roots, before anything is read.
    fn check_roots(&mut self) {
        let roots: Vec<RootId> = self.setup.config.roots.iter().map(|root| root.id.clone()).collect();
        for root in roots {
            self.probe(root);
        }
    }

    /// On a thread of its own: a network filesystem may let it wait for ever.
    fn probe(&self, id: RootId) {
        let (setup, watching, outbox) = (self.setup.clone(), self.watching.clone(), self.outbox.clone());
        let probe = move || {
            let Some((root, _)) = setup.root(&id) else { return };
            let checked = check_root(&root.path, Some(&setup.memory(&id)));
            let event = match checked {
                // the journal is in trouble: the next run tells
                Err(_) => return,
                Ok(RootCheck::Doubtful(problem)) => Event::RootUnavailable { root: id, problem },
                Ok(RootCheck::Same(_) | RootCheck::Exchanged(_)) => {
                    watching.recheck_missing();
                    Event::RootAvailable { root: id }
                }
            };
            // without an owner the agent is ending
            let _ = outbox.send(Message::Event(event));
        };
        if let Err(error) = std::thread::Builder::new().name("probe".into()).spawn(probe) {
            tracing::warn!(%error, "a root cannot be looked for");
        }
    }

    /// What is watched now. The agent has started once nothing is being armed any more.
    fn look(&mut self) -> Result<(), DaemonError> {
        let mut arming = false;
        let mut found = Vec::new();
        match self.watching.coverage() {
            Ok(all) => {
                for (root, of) in self.setup.config.roots.iter().zip(&all.roots) {
                    arming |= of.arming && of.state == RootState::Watched && !all.stopped;
                    found.push((root.id.clone(), coverage::of_root(&all, of), of.state != RootState::Watched));
                }
            }
            Err(reason) => {
                let roots = self.setup.config.roots.iter();
                found.extend(roots.map(|root| (root.id.clone(), coverage::blind(reason), false)));
            }
        }
        for (root, coverage, is_away) in found {
            self.show(root, coverage, is_away)?;
        }
        self.show_limits()?;
        self.show_config()?;
        if !arming && !self.is_started {
            self.is_started = true;
            self.apply(Event::Started)?;
            self.show_arena()?;
            service::ready();
        }
        let pause = if self.is_started { LOOK_EVERY } else { LOOK_SOON };
        self.next_look = self.now().mono + pause;
        Ok(())
    }

    /// What earlier runs left waiting; a run tells it anew.
    fn show_arena(&mut self) -> Result<(), DaemonError> {
        let waiting = costs::arena(&self.setup);
        if waiting.is_empty() { Ok(()) } else { self.apply(Event::Arena { waiting, merged: None }) }
    }

    fn show_config(&mut self) -> Result<(), DaemonError> {
        let Some(problem) = self.config_file.look() else { return Ok(()) };
        if let Some(Problem { path, message, remedy, .. }) = &problem {
            tracing::warn!(path, message, remedy, "the configuration");
        }
        self.apply(Event::Config(problem))
    }

    fn show_limits(&mut self) -> Result<(), DaemonError> {
        let Rates { upload, download } = self.setup.limiter.rates();
        let limits = Limits { upload, download };
        if limits != self.limits {
            self.limits = limits;
            self.apply(Event::Limits(limits))?;
        }
        Ok(())
    }

    fn show(&mut self, root: RootId, coverage: Coverage, is_away: bool) -> Result<(), DaemonError> {
        if is_away && !self.is_known_away(&root) {
            self.probe(root.clone());
        }
        if self.shown.get(&root) != Some(&coverage) {
            self.shown.insert(root.clone(), coverage.clone());
            self.apply(Event::Coverage { root, coverage })?;
        }
        Ok(())
    }

    fn is_known_away(&self, root: &RootId) -> bool {
        let status = self.engine.status(self.now());
        let unavailable =
            |state: &crate::status::RootState| matches!(state, crate::status::RootState::Unavailable { .. });
        status.roots.iter().any(|found| found.id == *root && unavailable(&found.state))
    }
}

/// What is there now is the root from now on. `None`: there is no such root, as the request will hear.
fn accept_root(setup: &Setup, id: RootId) -> Option<Event> {
    let (root, _) = setup.root(&id)?;
    let told = |error: JournalError| Problem::of_error(ProblemCode::RunFailed, b"", &error, error.remedy());
    let accepted = match check_root(&root.path, None) {
        Ok(RootCheck::Doubtful(problem)) => Err(problem),
        Ok(RootCheck::Same(identity) | RootCheck::Exchanged(identity)) => {
            setup.journal.set_root_identity(id.as_str(), &identity).map_err(told)
        }
        Err(error) => Err(told(error)),
    };
    Some(match accepted {
        Ok(()) => Event::RootAvailable { root: id },
        Err(problem) => Event::RootUnavailable { root: id, problem },
    })
}

/// What became of a run that was told when it started. What keeps all runs from ending well is told by `log_trouble`.
fn log_end(outcome: &Outcome) {
    match outcome {
        Outcome::Done { snapshot, roots, problems: of_run } => {
            let unavailable = roots.iter().filter(|root| root.result.is_err()).count();
            let stored = roots.iter().filter_map(|root| root.result.as_ref().ok());
            let problems = of_run.len() + stored.map(|covered| covered.problems.len()).sum::<usize>();
            for problem in of_run {
                tracing::warn!(code = problem.code.as_str(), remedy = problem.remedy, "{}", problem.message);
            }
            match snapshot {
                Some(seq) => tracing::info!(snapshot = seq.0, problems, unavailable, "a snapshot is stored"),
                None if unavailable == roots.len() => tracing::info!(unavailable, "no root could be read"),
                None => tracing::info!(problems, unavailable, "nothing had changed"),
            }
        }
        Outcome::Cancelled => tracing::info!("a run was stopped; the next one goes on"),
        Outcome::TargetFailed { .. } | Outcome::RepositoryGone { .. } | Outcome::Failed(_) => {}
    }
}
