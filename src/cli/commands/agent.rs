//! `rozend`: the agent in the foreground.

use std::io::IsTerminal;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::config::{Config, LogLevel};
use crate::daemon::{Agent, AgentOptions, Stopper};

pub(in crate::cli) fn run(context: &Context) -> Result<Exit, CliError> {
    let (places, config) = (context.places()?, context.config()?);
    context.output.start_logging(level(&config));
    let agent = Agent::start(AgentOptions { config, places, clock: context.clock.clone() })?;
    stop_on_signals(agent.stopper())?;
    agent.run()?;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// The first signal ends the run under way and then the agent; a second one ends the process (see `stop`). A hang-up ends
/// a program that was started in the terminal that closes; for services it often means "read your configuration again", and a folder
/// must not lose its protection by it.
pub(in crate::cli) fn stop_on_signals(stopper: Stopper) -> Result<(), CliError> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(CliError::Signals)?;
    let is_service = !std::io::stdin().is_terminal();
    let wait = move || {
        for signal in signals.forever() {
            if signal == SIGHUP && is_service {
                tracing::info!(
                    "SIGHUP changes nothing: the configuration is read at the start; restart the agent for a new one"
                );
            } else {
                stopper.stop();
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".into()).spawn(wait);
    thread.map(drop).map_err(CliError::Signals)
}

fn level(config: &Config) -> LevelFilter {
    match config.log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
