//! What every command works with: flags, places, clock, output, the wish to stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::args::Global;
use super::error::CliError;
use super::output::Output;
use super::stop;
use crate::clock::Clock;
use crate::config::{Config, Environment, Overrides, Places};
use crate::control::{Client, Endpoint};
use crate::store::{RetryPolicy, Store, StoreUrl};

pub(super) struct Context {
    pub(super) output: Output,
    pub(super) clock: Clock,
    /// Set by Ctrl-C and SIGTERM; a second signal ends the process.
    pub(super) stop: Arc<AtomicBool>,
    global: Global,
}

impl Context {
    pub(super) fn new(global: Global, output: Output) -> Result<Self, CliError> {
        Ok(Self { output, clock: Clock::system(), stop: stop::on_signals()?, global })
    }

    /// Fails only when neither flags nor a home directory say where.
    pub(super) fn places(&self) -> Result<Places, CliError> {
        let overrides = Overrides { config: self.global.config.clone(), state: self.global.state.clone() };
        let environment = Environment {
            variable: &|name| std::env::var_os(name),
            home: variable("HOME").map(PathBuf::from),
            is_root: rustix::process::geteuid().is_root(),
        };
        Ok(Places::resolve(&overrides, &environment)?)
    }

    pub(super) fn config(&self) -> Result<Config, CliError> {
        Ok(Config::load(&self.places()?.config)?)
    }

    /// The running agent.
    pub(super) fn agent(&self) -> Result<Client, CliError> {
        Ok(Client::connect(&Endpoint::new(&self.places()?.runtime))?)
    }

    /// Opens a target that must be there.
    pub(super) fn store(&self, url: &str) -> Result<Store, CliError> {
        let store = Store::open(&StoreUrl::parse(url)?)?;
        Ok(store.retrying(RetryPolicy::default(), self.clock.clone()))
    }
}

/// An environment variable; empty counts as not set.
pub(super) fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
