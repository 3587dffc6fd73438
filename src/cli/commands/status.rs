//! `rozenctl status`: what is safe, what runs, what needs a person.

use std::ops::ControlFlow;

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::{protection, show};
use crate::control::ControlError;
use crate::status::{self, Status};

/// Show what is safe and what the agent does
///
/// Exit code 3 when there are problems, 4 when the agent does not run.
#[derive(Args, Debug)]
pub(in crate::cli) struct StatusArgs {
    /// Show every change until Ctrl-C; with --json one line for each
    #[arg(long)]
    watch: bool,
}

pub(in crate::cli) fn run(args: &StatusArgs, context: &Context) -> Result<Exit, CliError> {
    let mut agent = context.agent()?;
    if args.watch {
        return watch(agent, context);
    }
    let status = agent.status()?;
    print(&status, context)?;
    Ok(Exit::done(!status.problems.is_empty()))
}

fn watch(agent: crate::control::Client, context: &Context) -> Result<Exit, CliError> {
    let mut result = Ok(());
    let ended = agent.watch(|status| {
        result = context.output.clear().and_then(|()| print(status, context));
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    result?;
    match ended {
        // it is how a person ends it
        Err(ControlError::Interrupted) => Ok(Exit::Interrupted),
        ended => Ok(ended.map(|()| Exit::Done)?),
    }
}

fn print(status: &Status, context: &Context) -> Result<(), CliError> {
    context.output.line(status::render(status, &show::viewer(&context.clock)).trim_end())?;
    if let Some(found) = protection::found_before(&status.repository, &context.places()?.state) {
        context.output.line(found)?;
    }
    context.output.json(|| json!(status))
}
