//! Starting all parts in order, and ending them in the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use super::config_file::ConfigFile;
use super::error::DaemonError;
use super::message::Message;
use super::owner::Owner;
use super::runner::{Runner, Setup};
use super::watching::{HintSink, Watching};
use super::{memory, service};
use crate::clock::{Clock, Zone};
use crate::config::exclude::Rules;
use crate::config::{Config, Places};
use crate::control::{Endpoint, Server};
use crate::cost::PriceFiles;
use crate::crypto::{self, MachineKeys};
use crate::engine::{Engine, Event, KnownRoot, Now, Settings};
use crate::journal::Journal;
use crate::status::Limits;
use crate::store::{Limiter, StoreUrl};

/// What an agent needs to know.
pub struct AgentOptions {
    pub config: Config,
    pub places: Places,
    pub clock: Clock,
}

/// An agent that has its directories and its socket, and is about to run.
pub struct Agent {
    owner: Owner,
    server: Server,
    stopper: Stopper,
}

/// Ends an agent from another thread.
#[derive(Clone)]
pub struct Stopper(Sender<Message>);

impl Stopper {
    /// The run under way is asked to end; what it has stored is kept.
    pub fn stop(&self) {
        // an agent that has ended needs no end
        let _ = self.0.send(Message::Event(Event::Stop));
    }
}

impl Agent {
    /// Fails when another process uses the state directory or the socket. A target that is away, or roots that are
    /// missing, do not keep the agent from starting.
    pub fn start(options: AgentOptions) -> Result<Self, DaemonError> {
        let AgentOptions { config, places, clock } = options;
        let setup = Arc::new(prepare(config, &places, clock)?);
        let known = memory::known_roots(&setup.journal, &setup.config, &setup.rules, setup.clock.wall_ms())?;
        let (engine, now) = (engine(&setup, known), now(&setup.clock));
        let (outbox, inbox) = mpsc::channel();
        let asks = outbox.clone();
        let ask = move |ask| asks.send(Message::Ask(ask)).is_ok();
        let server = Server::start(&Endpoint::new(&places.runtime), &engine.status(now), ask)?;
        let watching = Arc::new(watch(&setup, outbox.clone())?);
        let runner = Runner::start(setup.clone(), watching.clone(), outbox.clone())?;
        let owner = Owner {
            engine,
            watching,
            runner,
            publisher: server.publisher(),
            inbox,
            outbox: outbox.clone(),
            waiting: BTreeMap::new(),
            next_wait: 0,
            armed: None,
            next_look: now.mono,
            next_alive: service::watchdog_period().map(|_| now.mono),
            shown: BTreeMap::new(),
            limits: Limits::default(),
            config_file: ConfigFile::new(places.config.clone(), setup.config.clone()),
            trouble: None,
            away: BTreeSet::new(),
            is_started: false,
            is_running: false,
            is_over: false,
            setup,
        };
        Ok(Self { owner, server, stopper: Stopper(outbox) })
    }

    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Until it is stopped.
    pub fn run(self) -> Result<(), DaemonError> {
        let result = self.owner.run();
        self.server.stop();
        result
    }
}

fn prepare(config: Config, places: &Places, clock: Clock) -> Result<Setup, DaemonError> {
    let url = StoreUrl::parse(&config.repository).map_err(DaemonError::Repository)?;
    let rules = config.roots.iter().map(|root| {
        let failed = |source| DaemonError::Excludes { root: root.id.to_string(), source };
        Rules::compile(&config.excludes_of(root)).map_err(failed)
    });
    let rules = rules.collect::<Result<_, _>>()?;
    let config_text = Config::read(&places.config)?;
    let keys = MachineKeys::load(&config.machine_key)?;
    keys.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let journal = Journal::open(&places.state)?;
    let own = [Some(places.state.as_path()), Some(&places.runtime), url.as_dir()];
    let own_dirs = own.into_iter().flatten().map(PathBuf::from).collect();
    let state_dir = places.state.clone();
    let limiter = limiter(&config, clock.clone());
    let price_files = PriceFiles::usual(&places.config, &places.state);
    let keys = keys.value;
    Ok(Setup { config, rules, url, state_dir, own_dirs, price_files, keys, config_text, journal, clock, limiter })
}

/// What the configuration allows at each time of day.
fn limiter(config: &Config, clock: Clock) -> Limiter {
    let (limits, zone) = (config.limits.clone(), Zone::local());
    Limiter::new(clock, move |now| limits.at(zone.minute_of_day(now).0))
}

fn engine(setup: &Setup, roots: Vec<KnownRoot>) -> Engine {
    let settings = Settings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        repository: setup.config.repository.clone(),
        run: setup.config.run.clone(),
        seed: u64::from_le_bytes(crypto::random()),
    };
    Engine::new(settings, roots, now(&setup.clock))
}

fn now(clock: &Clock) -> Now {
    Now { mono: clock.monotonic().0, wall: clock.wall() }
}

fn watch(setup: &Setup, owner: Sender<Message>) -> Result<Watching, DaemonError> {
    let cookies = setup.state_dir.join("cookies");
    DirBuilder::new().recursive(true).mode(0o700).create(&cookies).map_err(DaemonError::State)?;
    let roots = setup.config.roots.iter().map(|root| root.id.clone()).collect();
    let sink = HintSink::new(setup.journal.clone(), setup.clock.clone(), roots, owner);
    Ok(Watching::start(&setup.config, &setup.rules, &setup.own_dirs, &cookies, sink))
}
