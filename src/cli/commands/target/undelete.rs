//! `rozenctl target undelete`: what somebody deleted or replaced in a bucket with versions is brought back.

use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use serde_json::{Value, json};

use super::confirm::confirm;
use super::which::WhichArgs;
use crate::bucket::{self, Tally};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::show;
use crate::history::{HistoryError, SnapshotSpec};
use crate::model::Timestamp;
use crate::status::counted;
use crate::store::{Limiter, Store, StoreError, StoreUrl};

/// Bring back what somebody deleted or replaced in a bucket that keeps versions
///
/// Takes delete markers away, and puts a copy of what was stored first over what somebody put in its place: backups are
/// written once and never changed. Deletes nothing that was stored. Shows first what it would do, then asks; may be
/// interrupted, and run again. Run it with an admin's credentials, after those of the thief were locked out.
#[derive(Args, Debug)]
pub(super) struct UndeleteArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Bring back only what was there just before this time, such as 2026-11-20, 2026-11-20T12:00 or "2 days ago"
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &UndeleteArgs, context: &Context) -> Result<Exit, CliError> {
    // each step is one request, and may be cut off anywhere
    context.end_at_once()?;
    let before = args.before.as_deref().map(|text| moment(text, context)).transpose()?;
    let store = bucket(args, context)?;
    let plan = walk("looked at", context, |seen| bucket::survey(&store, before, seen))?;
    context.output.line(format!("{}\n{plan}", store.place()))?;
    let done = match plan.has_work() && !args.dry_run {
        true => {
            confirm(args.yes, context)?;
            Some(walk("done", context, |seen| bucket::undelete(&store, before, seen))?)
        }
        false => None,
    };
    tell(&plan, done.as_ref(), args, context)?;
    context.output.json(|| {
        let (before, done) = (show::json_time(before), done.map_or(Value::Null, |done| json!(done)));
        json!({ "target": store.place(), "dry_run": args.dry_run, "before": before, "plan": plan, "done": done })
    })?;
    Ok(Exit::done(done.unwrap_or(plan).leaves_something()))
}

fn bucket(args: &UndeleteArgs, context: &Context) -> Result<Store, CliError> {
    match args.which.url(context)? {
        url @ StoreUrl::S3(_) => context.store(&url.to_string(), &Limiter::unlimited()),
        url @ StoreUrl::Dir(_) => Err(CliError::usage(
            format!("{url} keeps no versions: what was deleted there is gone"),
            "Give a bucket with --repo s3://bucket/prefix.",
        )),
    }
}

/// Its beginning: what was stored in a day, or a minute, was not there before it.
fn moment(text: &str, context: &Context) -> Result<Timestamp, CliError> {
    let text = text.trim();
    let is_plain = !text.bytes().any(|b| b.is_ascii_lowercase());
    let whole = match text.len() {
        10 if is_plain => format!("{text}T00:00:00"),
        16 if is_plain => format!("{text}:00"),
        _ => text.to_owned(),
    };
    let viewer = show::viewer(&context.clock);
    match SnapshotSpec::parse(&whole, viewer.now, viewer.offset).map_err(HistoryError::from)? {
        SnapshotSpec::At(time) => Ok(Timestamp::new(time.secs, 0)),
        SnapshotSpec::Latest | SnapshotSpec::Seq(_) => {
            Err(CliError::usage(format!("{text:?} is no time"), "Give one such as 2026-11-20T12:00."))
        }
    }
}

/// A line shows how far it is.
fn walk(
    what: &'static str,
    context: &Context,
    work: impl FnOnce(&mut dyn FnMut(&Tally)) -> Result<Tally, StoreError>,
) -> Result<Tally, CliError> {
    let seen = Arc::new(Mutex::new(Tally::default()));
    let shown = seen.clone();
    let line = move || {
        let tally = *shown.lock().unwrap_or_else(PoisonError::into_inner);
        let hidden = tally.uncovered + tally.put_back;
        format!("{what}: {}, {hidden} of them deleted or replaced", counted(tally.right + hidden, "object", "objects"))
    };
    let _live = show::Live::start(&context.output, line);
    Ok(work(&mut |tally| *seen.lock().unwrap_or_else(PoisonError::into_inner) = *tally)?)
}

fn tell(plan: &Tally, done: Option<&Tally>, args: &UndeleteArgs, context: &Context) -> Result<(), CliError> {
    let output = &context.output;
    match done {
        Some(done) => {
            let (uncovered, put_back) = (done.uncovered, done.put_back);
            output.line(format!("done: {uncovered} no more deleted, {put_back} put back"))?;
            output.line("Now look whether all is there: rozenctl check --read-data")
        }
        None if !plan.has_work() => output.line("there is nothing to bring back"),
        None if args.dry_run => output.line("nothing was changed"),
        None => Ok(()),
    }
}
