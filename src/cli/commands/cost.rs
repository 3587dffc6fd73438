//! `rozenctl cost`: what the target will cost.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::bill;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::control::ControlError;
use crate::cost::{self, Bill, Billed, PriceFiles, Unpriced, prices_for};
use crate::journal::Journal;
use crate::status::Usage;
use crate::store::StoreUrl;

/// What the target costs: each month, the last run, the next month, and getting everything back
///
/// It is computed from what this machine has counted; nothing is asked of the target, so asking costs nothing. A
/// repository in a directory has no bill. Prices are those that the program brings along (AWS in us-east-1) or a table
/// of your own: docs/cost.md shows how to write one.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct CostArgs {
    #[command(subcommand)]
    command: Option<CostCommand>,
    #[command(flatten)]
    prices: PriceArgs,
    /// How long thawed copies of an archive are to stay, when everything is got back
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    days: u32,
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
    let repository = context.config()?.repository;
    let places = context.places()?;
    let billed = Billed::of(&StoreUrl::parse(&repository)?).in_region(args.prices.region.as_deref());
    let usual = PriceFiles::usual(&places.config, &places.state);
    let files = PriceFiles { given: args.prices.prices.clone(), ..usual };
    let table = match prices_for(&billed, &files)? {
        Ok(table) => table,
        Err(Unpriced::NoBill) => {
            context.output.line(format!("{repository} is a directory: nobody sends a bill for it"))?;
            context.output.json(|| json!({ "repository": repository, "billed": false }))?;
            return Ok(Exit::Done);
        }
        Err(Unpriced::NotKnown(whose)) => {
            let remedy = "Give a table with --prices FILE, or import that of AWS with `rozenctl cost import`; \
                          docs/cost.md shows how.";
            return Err(CliError::refused(format!("the prices of {whose} are not known"), remedy));
        }
    };
    let usage = usage(context)?;
    let report = bill::Report {
        repository: &repository,
        billed: &billed,
        bill: Bill::new(&table, &usage)?,
        everything: cost::everything(&usage),
        table: &table,
        days: args.days,
        now: context.clock.wall(),
    };
    report.show(&context.output)?;
    Ok(Exit::Done)
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
            Ok(cost::usage(&Journal::open(&state)?, context.clock.wall())?)
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
