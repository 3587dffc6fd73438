//! `rozenctl cost`: what the target will cost.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::bill;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::reading::{self, MachineArg, ReadArgs};
use crate::cli::typed;
use crate::cli::ways_back::WaysBack;
use crate::control::ControlError;
use crate::cost::{self, Bill, Billed, PriceFiles, PriceTable, Unpriced, Wanted, prices_for};
use crate::journal::Journal;
use crate::model::StorageClass;
use crate::restore::{self, NeededPacks, RestoreOptions, RestoreTo};
use crate::status::{Usage, bytes, counted};
use crate::store::StoreUrl;

/// What the target costs: each month, the last run, the next month, and getting everything back
///
/// It is computed from what this machine has counted; nothing is asked of the target (but with --restore). A
/// repository in a directory has no bill. Prices are those that the program brings along (AWS in us-east-1) or a table
/// of your own: docs/cost.md shows how to write one.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct CostArgs {
    #[command(subcommand)]
    command: Option<CostCommand>,
    #[command(flatten)]
    prices: PriceArgs,
    /// What restoring this snapshot would cost; reads its trees, so that needs the recovery file and some requests
    #[arg(long, value_name = "SNAPSHOT")]
    restore: Option<String>,
    /// With --restore: only this folder or file
    #[arg(long, value_name = "PATH", requires = "restore")]
    path: Vec<OsString>,
    /// How many days thawed copies of an archive are to stay
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    days: u32,
    #[command(flatten)]
    machine: MachineArg,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Args, Clone, Debug)]
struct PriceArgs {
    /// A table of prices, for whatever target it is
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// The region of AWS that the bucket is in [default: that of the target, else us-east-1]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
}

#[derive(Subcommand, Debug)]
enum CostCommand {
    Import(ImportArgs),
}

/// Make a table of prices from the files that AWS publishes
///
/// Give the files (index.json) of AmazonS3, AmazonS3GlacierDeepArchive and AWSDataTransfer for one region;
/// docs/cost.md names their addresses. The table is stored beside the configuration and counts from then on.
#[derive(Args, Debug)]
struct ImportArgs {
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Which region, when the files hold several
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Where the table is stored [default: prices.toml beside the configuration]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(in crate::cli) fn run(args: &CostArgs, context: &Context) -> Result<Exit, CliError> {
    match &args.command {
        Some(CostCommand::Import(args)) => import(args, context),
        None => show(args, context),
    }
}

fn show(args: &CostArgs, context: &Context) -> Result<Exit, CliError> {
    if args.read.repo.is_some() && args.restore.is_none() {
        let what = "what another repository holds was not counted by this machine";
        return Err(CliError::usage(what, "Give --repo together with --restore."));
    }
    let repository = match &args.read.repo {
        Some(url) => url.clone(),
        None => context.config()?.repository,
    };
    let billed = Billed::of(&StoreUrl::parse(&repository)?).in_region(args.prices.region.as_deref());
    let table = match prices_for(&billed, &price_files(args, context)?)? {
        Ok(table) => table,
        Err(Unpriced::NoBill) => {
            context.output.line(format!("{repository} is a directory: nobody sends a bill for it"))?;
            context.output.json(|| json!({ "repository": repository, "billed": false }))?;
            return Ok(Exit::Done);
        }
        Err(Unpriced::NotKnown(whose)) => {
            return Err(CliError::refused(format!("the prices of {whose} are not known"), way_to_prices(&billed)));
        }
    };
    match &args.restore {
        Some(snapshot) => restore(args, snapshot, &billed, &table, context),
        None => all(args, &repository, &billed, &table, context),
    }
}

/// What AWS publishes says nothing about others.
fn way_to_prices(billed: &Billed) -> &'static str {
    match billed {
        Billed::Other { .. } => {
            "Write a table from the provider's price list, and give it with --prices FILE; docs/cost.md shows how."
        }
        Billed::Aws { .. } | Billed::Nobody => {
            "Import the table of the region with `rozenctl cost import`, or give one with --prices FILE; docs/cost.md shows how."
        }
    }
}

fn price_files(args: &CostArgs, context: &Context) -> Result<PriceFiles, CliError> {
    let places = context.places()?;
    let usual = PriceFiles::usual(&places.config, &places.state);
    Ok(PriceFiles { given: args.prices.prices.clone(), ..usual })
}

fn all(
    args: &CostArgs,
    repository: &str,
    billed: &Billed,
    table: &PriceTable,
    context: &Context,
) -> Result<Exit, CliError> {
    let usage = usage(context)?;
    let (bill, now) = (Bill::new(table, &usage)?, context.clock.wall());
    let everything = WaysBack::new(table, &cost::everything(&usage), args.days)?;
    let arena = usage.arena;
    bill::Report { repository, billed, bill, arena, everything, table, now }.show(&context.output)?;
    Ok(Exit::Done)
}

