//! `rozenctl restore`: files back from a snapshot.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cli::at_once::AtOnce;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::prices::Prices;
use crate::cli::read_plan::{self, ReadPlan, ThawArgs};
use crate::cli::reading::{self, ReadArgs, SnapshotArg};
use crate::cli::restoring::Restoring;
use crate::cli::show;
use crate::cli::typed;
use crate::format::Manifest;
use crate::history::Picked;
use crate::model::base64_encode;
use crate::repo::Contents;
use crate::restore::{self, Overwrite, Plan, PlanTotals, Reads, RestoreOptions, RestoreReport, RestoreTo};
use crate::source::OwnerPolicy;
use crate::status::{bytes, counted, printable};

/// Get files back
///
/// With --to, the content of the folder goes straight into DIR (into DIR/<name>
/// when the snapshot holds several folders). Started again, an interrupted
/// restore goes on where it stopped.
///
/// Everything, on any computer:
///   rozenctl restore latest --repo /mnt/disk/backup --recovery recovery.txt --to ~/restored
/// One file of last Monday, by its old path:
///   rozenctl restore 2026-11-16T09:00 --recovery recovery.txt --to /tmp/x /home/ann/thesis.odt
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, group(ArgGroup::new("where").required(true)))]
pub(in crate::cli) struct RestoreArgs {
    #[command(flatten)]
    snapshot: SnapshotArg,
    /// What to restore: absolute as it was, from where you stand, or NAME:PATH [default: everything]
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,
    /// Restore into this directory
    #[arg(long, value_name = "DIR", group = "where")]
    to: Option<PathBuf>,
    /// Restore to where the files were
    #[arg(long, group = "where")]
    in_place: bool,
    /// What to do with what is there already and differs; a folder is never replaced by something else
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Never)]
    overwrite: When,
    /// Give files to users and groups of the same names, not numbers
    #[arg(long)]
    owner_names: bool,
    /// Show what would be restored, write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    thaw: ThawArgs,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum When {
    /// Keep them
    Never,
    /// Replace them when size, time or type differ; else set owner, mode, attributes and flags that do
    Changed,
    /// Replace them
    Always,
}

pub(in crate::cli) fn run(args: &RestoreArgs, context: &Context) -> Result<Exit, CliError> {
    let repository = reading::open(&args.read, context)?;
    let pick = || reading::pick(&repository, &args.snapshot, context);
    let (picked, contents) = reading::with_contents(&repository, context, pick)?;
    let manifest = &picked.manifest;
    let options = options(args, manifest);
    let prices = Prices::of(repository.store.place(), &args.thaw.cost, context)?;
    let reads = match prices.matter(&args.thaw.cost) {
        true => Some(Reads::find(&contents, manifest, &options)?),
        false => Reads::of_archive(&contents, manifest, &options)?,
    };
    if args.dry_run {
        let plan = reads.as_ref().map(|reads| Planned::new(reads, &prices, &args.thaw)).transpose()?;
        return dry_run(&contents, &picked, &options, plan.as_ref(), context);
    }
    let restoring =
        Restoring { repository: &repository, manifest, options, prices: &prices, args: &args.thaw, context };
    tell(&restoring.run(contents, reads)?, &picked, context)
}

