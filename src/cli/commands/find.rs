//! `rozenctl find`: names in a snapshot.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::entries::Printer;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::reading::{self, MachineArg, ReadArgs};
use crate::history::{self, Pattern};

/// Find files by name
///
/// PATTERN is a part of a name, or a glob such as *.odt; with a slash in it, it is compared with the
/// whole path, as `find` prints it.
#[derive(Args, Debug)]
pub(in crate::cli) struct FindArgs {
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// Where to look: `latest`, a number, or a time
    #[arg(long, value_name = "SNAPSHOT", default_value = "latest")]
    snapshot: String,
    /// Take capital and small letters as the same
    #[arg(short, long)]
    ignore_case: bool,
    #[command(flatten)]
    machine: MachineArg,
    #[command(flatten)]
    read: ReadArgs,
}

pub(in crate::cli) fn run(args: &FindArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = reading::open_to_show(&args.read, context)?;
    let pick = || {
        let machine = reading::pick_machine(&repository, &args.machine, context)?;
        reading::pick_of(&repository, &machine, &args.snapshot, context)
    };
    let (picked, contents) = reading::with_contents(&repository, context, pick)?;
    let mut printer = Printer::new(&context.output);
    let pattern = Pattern::new(&args.pattern, args.ignore_case);
    history::find(&contents, &picked.manifest, &pattern, &mut |event| printer.event(&event))?;
    Ok(Exit::done(printer.finish()? > 0 || !picked.is_sure()))
}
