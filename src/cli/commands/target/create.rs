//! `rozenctl target create`: a bucket as it should be.

use clap::Args;
use serde_json::json;

use super::confirm::confirm;
use super::which::{WhichArgs, uploaders, warn_of_no_tls};
use crate::bucket::{self, Place, Plan, Retention, Step, Wish};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::store::{S3Client, StoreUrl};

/// Make a bucket, or make one right: public access blocked, versions kept, nothing replaced
///
/// Shows first what it would do, then asks. Settings that are right stay as they are, and a policy of somebody else is never
/// replaced. Run it with an admin's credentials.
#[derive(Args, Debug)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Lock every new object for so many days: NOBODY can delete it before, and it is paid for so long
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    lock: Option<u32>,
    /// With --lock: who may bypass governance can delete before
    #[arg(long, requires = "lock")]
    governance: bool,
    /// The user or role of a machine, which the policy then forbids to delete, whatever its own policies say
    #[arg(long, value_name = "ARN")]
    uploader: Vec<String>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &CreateArgs, context: &Context) -> Result<Exit, CliError> {
    // whatever is tried is small, and may be cut off anywhere
    context.end_at_once()?;
    let StoreUrl::S3(address) = args.which.url(context)? else {
        return Err(CliError::usage(
            "only buckets are made right this way",
            "Give one with --repo s3://bucket/prefix.",
        ));
    };
    let client = S3Client::open(&address)?;
    let lock = args.lock.map(|days| Retention { compliance: !args.governance, days });
    let wish = Wish { lock, uploaders: uploaders(&args.uploader)? };
    let plan = bucket::plan(&client, &wish)?;
    show(&plan, &address.to_string(), context)?;
    if plan.steps.iter().any(|step| matches!(step, Step::SetPolicy(_))) {
        warn_of_no_tls(&Place::of(&address), context);
    }
    let mut by_hand = plan.by_hand.clone();
    if !plan.steps.is_empty() && !args.dry_run {
        confirm(args.yes, context)?;
        by_hand = bucket::create(&client, &plan, &wish, |step| context.output.note(format!("done: {step}")))?;
        for what in by_hand.iter().filter(|what| !plan.by_hand.contains(what)) {
            context.output.line(format!("  by hand: {what}"))?;
        }
    }
    let left = by_hand.len();
    context
        .output
        .json(|| json!({ "target": address.to_string(), "dry_run": args.dry_run, "plan": plan, "by_hand": by_hand }))?;
    if !args.dry_run {
        context.output.line("Now see whether it holds, with the credentials of the backup: rozenctl target check")?;
    }
    Ok(Exit::done(left > 0))
}

fn show(plan: &Plan, target: &str, context: &Context) -> Result<(), CliError> {
    if plan.is_empty() {
        return context.output.line(format!("{target} is right: there is nothing to do"));
    }
    context.output.line(format!("{target}\n{}", plan.to_string().trim_end()))
}
