//! What every command works with: flags, places, clock, output, the wish to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::args::Common;
use super::error::CliError;
use super::output::Output;
use super::stop;
use crate::clock::Clock;
use crate::config::{Config, Environment, Overrides, Places};
use crate::control::{Client, Endpoint};
use crate::store::{Limiter, RetryPolicy, Store, StoreUrl};

pub(super) struct Context {
    pub(super) output: Output,
    pub(super) clock: Clock,
    /// Set by Ctrl-C and SIGTERM; a second signal ends the process.
    pub(super) stop: Arc<AtomicBool>,
    common: Common,
}

impl Context {
    pub(super) fn new(common: Common, output: Output) -> Result<Self, CliError> {
        Ok(Self { output, clock: Clock::system(), stop: stop::on_signals()?, common })
    }

    /// For commands that only read and print: there is nothing to tidy when they are interrupted. Not while a prompt may have
    /// changed the terminal.
    pub(super) fn end_at_once(&self) -> Result<(), CliError> {
        stop::at_once(&self.stop)
    }

    /// Fails only when neither flags nor a home directory say where.
    pub(super) fn places(&self) -> Result<Places, CliError> {
        resolve(&Overrides { config: self.common.config.clone(), state: self.common.state.clone() })
    }

    /// What must be given with a command so that it finds these places; empty for the usual ones.
    pub(super) fn flags_for(&self, places: &Places) -> String {
        let usual = resolve(&Overrides::default()).ok();
        let flag = |name: &str, path: &Path, usual: Option<&PathBuf>| match usual.is_some_and(|usual| usual == path) {
            true => String::new(),
            false => format!(" {name} {}", quoted(path)),
        };
        let config = flag("--config", &places.config, usual.as_ref().map(|usual| &usual.config));
        config + &flag("--state", &places.state, usual.as_ref().map(|usual| &usual.state))
    }

    pub(super) fn config(&self) -> Result<Config, CliError> {
        Ok(Config::load(&self.places()?.config)?)
    }

    /// The running agent. A signal ends what is waited for with [`Interrupted`](crate::control::ControlError::Interrupted).
    pub(super) fn agent(&self) -> Result<Client, CliError> {
        let client = Client::connect(&Endpoint::new(&self.places()?.runtime))?;
        stop::hang_up_on_signals(client.hang_up()?, &self.stop)?;
        Ok(client)
    }

    /// Opens a target that must be there.
    pub(super) fn store(&self, url: &str, limiter: &Limiter) -> Result<Store, CliError> {
        let store = Store::open_limited(&StoreUrl::parse(url)?, limiter)?;
        Ok(store.retrying(RetryPolicy::default(), self.clock.clone()))
    }
}

fn resolve(overrides: &Overrides) -> Result<Places, CliError> {
    let environment = Environment {
        variable: &|name| std::env::var_os(name),
        home: variable("HOME").map(PathBuf::from),
        is_root: rustix::process::geteuid().is_root(),
    };
    Ok(Places::resolve(overrides, &environment)?)
}

/// As a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@:".contains(c));
    if is_plain { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// An environment variable; empty counts as not set.
pub(super) fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
