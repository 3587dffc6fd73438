//! `rozenctl backup`: a backup now.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use clap::Args;
use serde_json::json;

use crate::backup::{Backup, Progress, RunReport};
use crate::cli::bill;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::pacing::Flags;
use crate::cli::{dry_run, running, show};
use crate::config::{Config, Rate};
use crate::control::Wish;
use crate::cost::RunCost;
use crate::model::RootId;
use crate::status::{Agent, BackupAnswer, Status, bytes, counted, merge_line};

/// Back up now
///
/// The running agent does it. With --once the backup runs in this process, for cron and for machines without the agent:
/// every folder is compared in full, and the command ends when the snapshot is stored.
#[derive(Args, Debug)]
#[command(override_usage = "rozenctl backup [OPTIONS] [NAME]...\n       rozenctl backup --once [OPTIONS]")]
pub(in crate::cli) struct BackupArgs {
    /// The names of the folders, as `rozenctl status` shows them; --once takes all [default: all]
    #[arg(value_name = "NAME", conflicts_with = "once")]
    roots: Vec<RootId>,
    /// Wait until it is stored (as --once always does)
    #[arg(long, conflicts_with = "once")]
    wait: bool,
    /// Compare everything, not only what is known to have changed
    #[arg(long)]
    full: bool,
    /// Back up in this process; fails with exit code 11 while an agent uses the state directory
    #[arg(long)]
    once: bool,
    /// This folder is meant to be another one than before (a new disk): store it as it is now
    #[arg(long, value_name = "NAME")]
    accept: Vec<RootId>,
    /// Show what would be read, what would be sent at most and what that would cost; write nothing, ask the target nothing.
    /// Every folder is compared in full; fails with exit code 11 while an agent uses the state directory
    #[arg(long, conflicts_with_all = ["roots", "wait", "once"])]
    dry_run: bool,
    /// With --once: send no faster than this, such as 2MiB/s; `off`: as fast as it goes [default: as in the configuration]
    #[arg(long, value_name = "RATE", requires = "once")]
    limit_upload: Option<Rate>,
    /// With --once: read from the target no faster than this
    #[arg(long, value_name = "RATE", requires = "once")]
    limit_download: Option<Rate>,
}

impl BackupArgs {
    fn pace(&self) -> Flags {
        Flags { upload: self.limit_upload, download: self.limit_download }
    }
}

pub(in crate::cli) fn run(args: &BackupArgs, context: &Context) -> Result<Exit, CliError> {
    if args.dry_run || args.once {
        known(&args.accept, context)?;
    }
    if args.dry_run {
        return dry_run::run(&args.accept, context);
    }
    if args.once {
        return once(args, context);
    }
    let mut agent = context.agent()?;
    let wish = Wish { roots: args.roots.clone(), full: args.full, accept: args.accept.clone() };
    if !args.wait {
        let refused = agent.backup(&wish)?;
        if let Some(answer) = refused.or(at_rest(&agent.status()?)) {
            return tell(answer, context);
        }
        context.output.line("asked for; `rozenctl status` shows how far it is")?;
        context.output.json(|| json!({ "requested": true }))?;
        return Ok(Exit::Done);
    }
    let answer = agent.backup_and_wait(&wish)?;
    context.output.json(|| json!(answer))?;
    tell(answer, context)
}

/// An agent that makes no backups now drops what it is asked for, which only who waits would hear.
fn at_rest(status: &Status) -> Option<BackupAnswer> {
    match status.agent {
        Agent::Paused { .. } => Some(BackupAnswer::Paused),
        Agent::Stopping => Some(BackupAnswer::Stopping),
        Agent::Starting | Agent::Watching => None,
    }
}

fn tell(answer: BackupAnswer, context: &Context) -> Result<Exit, CliError> {
    match answer {
        BackupAnswer::Done { snapshot, problems } => {
            context.output.line(match snapshot {
                Some(seq) => format!("snapshot {seq} is stored"),
                None if problems.is_empty() => "nothing has changed: everything is stored".to_owned(),
                None => "nothing has changed of what could be read".to_owned(),
            })?;
            show::problems(&context.output, &problems);
            Ok(Exit::done(!problems.is_empty()))
        }
        BackupAnswer::Failed { problem } => {
            let what = if problem.path.is_empty() {
                problem.message
            } else {
                format!("{}: {}", problem.path, problem.message)
            };
            Err(CliError::refused(what, problem.remedy))
        }
        BackupAnswer::Paused => Err(CliError::refused("the agent is paused", "`rozenctl resume` lets it go on.")),
        BackupAnswer::Stopping => Err(CliError::refused("the agent is stopping", "Start it again, then ask again.")),
        BackupAnswer::UnknownRoot { root } => {
            Err(CliError::usage(format!("there is no folder `{root}`"), "`rozenctl status` lists them by name."))
        }
        BackupAnswer::Busy => Err(CliError::refused("the agent has too many requests", "Try again later.")),
    }
}

