//! `rozenctl up`: from nothing to a running backup in one command.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use super::agent::stop_on_signals;
use crate::cli::context::{Context, variable};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::setup::{self, Wish};
use crate::cli::show::{self, Live};
use crate::config::{Config, Places};
use crate::control::{Client, Endpoint};
use crate::daemon::{Agent, AgentOptions};
use crate::status::{RootState, Status, bytes, counted, span};
use crate::store::StoreUrl;

/// Protect folders: set up what is missing, then back up continuously
///
/// Without --repo the backups go into a directory on this computer: that brings
/// back what was deleted or changed, but not what is lost with the disk. Ctrl-C
/// stops; the same command goes on.
///
/// Examples:
///   rozenctl up ~/Documents
///   rozenctl up ~/Documents ~/Pictures --repo /mnt/disk/backup
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct UpArgs {
    /// The folders to protect [default: those of the configuration]
    #[arg(value_name = "DIR")]
    roots: Vec<PathBuf>,
    /// Where the backups go: a directory (better on another disk) or s3://bucket/prefix
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// Write the recovery file here instead of showing the code
    #[arg(long, value_name = "FILE")]
    recovery_out: Option<PathBuf>,
}

pub(in crate::cli) fn run(args: &UpArgs, context: &Context) -> Result<Exit, CliError> {
    let places = context.places()?;
    let config = match std::fs::symlink_metadata(&places.config) {
        Ok(_) => existing(args, &places)?,
        Err(_) => set_up(args, &places, context)?,
    };
    let endpoint = Endpoint::new(&places.runtime);
    let agent = Agent::start(AgentOptions { config, places, clock: context.clock.clone() })?;
    stop_on_signals(agent.stopper())?;
    let live = follow(&endpoint, context)?;
    let result = agent.run();
    drop(live);
    result?;
    context.output.line("stopped; `rozenctl up` goes on from here")?;
    Ok(Exit::Done)
}

/// What is set up already must be what is asked for.
fn existing(args: &UpArgs, places: &Places) -> Result<Config, CliError> {
    let config = Config::load(&places.config)?;
    let missing = args.roots.iter().find(|path| {
        let absolute = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        !config.roots.iter().any(|root| absolute(&root.path) == absolute(path))
    });
    if let Some(path) = missing {
        return Err(CliError::refused(
            format!("{} is not in the configuration {}", path.display(), places.config.display()),
            "Add it there as another [[root]] with `id` and `path`; or give another --config and --state for a backup \
             of its own.",
        ));
    }
    let other = args.repo.as_deref().map(StoreUrl::parse).transpose()?;
    if other.is_some_and(|url| StoreUrl::parse(&config.repository).ok() != Some(url)) {
        return Err(CliError::refused(
            format!("the configuration {} names another repository: {}", places.config.display(), config.repository),
            "Leave out --repo, or give another --config and --state for a backup of its own.",
        ));
    }
    Ok(config)
}

fn set_up(args: &UpArgs, places: &Places, context: &Context) -> Result<Config, CliError> {
    if args.roots.is_empty() {
        return Err(CliError::usage("there is nothing to protect yet", "Name a folder: rozenctl up DIR"));
    }
    let url = match &args.repo {
        Some(url) => StoreUrl::parse(url)?,
        None => StoreUrl::Dir(embedded_repository(places)?),
    };
    let roots = setup::checked_roots(&args.roots, &url, places)?;
    let wish = Wish { url, roots, secret: None, recovery_out: args.recovery_out.clone(), passphrase: None };
    let made = setup::set_up(wish, places, context)?;
    setup::tell(&made, args.recovery_out.as_deref(), places, context)?;
    context.output.line("")?;
    Ok(made.config)
}

/// `$XDG_DATA_HOME/rozen/repository`; beside the state of the system for root, so that losing one keeps the other.
fn embedded_repository(places: &Places) -> Result<PathBuf, CliError> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/rozen-repository"));
    }
    let data = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    match data.or_else(home) {
        Some(base) => Ok(base.join("rozen/repository")),
        None => Err(CliError::usage(
            format!("no home directory is known to put the repository of {} into", places.config.display()),
            "Give a place with --repo.",
        )),
    }
}

/// On a terminal one line that is redrawn; elsewhere a line for every change that matters, which is what logs need.
fn follow(endpoint: &Endpoint, context: &Context) -> Result<Live, CliError> {
    let latest = Arc::new(Mutex::new(String::from("starting")));
    let client = Client::connect(endpoint)?;
    let (shared, output, clock) = (latest.clone(), context.output.clone(), context.clock.clone());
    let watch = move || {
        let mut told = String::new();
        let shown = client.watch(|status| {
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = line(status, clock.wall().secs);
            let news = news(status);
            if news != told {
                let said = output.line(format!("{}  {news}", show::local_time(status.time)));
                told = news;
                if said.is_err() {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = shown {
            tracing::debug!(%error, "the view has ended");
        }
    };
    std::thread::Builder::new().name("view".into()).spawn(watch).map_err(CliError::Signals)?;
    let line = move || latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Live::on_terminal(&context.output, line))
}

/// What is worth a line of its own.
fn news(status: &Status) -> String {
    let roots = status.roots.iter().map(|root| match (&root.state, &root.last_snapshot) {
        (RootState::Unavailable { message }, _) => format!("{}: not available: {message}", root.id),
        (_, None) => format!("{}: first backup", root.id),
        (_, Some(last)) if last.partial => format!("{}: snapshot {} (partial)", root.id, last.seq),
        (_, Some(last)) => {
            format!(
                "{}: snapshot {}, {}, {}",
                root.id,
                last.seq,
                counted(root.entries, "entry", "entries"),
                bytes(root.bytes)
            )
        }
    });
    let mut news = roots.collect::<Vec<_>>().join("; ");
    if let Some(problem) = status.problems.first() {
        news += &format!("; {}", counted(status.problems.len() as u64 + status.more_problems, "problem", "problems"));
        news += &format!(": {} {} ({})", problem.path, problem.message, problem.remedy);
    }
    news
}

fn line(status: &Status, now: i64) -> String {
    if let Some(run) = &status.run {
        let total = run.bytes.total.map(|total| format!(" of {}", bytes(total))).unwrap_or_default();
        let rate = run.bytes_per_second.map(|rate| format!(", {}/s", bytes(rate))).unwrap_or_default();
        let eta = run.eta_seconds.map(|left| format!(", about {} left", span(left))).unwrap_or_default();
        let (entries, size) = (counted(run.entries.done, "entry", "entries"), bytes(run.bytes.done));
        return format!("backing up: {entries}, {size}{total}{rate}{eta}   (Ctrl-C stops, nothing is lost)");
    }
    let waiting: u64 = status.roots.iter().map(|root| root.pending_hints).sum();
    let oldest = status.roots.iter().filter_map(|root| root.recovery_point).min();
    let age = oldest.map(|point| span(u64::try_from(now - point.secs).unwrap_or(0)));
    match (status.roots.iter().all(|root| root.up_to_date), age) {
        (true, _) => "watching: everything is stored   (Ctrl-C stops)".to_owned(),
        (false, Some(age)) => {
            format!("watching: {} to look at; all is safe up to {age} ago", counted(waiting, "change", "changes"))
        }
        (false, None) => "preparing the first backup".to_owned(),
    }
}
