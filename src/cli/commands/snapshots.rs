//! `rozenctl snapshots`: what there is to restore.

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::kept::{self, Kept};
use crate::cli::reading::{self, ReadArgs};
use crate::cli::show;
use crate::format::Manifest;
use crate::repo::Succession;
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
    let mut kept = Kept::default();
    let mut old_keys = Vec::new();
    for machine in &machines {
        context.output.line(format!("machine {}", machine.id))?;
        let mut keys = Succession::default();
        for snapshot in repository.snapshots(machine)? {
            match repository.manifest(machine, snapshot.seq) {
                Ok(manifest) => {
                    old_keys.extend(keys.next(&manifest));
                    let is_kept = |root| kept.is_kept(&repository, machine, &manifest, root);
                    show_one(&manifest, &manifest.body.roots.iter().map(is_kept).collect::<Vec<_>>(), context)?;
                }
                Err(error) => problems.push(error),
            }
        }
    }
    problems.iter().for_each(|problem| context.output.warn(problem.to_string()));
    old_keys.iter().for_each(|old| context.output.warn(old.to_string()));
    Ok(Exit::done(!problems.is_empty() || !old_keys.is_empty()))
}

/// `is_kept`: of each root, whether it is in the snapshot without being backed up any more.
fn show_one(manifest: &Manifest, is_kept: &[Option<bool>], context: &Context) -> Result<(), CliError> {
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
    for (root, _) in body.roots.iter().zip(is_kept).filter(|(_, is_kept)| **is_kept == Some(true)) {
        context.output.line(format!("        {}", kept::line(root)))?;
    }
    context.output.json(|| {
        json!({
            "machine": manifest.machine.to_string(), "seq": manifest.seq, "host": body.host, "partial": body.partial,
            "started": show::json_time(Some(body.started)), "finished": show::json_time(Some(body.finished)),
            "problem_count": body.problem_count, "program": body.program,
            "roots": body.roots.iter().zip(is_kept).map(|(root, is_kept)| json!({
                "id": root.id, "path": String::from_utf8_lossy(&root.path), "entries": root.entries,
                "bytes": root.bytes, "complete": root.complete, "frozen_by": root.frozen_by,
                "recovery_point": show::json_time(root.recovery_point), "not_backed_up": is_kept,
            })).collect::<Vec<_>>(),
        })
    })
}