fn known(accepted: &[RootId], context: &Context) -> Result<(), CliError> {
    let config = context.config()?;
    match accepted.iter().find(|id| config.root(id).is_none()) {
        Some(unknown) => {
            Err(CliError::usage(format!("there is no folder `{unknown}`"), "The configuration names them."))
        }
        None => Ok(()),
    }
}

fn once(args: &BackupArgs, context: &Context) -> Result<Exit, CliError> {
    let (config, places) = (context.config()?, context.places()?);
    let backup = running::open(&config, &places, args.pace(), context)?;
    let checked = running::check_roots(&backup, &config, &args.accept)?;
    let request = running::request(&config, &places, &checked)?;
    let progress = Arc::new(Progress::default());
    let mut done = running::run(&backup, &request, &progress, context)?;
    running::remember_roots(&backup, &checked, &done)?;
    done.problems.extend(checked.doubtful.values().cloned());
    done.unavailable.extend(checked.doubtful.into_keys());
    report(&done, cost(&backup, &config, &done, context), &progress, context)
}

/// Not being able to tell what a backup cost does not make it fail.
fn cost(backup: &Backup, config: &Config, report: &RunReport, context: &Context) -> Option<RunCost> {
    if report.requests.total() == 0 {
        return None;
    }
    let told = bill::last_run(&backup.journal, &config.repository, context);
    told.unwrap_or_else(|error| {
        context.output.warn(format!("what it cost cannot be told: {error}"));
        None
    })
}

fn report(report: &RunReport, cost: Option<RunCost>, progress: &Progress, context: &Context) -> Result<Exit, CliError> {
    let stored = progress.bytes_stored.load(Relaxed);
    let seq = report.snapshot.map(|snapshot| snapshot.seq);
    match seq {
        Some(seq) => context.output.line(format!(
            "snapshot {seq}: {} compared, {} read, {} stored",
            counted(report.entries, "entry", "entries"),
            bytes(report.bytes),
            bytes(stored)
        ))?,
        None if report.roots.is_empty() => context.output.line("no folder could be read: nothing is stored")?,
        None => {
            let compared = counted(report.entries, "entry", "entries");
            context.output.line(format!("nothing has changed: {compared} compared"))?;
        }
    }
    for merged in &report.merged {
        let merged = merge_line(merged.packs, merged.bytes, merged.class);
        context.output.line(format!("merged: {merged}"))?;
    }
    cost.iter().try_for_each(|cost| context.output.line(format!("cost: {}", cost.text)))?;
    context.output.json(|| {
        json!({
            "snapshot": seq, "partial_snapshots": report.partial_snapshots, "entries": report.entries,
            "bytes_read": report.bytes, "bytes_stored": stored, "cut_at": show::json_time(Some(report.cut_at)),
            "unavailable_roots": report.unavailable, "problems": report.problems,
            "merged": report.merged.iter().map(|merged| json!({
                "class": merged.class, "packs": merged.packs, "bytes": merged.bytes,
            })).collect::<Vec<_>>(),
            "cost": cost.and_then(|cost| cost.exact).map(|(bill, currency)| json!({
                "requests": bill.requests, "cost": bill.cost.to_string(), "added_bytes": bill.added_bytes,
                "added_month": bill.monthly.to_string(), "currency": currency.as_str(),
            })),
        })
    })?;
    if !report.problems.is_empty() {
        let count = counted(report.problems.len() as u64, "problem", "problems");
        let rest = if report.roots.is_empty() { "" } else { "; everything else is stored" };
        context.output.warn(format!("{count}{rest}"));
        show::problems(&context.output, &report.problems);
    }
    if report.roots.is_empty() && !report.unavailable.is_empty() {
        return Ok(Exit::Failed);
    }
    Ok(Exit::done(!report.problems.is_empty()))
}
