//! `rozenctl snapshots`: what there is to restore.

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::reading::{self, ReadArgs};
use crate::cli::show;
use crate::format::Manifest;
use crate::status::{bytes, grouped, printable};

/// List the snapshots of a repository
#[derive(Args, Debug)]
pub(in crate::cli) struct SnapshotsArgs {
    #[command(flatten)]
    read: ReadArgs,
}

pub(in crate::cli) fn run(args: &SnapshotsArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = reading::open_to_show(&args.read, context)?;
    let (machines, mut problems) = repository.machines()?;
    for machine in &machines {
        context.output.line(format!("machine {}", machine.id))?;
        for snapshot in repository.snapshots(machine)? {
            match repository.manifest(machine, snapshot.seq) {
                Ok(manifest) => show_one(&manifest, context)?,
                Err(error) => problems.push(error),
            }
        }
    }
    problems.iter().for_each(|problem| context.output.warn(problem.to_string()));
    Ok(Exit::done(!problems.is_empty()))
}

fn show_one(manifest: &Manifest, context: &Context) -> Result<(), CliError> {
    let body = &manifest.body;
    let (entries, size) = body.roots.iter().fold((0, 0), |(n, b), root| (n + root.entries, b + root.bytes));
    context.output.line(format!(
        "{:>6}  {}  {:>12} {:<7}  {:>10}{}  {}",
        manifest.seq.0,
        show::local_time(body.started),
        grouped(entries),
        if entries == 1 { "entry" } else { "entries" },
        bytes(size),
        if body.partial { "  partial" } else { "" },
        printable(&body.host),
    ))?;
    context.output.json(|| {
        json!({
            "machine": manifest.machine.to_string(), "seq": manifest.seq, "host": body.host, "partial": body.partial,
            "started": show::json_time(Some(body.started)), "finished": show::json_time(Some(body.finished)),
            "problem_count": body.problem_count, "program": body.program,
            "roots": body.roots.iter().map(|root| json!({
                "id": root.id, "path": String::from_utf8_lossy(&root.path), "entries": root.entries,
                "bytes": root.bytes, "complete": root.complete, "frozen_by": root.frozen_by,
                "recovery_point": show::json_time(root.recovery_point),
            })).collect::<Vec<_>>(),
        })
    })
}
