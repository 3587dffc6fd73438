//! `rozenctl diff`: what changed between two snapshots.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::entries::{self, Printer};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::reading::{self, MachineArg, ReadArgs};
use crate::history::{self, Change, ChangeKind};
use crate::status::printable;

/// Show what changed between two snapshots
///
/// + added, - removed, M other content, m other metadata.
#[derive(Args, Debug)]
pub(in crate::cli) struct DiffArgs {
    /// `latest`, a number, or a time
    #[arg(value_name = "BEFORE")]
    before: String,
    #[arg(value_name = "AFTER", default_value = "latest")]
    after: String,
    #[command(flatten)]
    machine: MachineArg,
    #[command(flatten)]
    read: ReadArgs,
}

pub(in crate::cli) fn run(args: &DiffArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = reading::open_to_show(&args.read, context)?;
    let pick = || {
        let machine = reading::pick_machine(&repository, &args.machine, context)?;
        let before = reading::pick_of(&repository, &machine, &args.before, context)?;
        Ok((before, reading::pick_of(&repository, &machine, &args.after, context)?))
    };
    let ((before, after), contents) = reading::with_contents(&repository, context, pick)?;
    let mut printer = Printer::new(&context.output);
    history::diff(&contents, &before.manifest, &after.manifest, &mut |change| {
        let printed = print(&change, &context.output);
        printer.take(printed)
    })?;
    printer.finish()?;
    Ok(Exit::done(!before.is_sure() || !after.is_sure()))
}

fn print(change: &Change, output: &Output) -> Result<(), CliError> {
    let (sign, name) = match change.kind {
        ChangeKind::Added => ('+', "added"),
        ChangeKind::Removed => ('-', "removed"),
        ChangeKind::Content => ('M', "content"),
        ChangeKind::Metadata => ('m', "metadata"),
    };
    output.line(format!("{sign} {}", printable(&String::from_utf8_lossy(&change.shown))))?;
    output.json(|| {
        let mut fields = entries::path(&change.shown);
        fields.insert("change".to_owned(), json!(name));
        for (key, entry) in [("before", &change.before), ("after", &change.after)] {
            fields.insert(key.to_owned(), entry.as_ref().map_or(Value::Null, |entry| json!(entries::fields(entry))));
        }
        Value::Object(fields)
    })
}
