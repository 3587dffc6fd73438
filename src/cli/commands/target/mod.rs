//! `rozenctl target`: is the storage safe, and what makes it so. Not here: what is looked at and decided (room `bucket`).

mod check;
mod confirm;
mod create;
mod policy;
mod undelete;
mod which;

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;

/// Look at the storage itself: what could a thief with this machine's credentials do?
#[derive(Args, Debug)]
pub(in crate::cli) struct TargetArgs {
    #[command(subcommand)]
    command: TargetCommand,
}

#[derive(Subcommand, Debug)]
enum TargetCommand {
    Check(check::CheckArgs),
    Create(create::CreateArgs),
    Policy(policy::PolicyArgs),
    Undelete(undelete::UndeleteArgs),
}

pub(in crate::cli) fn run(args: &TargetArgs, context: &Context) -> Result<Exit, CliError> {
    match &args.command {
        TargetCommand::Check(args) => check::run(args, context),
        TargetCommand::Create(args) => create::run(args, context),
        TargetCommand::Policy(args) => policy::run(args, context),
        TargetCommand::Undelete(args) => undelete::run(args, context),
    }
}