fn restore(
    args: &CostArgs,
    snapshot: &str,
    billed: &Billed,
    table: &PriceTable,
    context: &Context,
) -> Result<Exit, CliError> {
    let repository = reading::open(&args.read, context)?;
    let pick = || {
        let machine = reading::pick_machine(&repository, &args.machine, context)?;
        reading::pick_of(&repository, &machine, snapshot, context)
    };
    let (picked, contents) = reading::with_contents(&repository, context, pick)?;
    let manifest = &picked.manifest;
    let paths = args.path.iter().map(|path| typed::path(manifest, path)).collect();
    let options = RestoreOptions { paths, ..RestoreOptions::new(RestoreTo::InPlace) };
    let needed = restore::needed_packs(&contents, manifest, &options)?;
    let wanted = wanted(&needed);
    let ways = WaysBack::new(table, &wanted, args.days)?;
    let sum = |of: fn(&Wanted) -> u64| wanted.iter().map(of).sum::<u64>();
    let (objects, whole, read) = (sum(|w| w.objects), sum(|w| w.object_bytes), sum(|w| w.read_bytes));
    context.output.line(table.with_age(context.clock.wall()))?;
    let packs = counted(objects, "pack", "packs");
    context.output.line(format!(
        "snapshot {}: {} to read, in {packs} of {}",
        manifest.seq.0,
        bytes(read),
        bytes(whole)
    ))?;
    ways.lines(table).into_iter().try_for_each(|line| context.output.line(line))?;
    context.output.line("Assumed:")?;
    let assumed = ways.assumed().into_iter().chain(["each chunk is read by a request of its own".to_owned()]);
    assumed.into_iter().try_for_each(|line| context.output.line(format!("  {line}")))?;
    context.output.json(|| {
        json!({
            "snapshot": manifest.seq, "packs": objects, "pack_bytes": whole, "read_bytes": read, "lost": needed.lost,
            "prices": bill::prices_json(table, billed, context.clock.wall()), "restore": ways.json(),
        })
    })?;
    if needed.lost > 0 {
        let lost = counted(needed.lost, "entry or chunk", "entries or chunks");
        context.output.warn(format!("{lost} cannot be found and are not in the price: `rozenctl check` says more"));
    }
    Ok(Exit::done(needed.lost > 0 || !picked.is_sure()))
}

/// By class.
fn wanted(needed: &NeededPacks) -> Vec<Wanted> {
    let mut classes: BTreeMap<StorageClass, Wanted> = BTreeMap::new();
    for pack in &needed.packs {
        let none = Wanted { class: pack.class, objects: 0, object_bytes: 0, read_bytes: 0, reads: 0 };
        let wanted = classes.entry(pack.class).or_insert(none);
        wanted.objects += 1;
        wanted.object_bytes += pack.size;
        wanted.read_bytes += pack.bytes;
        wanted.reads += pack.frames;
    }
    classes.into_values().collect()
}

/// From the agent; without one from the journal itself.
fn usage(context: &Context) -> Result<Usage, CliError> {
    match context.agent() {
        Ok(mut agent) => Ok(agent.usage()?),
        Err(CliError::Control(ControlError::NotRunning { .. })) => {
            let state = context.places()?.state;
            if !state.join("journal.db").exists() {
                let what = format!("nothing was counted yet: there is no journal in {}", state.display());
                return Err(CliError::refused(what, "Make a backup first: `rozenctl backup --once`."));
            }
            let config = context.config()?;
            Ok(cost::usage(&Journal::open(&state)?, config.archive.merge.as_ref(), context.clock.wall())?)
        }
        Err(error) => Err(error),
    }
}

fn import(args: &ImportArgs, context: &Context) -> Result<Exit, CliError> {
    let imported = cost::import(&args.files, args.region.as_deref())?;
    let path = match &args.out {
        Some(path) => path.clone(),
        None => PriceFiles::imported(&context.places()?.config),
    };
    cost::save(&imported.table, &path)?;
    let (table, path) = (&imported.table, path.display().to_string());
    context.output.line(format!("{} are stored in {path}", table.with_age(context.clock.wall())))?;
    for (class, missing) in &imported.left_out {
        context.output.warn(format!("{class} is left out: the files do not have {missing}"));
    }
    context.output.json(|| {
        json!({
            "version": table.version, "region": table.region, "path": path,
            "left_out": imported.left_out.iter().map(|(class, _)| class.as_str()).collect::<Vec<_>>(),
        })
    })?;
    Ok(Exit::done(!imported.left_out.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_of_aws_are_advised_for_aws_alone() {
        let advised = |url: &str| way_to_prices(&Billed::of(&StoreUrl::parse(url).unwrap())).contains("cost import");
        assert!(advised("s3://bucket?region=eu-central-1"));
        assert!(!advised("s3://bucket?region=eu-central-1&endpoint=https://s3.example.org"));
    }
}
