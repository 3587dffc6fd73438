//! `rozenctl ls`: what is in a snapshot.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::entries::Printer;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::reading::{self, ReadArgs, SnapshotArg};
use crate::history;

/// List what is in a snapshot; with --json all metadata, one object per line
#[derive(Args, Debug)]
pub(in crate::cli) struct LsArgs {
    #[command(flatten)]
    snapshot: SnapshotArg,
    /// A folder or file: absolute as it was, NAME:PATH, or relative to the only folder
    #[arg(value_name = "PATH")]
    path: Option<OsString>,
    /// Also everything below
    #[arg(short, long)]
    recursive: bool,
    #[command(flatten)]
    read: ReadArgs,
}

pub(in crate::cli) fn run(args: &LsArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = reading::open(&args.read, context)?;
    let manifest = reading::pick(&repository, &args.snapshot, context)?;
    let contents = reading::contents(&repository, context)?;
    let mut printer = Printer::new(&context.output);
    let path = args.path.as_deref().map(OsStrExt::as_bytes);
    history::list(&contents, &manifest, path, args.recursive, &mut |event| printer.event(&event))?;
    Ok(Exit::done(printer.finish()? > 0))
}
