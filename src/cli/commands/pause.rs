//! `rozenctl pause` and `resume`.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::config::{format_duration, parse_duration};

/// Stop backing up for a while
///
/// Changes are still watched and noted; the backup catches up afterwards. A run under way ends early and goes on later.
#[derive(Args, Debug)]
pub(in crate::cli) struct PauseArgs {
    /// For how long, such as 30m or 2h [default: until `rozenctl resume`]
    #[arg(value_name = "TIME", value_parser = duration)]
    length: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a length of time such as 90s, 30m or 2h".to_owned())
}

pub(in crate::cli) fn run(args: &PauseArgs, context: &Context) -> Result<Exit, CliError> {
    context.agent()?.pause(args.length)?;
    context.output.line(match args.length {
        Some(length) => format!("paused for {}", format_duration(length)),
        None => "paused until `rozenctl resume`".to_owned(),
    })?;
    context.output.json(|| json!({ "paused": true, "seconds": args.length.map(|length| length.as_secs()) }))?;
    Ok(Exit::Done)
}

pub(in crate::cli) fn resume(context: &Context) -> Result<Exit, CliError> {
    context.agent()?.resume()?;
    context.output.line("backing up again")?;
    context.output.json(|| json!({ "paused": false }))?;
    Ok(Exit::Done)
}
