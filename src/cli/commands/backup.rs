//! `rozenctl backup`: a backup now.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use clap::Args;
use serde_json::json;

use crate::backup::{Progress, RunReport};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::{running, show};
use crate::status::{bytes, grouped};

/// Back up now
///
/// With --once the backup runs in this process, for cron and for machines without the agent: every root is compared in
/// full, and the command ends when the snapshot is stored.
#[derive(Args, Debug)]
pub(in crate::cli) struct BackupArgs {
    /// Back up in this process; fails with exit code 11 while an agent uses the state directory
    #[arg(long)]
    once: bool,
}

pub(in crate::cli) fn run(args: &BackupArgs, context: &Context) -> Result<Exit, CliError> {
    if !args.once {
        return Err(CliError::usage("asking the agent for a backup is not built yet", "Use `rozenctl backup --once`."));
    }
    once(context)
}

fn once(context: &Context) -> Result<Exit, CliError> {
    let (config, places) = (context.config()?, context.places()?);
    let backup = running::open(&config, &places, context)?;
    let request = running::request(&config, &places)?;
    let progress = Arc::new(Progress::default());
    let live = running::follow(&progress, context);
    let result = backup.run(&request, &progress, &context.stop);
    drop(live);
    report(&result?, &progress, context)
}

fn report(report: &RunReport, progress: &Progress, context: &Context) -> Result<Exit, CliError> {
    let stored = progress.bytes_stored.load(Relaxed);
    let seq = report.snapshot.map(|snapshot| snapshot.seq);
    match seq {
        Some(seq) => context.output.line(format!(
            "snapshot {seq}: {} entries compared, {} read, {} stored",
            grouped(report.entries),
            bytes(report.bytes),
            bytes(stored)
        ))?,
        None => {
            context.output.line(format!("nothing has changed: {} entries compared", grouped(report.entries)))?;
        }
    }
    context.output.json(|| {
        json!({
            "snapshot": seq, "partial_snapshots": report.partial_snapshots, "entries": report.entries,
            "bytes_read": report.bytes, "bytes_stored": stored, "cut_at": show::json_time(Some(report.cut_at)),
            "unavailable_roots": report.unavailable, "problems": report.problems,
        })
    })?;
    if !report.problems.is_empty() {
        context.output.warn(format!("{} problems; everything else is stored", report.problems.len()));
        show::problems(&context.output, &report.problems);
    }
    Ok(Exit::done(!report.problems.is_empty() || !report.unavailable.is_empty()))
}
