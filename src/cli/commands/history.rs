//! `rozenctl history`: the versions of one file.

use std::ffi::OsString;

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::entries;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::reading::{self, MachineArg, ReadArgs};
use crate::cli::show;
use crate::cli::typed;
use crate::history::{self, Version};
use crate::model::with_causes;
use crate::status::printable;

/// Show the versions of a file or folder over all snapshots
#[derive(Args, Debug)]
pub(in crate::cli) struct HistoryArgs {
    /// Absolute as it was, from where you stand, or NAME:PATH
    #[arg(value_name = "PATH")]
    path: OsString,
    #[command(flatten)]
    machine: MachineArg,
    #[command(flatten)]
    read: ReadArgs,
}

pub(in crate::cli) fn run(args: &HistoryArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = reading::open_to_show(&args.read, context)?;
    let list = || {
        let machine = reading::pick_machine(&repository, &args.machine, context)?;
        let listed = history::snapshots(&repository, std::slice::from_ref(&machine))?;
        for (seq, error) in listed.iter().filter_map(|listed| Some((listed.seq, listed.manifest.as_ref().err()?))) {
            context.output.warn(format!("snapshot {seq} cannot be read: {error}"));
        }
        Ok(listed)
    };
    let (listed, contents) = reading::with_contents(&repository, context, list)?;
    let mut any_problem = listed.iter().any(|listed| listed.manifest.is_err());
    let manifests = || listed.iter().filter_map(|listed| listed.manifest.as_ref().ok());
    let path = manifests().next_back().map_or_else(Vec::new, |latest| typed::path(latest, &args.path));
    let versions = history::versions(&contents, manifests(), &path);
    if versions.is_empty() {
        let what = format!("no snapshot holds {}", args.path.display());
        return Err(CliError::refused(
            what,
            "`rozenctl find PATTERN` looks for names; `rozenctl ls latest` lists them.",
        ));
    }
    for version in &versions {
        any_problem |= version.entry.is_err();
        print(version, &context.output)?;
    }
    Ok(Exit::done(any_problem))
}

fn print(version: &Version, output: &Output) -> Result<(), CliError> {
    let what = match &version.entry {
        Ok(Some(found)) => entries::line(&found.shown, &found.entry),
        Ok(None) => "(not there)".to_owned(),
        Err(error) => format!("(cannot be told: {})", printable(&with_causes(error))),
    };
    output.line(format!("{:>6}  {}  {what}", version.seq.0, show::local_time(version.time)))?;
    output.json(|| {
        json!({
            "snapshot": version.seq, "time": show::json_time(Some(version.time)),
            "entry": version.entry.as_ref().ok().and_then(Option::as_ref).map(|found| entries::fields(&found.entry)),
            "error": version.entry.as_ref().err().map(|error| with_causes(error)),
        })
    })
}