/// What is read, and how.
enum Planned<'a> {
    Archive(ReadPlan<'a>),
    AtOnce(AtOnce<'a>),
}

impl<'a> Planned<'a> {
    fn new(reads: &Reads, prices: &'a Prices, args: &ThawArgs) -> Result<Self, CliError> {
        match reads.has_archived() {
            true => ReadPlan::new(reads, prices, args).map(Self::Archive),
            false => read_plan::at_once(reads, prices).map(Self::AtOnce),
        }
    }
}

fn dry_run(
    contents: &Contents,
    picked: &Picked,
    options: &RestoreOptions,
    reads: Option<&Planned>,
    context: &Context,
) -> Result<Exit, CliError> {
    let plan = restore::plan(contents, &picked.manifest, options)?;
    for (from, to) in plan.moves() {
        context.output.line(format!(
            "{} -> {}",
            printable(&from.to_string_lossy()),
            printable(&to.to_string_lossy())
        ))?;
    }
    plan.totals.iter().flat_map(totals_lines).try_for_each(|line| context.output.line(line))?;
    match reads {
        Some(Planned::Archive(plan)) => plan.lines(context).iter().try_for_each(|line| context.output.line(line))?,
        Some(Planned::AtOnce(plan)) => context.output.line(plan.line(context))?,
        None => {}
    }
    show::problems(&context.output, &plan.problems);
    context.output.json(|| {
        let (archive, at_once) = match reads {
            Some(Planned::Archive(plan)) => (plan.json(), Value::Null),
            Some(Planned::AtOnce(plan)) => (Value::Null, plan.json()),
            None => (Value::Null, Value::Null),
        };
        json!({
            "dry_run": true, "snapshot": picked.manifest.seq, "passed_over": reading::passed_over(picked),
            "old_key": reading::old_key(picked), "plan": plan_json(&plan), "archive": archive, "at_once": at_once,
        })
    })?;
    Ok(Exit::done(!plan.problems.is_empty() || !picked.is_sure()))
}

fn totals_lines(totals: &PlanTotals) -> Vec<String> {
    let standing = [
        ("there already", totals.there),
        ("kept as they are, though they differ (--overwrite)", totals.kept),
        ("replaced", totals.replaced),
        ("not restored, as something that is no folder stands in the way", totals.blocked),
    ];
    let told = standing.into_iter().filter(|(_, count)| *count > 0);
    let told = told.map(|(what, count)| format!("{what}: {}", counted(count, "entry", "entries")));
    std::iter::once(totals_line(totals)).chain(told).collect()
}

fn totals_line(totals: &PlanTotals) -> String {
    let files = counted(totals.files, "file", "files");
    let (dirs, others) =
        (counted(totals.dirs, "folder", "folders"), counted(totals.others, "other entry", "other entries"));
    let line = format!("{files} ({}), {dirs}, {others}", bytes(totals.bytes));
    match totals.lost {
        0 => line,
        lost => format!("{line}; lost: {}", counted(lost, "entry", "entries")),
    }
}

fn move_json(from: &Path, to: &Path) -> Value {
    let mut fields = Map::new();
    for (name, path) in [("from", from), ("to", to)] {
        let bytes = path.as_os_str().as_bytes();
        fields.insert(name.to_owned(), json!(path.to_string_lossy()));
        if path.to_str().is_none() {
            fields.insert(format!("{name}_b64"), json!(base64_encode(bytes)));
        }
    }
    Value::Object(fields)
}

fn plan_json(plan: &Plan) -> Value {
    let moves = plan.moves().into_iter();
    json!({
        "paths": moves.map(|(from, to)| move_json(&from, &to)).collect::<Vec<_>>(), "problems": plan.problems,
        "totals": plan.totals.map(|totals| json!({
            "files": totals.files, "bytes": totals.bytes, "directories": totals.dirs,
            "other_entries": totals.others, "lost": totals.lost,
            "there": totals.there, "kept": totals.kept, "replaced": totals.replaced, "blocked": totals.blocked,
        })),
    })
}

fn options(args: &RestoreArgs, manifest: &Manifest) -> RestoreOptions {
    let to = args.to.clone().map_or(RestoreTo::InPlace, RestoreTo::Dir);
    let overwrite = match args.overwrite {
        When::Never => Overwrite::Never,
        When::Changed => Overwrite::Changed,
        When::Always => Overwrite::Always,
    };
    let owner = if args.owner_names { OwnerPolicy::Names } else { OwnerPolicy::default() };
    let paths = args.paths.iter().map(|path| typed::path(manifest, path)).collect();
    RestoreOptions { paths, overwrite, owner, ..RestoreOptions::new(to) }
}

fn tell(report: &RestoreReport, picked: &Picked, context: &Context) -> Result<Exit, CliError> {
    let seq = picked.manifest.seq;
    context.output.line(format!(
        "restored {} ({}), {} from snapshot {seq}",
        counted(report.files, "file", "files"),
        bytes(report.bytes),
        counted(report.dirs, "folder", "folders"),
    ))?;
    if report.skipped > 0 {
        context.output.line(format!("there already: {}", counted(report.skipped, "entry", "entries")))?;
    }
    if report.kept > 0 {
        context.output.line(format!(
            "kept as they are, though they differ (--overwrite): {}",
            counted(report.kept, "entry", "entries")
        ))?;
    }
    context.output.json(|| {
        json!({
            "snapshot": seq, "passed_over": reading::passed_over(picked), "old_key": reading::old_key(picked),
            "restored": report,
        })
    })?;
    if report.problem_count > 0 {
        context
            .output
            .warn(format!("{}; everything else is restored", counted(report.problem_count, "problem", "problems")));
        show::problems(&context.output, &report.problems);
        let unlisted = report.problem_count - report.problems.len() as u64;
        if unlisted > 0 {
            context.output.note(format!("  … and {} like these that nothing lists", counted(unlisted, "more", "more")));
        }
    }
    if let Some((newest, _)) = picked.unreadable.first() {
        context.output.warn(format!("this is not snapshot {newest}, which cannot be read: it is older"));
    }
    Ok(Exit::done(!report.is_clean() || !picked.is_sure()))
}
