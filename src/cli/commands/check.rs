//! `rozenctl check`: is everything there, and right?

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use clap::Args;
use serde_json::json;

use crate::check::{self, CheckOptions, CheckProgress};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::reading::{self, ReadArgs};
use crate::cli::show::{Live, Meter};
use crate::status::{grouped, printable};

/// Check that every snapshot can be restored
///
/// Nothing is changed. Exit code 3 when anything is damaged; the damaged files are named with their snapshots, all other
/// files restore.
#[derive(Args, Debug)]
pub(in crate::cli) struct CheckArgs {
    /// Also read the data itself, all of it or a random part such as 5%
    #[arg(long, value_name = "PART", num_args = 0..=1, require_equals = true, default_missing_value = "100%",
          value_parser = percent)]
    read_data: Option<u8>,
    #[command(flatten)]
    read: ReadArgs,
}

fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number.filter(|part| (1..=100).contains(part)).ok_or_else(|| "a part from 1% to 100%".to_owned())
}

pub(in crate::cli) fn run(args: &CheckArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = reading::open(&args.read, context)?;
    let progress = Arc::new(CheckProgress::default());
    let live = follow(&progress, context);
    let result = check::run(&repository, CheckOptions { read_data: args.read_data.unwrap_or(0) }, &progress);
    drop(live);
    let report = result?;
    for line in report.to_string().lines() {
        context.output.line(printable(line))?;
    }
    if report.is_clean() {
        context.output.line("no damage found")?;
    }
    context.output.json(|| json!(report))?;
    Ok(Exit::done(!report.is_clean()))
}

fn follow(progress: &Arc<CheckProgress>, context: &Context) -> Live {
    let (progress, stop) = (progress.clone(), context.stop.clone());
    let meter = Meter::start(&context.clock);
    Live::start(&context.output, move || {
        if stop.load(Relaxed) {
            progress.stop();
        }
        let now = progress.now();
        let total = Some(now.total_bytes).filter(|total| *total > 0);
        match total {
            None => format!("checking: {} entries", grouped(now.entries)),
            Some(_) => format!("checking the data: {}", meter.bytes(now.read_bytes, total)),
        }
    })
}
