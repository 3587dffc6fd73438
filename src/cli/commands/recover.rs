//! `rozenctl recover`: the computer is gone, another one goes on in its place.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::context::{Context, quoted};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::reading::{self, ReadArgs};
use crate::cli::recovering::{self, Candidate, Plan, Recovered, Settings};
use crate::cli::show;
use crate::status::{bytes, counted, printable};

/// Set this computer up in the place of one that was lost
///
/// Brings back the settings, makes a new machine key and goes on with the history
/// of the lost machine: what is stored is not uploaded again. Files are not
/// restored by it; it says how to, and in which order. If the old computer still
/// runs, stop its agent first: only one may go on.
///
/// Examples:
///   rozenctl recover --repo /mnt/disk/backup --recovery recovery.txt --dry-run
///   rozenctl recover --repo /mnt/disk/backup --recovery recovery.txt --machine laptop
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct RecoverArgs {
    /// The machine: its id, the beginning of it, or its host name [default: the only one]
    #[arg(long, value_name = "NAME")]
    machine: Option<String>,
    /// Write the configuration here [default: where the agent looks for it]
    #[arg(long, value_name = "FILE")]
    to_config: Option<PathBuf>,
    /// Show the machines and what would be made; write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    read: ReadArgs,
}

pub(in crate::cli) fn run(args: &RecoverArgs, context: &Context) -> Result<Exit, CliError> {
    let mut places = context.places()?;
    if let Some(path) = &args.to_config {
        places.config = absolute(path)?;
    }
    let (repository, recovery) = reading::open_with_secret(&args.read, context)?;
    let candidates = recovering::candidates(&repository, context)?;
    let machines: Vec<Value> = candidates.iter().map(as_json).collect();
    for candidate in &candidates {
        let is_meant = candidates.len() > 1 && args.machine.as_ref().is_some_and(|wanted| candidate.fits(wanted));
        tell_machine(candidate, is_meant, context)?;
    }
    if args.dry_run && args.machine.is_none() && candidates.len() != 1 {
        context.output.line("name one with --machine to see what would be made")?;
        context.output.json(|| json!({ "dry_run": true, "machines": machines }))?;
        return Ok(Exit::Done);
    }
    let chosen = recovering::choose(candidates, args.machine.as_deref())?;
    let plan = recovering::plan(&repository, chosen, places, context)?;
    let recovered = match args.dry_run {
        true => None,
        false => Some(recovering::carry_out(&plan, repository, &recovery.secret, context.clock.wall_ms())?),
    };
    let next = next_steps(&plan, args, context);
    tell(&plan, recovered.as_ref(), &next, context)?;
    context.output.json(|| result(&plan, recovered.as_ref(), machines, &next))?;
    Ok(Exit::Done)
}

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    let failed = |source| CliError::File { doing: "find the place of", path: path.into(), source };
    std::path::absolute(path).map_err(failed)
}

fn tell_machine(candidate: &Candidate, is_meant: bool, context: &Context) -> Result<(), CliError> {
    let output = &context.output;
    let (name, snapshots) = (candidate.name(), counted(candidate.snapshots as u64, "snapshot", "snapshots"));
    output.line(format!("machine {name}, {snapshots}{}", if is_meant { ": this one" } else { "" }))?;
    let Some(newest) = &candidate.newest else { return output.line("    nothing that can be read") };
    output.line(format!("    last snapshot {} of {}", newest.seq, show::local_time(newest.body.finished)))?;
    newest.body.roots.iter().try_for_each(|root| {
        let path = printable(&String::from_utf8_lossy(&root.path));
        let entries = counted(root.entries, "entry", "entries");
        output.line(format!("    {path} as `{}`: {entries}, {}", root.id, bytes(root.bytes)))
    })
}

fn tell(plan: &Plan, recovered: Option<&Recovered>, next: &[String], context: &Context) -> Result<(), CliError> {
    let output = &context.output;
    let verb = if recovered.is_some() { "recovered" } else { "would be recovered" };
    output.line(format!("\nmachine {} {verb}:", plan.candidate.name()))?;
    let origin = match plan.settings {
        Settings::Stored => "as it was stored with the last snapshot",
        Settings::Default => "made of the last snapshot: its settings were not stored, look at them",
    };
    output.line(format!("configuration  {} ({origin})", plan.places.config.display()))?;
    let key = if plan.keeps_key() { "found there, kept" } else { "new" };
    output.line(format!("machine key    {} ({key})", plan.config.machine_key.display()))?;
    let known = recovered.map(|done| {
        format!(" ({} known: nothing of them is uploaded again)", counted(done.rebuilt.packs, "pack", "packs"))
    });
    output.line(format!("state          {}{}", plan.places.state.display(), known.unwrap_or_default()))?;
    output.line("\nNext, in this order:")?;
    for (number, step) in (1..).zip(next) {
        output.line(format!("  {number}. {step}"))?;
    }
    output.line(
        "\nA folder that holds far less than its last snapshot did is not backed up: nothing counts as deleted because it \
         has not been restored yet.",
    )
}

/// Commands as they are to be typed.
fn next_steps(plan: &Plan, args: &RecoverArgs, context: &Context) -> Vec<String> {
    let flags = context.flags_for(&plan.places);
    let secret = match reading::recovery_path(&args.read) {
        // also typed in another directory
        Some(path) if path != Path::new("-") => quoted(&std::path::absolute(&path).unwrap_or(path)),
        _ => "-".to_owned(),
    };
    let start = match rustix::process::geteuid().is_root() && flags.is_empty() {
        true => "systemctl enable --now rozend",
        false => "rozenctl up",
    };
    vec![
        format!("look at the configuration: {}", quoted(&plan.places.config)),
        format!("bring the files back:      rozenctl{flags} restore latest --in-place --recovery {secret}"),
        format!("make a backup:             rozenctl{flags} backup --once"),
        format!("start the agent:           {start}{}", if start == "rozenctl up" { flags.as_str() } else { "" }),
    ]
}

fn as_json(candidate: &Candidate) -> Value {
    let newest = candidate.newest.as_ref();
    json!({
        "machine": candidate.machine.id, "snapshots": candidate.snapshots,
        "host": newest.map(|newest| &newest.body.host),
        "last_snapshot": newest.map(|newest| newest.seq),
        "finished": show::json_time(newest.map(|newest| newest.body.finished)),
        "roots": newest.iter().flat_map(|newest| &newest.body.roots).map(|root| json!({
            "id": root.id, "path": String::from_utf8_lossy(&root.path), "entries": root.entries, "bytes": root.bytes,
        })).collect::<Vec<_>>(),
    })
}

fn result(plan: &Plan, recovered: Option<&Recovered>, machines: Vec<Value>, next: &[String]) -> Value {
    json!({
        "dry_run": recovered.is_none(), "machines": machines, "machine": plan.candidate.machine.id,
        "key_serial": recovered.map(|done| done.serial), "config": plan.places.config,
        "config_was_stored": plan.settings == Settings::Stored, "machine_key": plan.config.machine_key,
        "state": plan.places.state, "packs_known": recovered.map(|done| done.rebuilt.packs), "next": next,
    })
}
