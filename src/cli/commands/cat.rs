//! `rozenctl cat`: one file of a snapshot to the standard output.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Args;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::reading::{self, ReadArgs, SnapshotArg};
use crate::cli::typed;
use crate::history;

/// Write a file of a snapshot to the standard output
#[derive(Args, Debug)]
pub(in crate::cli) struct CatArgs {
    #[command(flatten)]
    snapshot: SnapshotArg,
    /// The file: absolute as it was, from where you stand, or NAME:PATH
    #[arg(value_name = "PATH")]
    path: OsString,
    #[command(flatten)]
    read: ReadArgs,
}

pub(in crate::cli) fn run(args: &CatArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = reading::open_to_show(&args.read, context)?;
    let pick = || reading::pick(&repository, &args.snapshot, context);
    let (picked, contents) = reading::with_contents(&repository, context, pick)?;
    let mut out = io::BufWriter::with_capacity(1 << 20, io::stdout().lock());
    history::cat(&contents, &picked.manifest, &typed::path(&picked.manifest, &args.path), &mut out)?;
    out.flush().map_err(CliError::Output)?;
    Ok(Exit::done(!picked.is_sure()))
}
