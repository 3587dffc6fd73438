//! `rozenctl check`: is everything there, and right?

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use clap::Args;
use serde_json::{Value, json};

use crate::check::{Check, CheckOptions, CheckProgress, CheckReport, DataReads, Finding, FindingCode};
use crate::cli::at_once::{self, AtOnce};
use crate::cli::checked;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::prices::{CostArgs, Prices};
use crate::cli::reading::{self, ReadArgs};
use crate::cli::show::{Live, Meter};
use crate::cost::Wanted;
use crate::crypto::MachineKeys;
use crate::journal::Journal;
use crate::model::ObjectHash;
use crate::repo::{self, RepoError, Repository};
use crate::status::{counted, printable};

/// Check that every snapshot can be restored
///
/// Nothing is changed. Exit code 3 when anything is damaged; the damaged files are named with their snapshots, all other
/// files restore. On the machine that made the backups, --store-again then stores anew what is lost and still on its disk.
#[derive(Args, Debug)]
pub(in crate::cli) struct CheckArgs {
    /// Also read the data itself, all of it or a random part such as 5%
    #[arg(long, value_name = "PART", num_args = 0..=1, require_equals = true, default_missing_value = "100%",
          value_parser = percent)]
    read_data: Option<u8>,
    /// Forget packs of this machine that are missing or damaged: the next backup reads everything and stores what of their
    /// content is still there. Not while the agent runs
    #[arg(long)]
    store_again: bool,
    #[command(flatten)]
    cost: CostArgs,
    #[command(flatten)]
    read: ReadArgs,
}

fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number.filter(|part| (1..=100).contains(part)).ok_or_else(|| "a part from 1% to 100%".to_owned())
}

pub(in crate::cli) fn run(args: &CheckArgs, context: &Context) -> Result<Exit, CliError> {
    // held from now on: an agent that begins meanwhile would know nothing of what is found
    let own = if args.store_again { Some(Own::open(context)?) } else { None };
    let repository = reading::open(&args.read, context)?;
    let progress = Arc::new(CheckProgress::default());
    let options = CheckOptions { read_data: args.read_data.unwrap_or(0) };
    let begun = shown(&progress, context, || Check::begin(&repository, options, &progress))?;
    agree(&begun.reads(), &repository, &args.cost, context)?;
    let mut report = shown(&progress, context, || begun.finish())?;
    let at_hand = if own.is_none() { Own::at_hand(context) } else { None };
    if let Some(own) = own.as_ref().or(at_hand.as_ref()) {
        report.findings.extend(own.lost_head(&repository)?);
    }
    drop(at_hand);
    for line in checked::told(&report).lines() {
        context.output.line(printable(line))?;
    }
    let again = own.map(|own| own.store_again(&repository, &report, context)).transpose()?;
    context.output.json(|| with_again(json!(report), again))?;
    Ok(Exit::done(!report.is_clean()))
}

/// Tells what reading the data costs where that costs something. An error unless somebody wants it.
fn agree(reads: &[DataReads], repository: &Repository, args: &CostArgs, context: &Context) -> Result<(), CliError> {
    let prices = Prices::of(repository.store.place(), args, context)?;
    if reads.is_empty() || !prices.matter(args) {
        return Ok(());
    }
    let wanted = |reads: &DataReads| {
        let DataReads { class, packs, bytes, requests } = *reads;
        Wanted { class, objects: packs, object_bytes: bytes, read_bytes: bytes, reads: requests }
    };
    let wanted: Vec<Wanted> = reads.iter().map(wanted).collect();
    let plan = AtOnce::new(&wanted, reads.iter().map(|reads| reads.packs).sum(), &prices)?;
    context.output.line(plan.line(context))?;
    plan.agree(&at_once::CHECK, args, context)
}

/// While it runs, somebody sees how far it is.
fn shown<T>(progress: &Arc<CheckProgress>, context: &Context, step: impl FnOnce() -> T) -> T {
    let _live = follow(progress, context);
    step()
}

/// This machine and its journal, which nobody else has open.
struct Own {
    keys: MachineKeys,
    journal: Journal,
}

impl Own {
    fn open(context: &Context) -> Result<Self, CliError> {
        let keys =
            reading::warned(MachineKeys::load(&context.config()?.machine_key).map_err(CliError::MachineKey)?, context);
        Ok(Self { keys, journal: Journal::open(&context.places()?.state)? })
    }

    /// What an earlier set-up left here, if nobody uses it just now.
    fn at_hand(context: &Context) -> Option<Self> {
        let keys = MachineKeys::load(&context.config().ok()?.machine_key).ok()?.value;
        let state = context.places().ok()?.state;
        let is_there = state.join("journal.db").exists();
        Some(Self { keys, journal: is_there.then(|| Journal::open(&state).ok())?? })
    }

    /// That the last snapshots were taken away nobody sees by the others.
    fn lost_head(&self, repository: &Repository) -> Result<Option<Finding>, CliError> {
        let Some((seq, _)) = self.journal.head()?.filter(|_| repository.keys.repo_id == self.keys.repo_id) else {
            return Ok(None);
        };
        match repo::is_last_there(&repository.store, &self.keys, &self.journal) {
            Ok(false) => {}
            Err(RepoError::Store(error)) if error.is_of_target() => return Err(error.into()),
            // what else is wrong with it stands among the findings already
            Ok(true) | Err(_) => return Ok(None),
        }
        let object = repo::names::manifest(&self.keys.machine_id, seq).to_string();
        let message = "this machine stored it, and it is not there as it was: somebody took it away, or the target is an older copy of itself; \
                       the next backup stores again what is missing";
        Ok(Some(Finding { code: FindingCode::Gap, object, message: message.to_owned() }))
    }

    /// How many packs the next backup makes good as far as the disk still has their content.
    fn store_again(&self, repository: &Repository, report: &CheckReport, context: &Context) -> Result<u64, CliError> {
        let mut lost: BTreeSet<ObjectHash> = report.lost_packs(&self.keys.machine_id).into_iter().collect();
        // those that only the journal still knows
        if repository.keys.repo_id == self.keys.repo_id {
            lost.extend(repo::missing_packs(&repository.store, &self.keys, &self.journal)?);
        }
        let lost: Vec<ObjectHash> = lost.into_iter().collect();
        if lost.is_empty() {
            context.output.line("no pack of this machine is lost: nothing has to be stored again")?;
            return Ok(0);
        }
        let forgotten = self.journal.lose_packs(&lost, context.clock.wall_ms())?;
        context.output.line(match forgotten {
            0 => "no pack that is still needed is lost anew: what was forgotten before is stored again by the next backup"
                .to_owned(),
            count => format!(
                "{} forgotten: the next backup reads all folders and stores again what of their content is still there; \
                 nothing else is sent",
                counted(count, "pack", "packs")
            ),
        })?;
        Ok(forgotten)
    }
}

fn with_again(mut report: Value, again: Option<u64>) -> Value {
    if let Some(count) = again {
        report["packs_forgotten"] = json!(count);
    }
    report
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
            None => format!("checking: {}", counted(now.entries, "entry", "entries")),
            Some(_) => format!("checking the data: {}", meter.bytes(now.read_bytes, total)),
        }
    })
}
