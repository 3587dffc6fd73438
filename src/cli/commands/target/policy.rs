//! `rozenctl target policy`: policies ready to paste.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::which::{self, WhichArgs};
use crate::bucket::{self, Role, Whose};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::model::MachineId;

/// Print a policy for the bucket or for a user of it, ready to paste
///
/// Nothing is asked of the target. docs/targets.md says where each policy goes.
/// This machine's is for its own folder:
///   rozenctl target policy --for uploader > uploader.json
///   rozenctl target policy --for bucket --uploader arn:aws:iam::123456789012:user/laptop > bucket.json
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct PolicyArgs {
    /// Whom it is for
    #[arg(long = "for", value_name = "WHOM", value_enum)]
    whom: Whom,
    #[command(flatten)]
    which: WhichArgs,
    /// The machine whose folder it is [default: this one; without a configuration: all machines]
    #[arg(long, value_name = "ID")]
    machine: Option<MachineId>,
    /// With `--for bucket`: the user or role of a machine, which may then delete nothing whatever its own policies say
    #[arg(long, value_name = "ARN")]
    uploader: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Whom {
    /// The user of a machine that backs up: adds, never takes away
    Uploader,
    /// The user of a host that is to prepare a prune (no program does yet): reads all, adds, deletes nothing
    Gc,
    /// The user of a person: reads, deletes, changes the bucket
    Admin,
    /// The bucket itself
    Bucket,
}

pub(super) fn run(args: &PolicyArgs, context: &Context) -> Result<Exit, CliError> {
    if args.whom != Whom::Bucket && !args.uploader.is_empty() {
        return Err(CliError::usage("--uploader names whom the bucket's policy is against", "Use --for bucket."));
    }
    let place = args.which.place(context)?;
    let policy = bucket::policy(&role(args, context)?, &place);
    if args.whom == Whom::Bucket {
        which::warn_of_no_tls(&place, context);
    }
    context.output.line(policy.to_json())?;
    context.output.json(|| json!(policy))?;
    Ok(Exit::Done)
}

fn role(args: &PolicyArgs, context: &Context) -> Result<Role, CliError> {
    let whose = || {
        let whose = which::whose(args.machine, context)?;
        if whose == Whose::All {
            context.output.warn(
                "no machine is named and none is configured here: this policy is for the folders of all machines. \
                 Better make one for each, with --machine ID",
            );
        }
        Ok::<_, CliError>(whose)
    };
    Ok(match args.whom {
        Whom::Uploader => Role::Uploader(whose()?),
        Whom::Gc => Role::Gc(whose()?),
        Whom::Admin => Role::Admin,
        Whom::Bucket => Role::Bucket { uploaders: which::uploaders(&args.uploader)? },
    })
}
