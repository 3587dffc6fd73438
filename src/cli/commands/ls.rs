//! `rozenctl ls`: what is in a snapshot.

use std::ffi::OsString;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::entries::Printer;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::reading::{self, ReadArgs, SnapshotArg};
use crate::cli::typed;
use crate::history;

/// List what is in a snapshot; with --json all metadata, one object per line
#[derive(Args, Debug)]
pub(in crate::cli) struct LsArgs {
    #[command(flatten)]
    snapshot: SnapshotArg,
    /// A folder or file: absolute as it was, from where you stand, or NAME:PATH
    #[arg(value_name = "PATH")]
    path: Option<OsString>,
    /// Also everything below
    #[arg(short, long)]
    recursive: bool,
    #[command(flatten)]
    read: ReadArgs,
}

pub(in crate::cli) fn run(args: &LsArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = reading::open_to_show(&args.read, context)?;
    let pick = || reading::pick(&repository, &args.snapshot, context);
    let (picked, contents) = reading::with_contents(&repository, context, pick)?;
    let mut printer = Printer::new(&context.output);
    let path = args.path.as_deref().map(|path| typed::path(&picked.manifest, path));
    history::list(&contents, &picked.manifest, path.as_deref(), args.recursive, &mut |event| printer.event(&event))?;
    Ok(Exit::done(printer.finish()? > 0 || !picked.is_sure()))
}
