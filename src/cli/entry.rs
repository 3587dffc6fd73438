//! From the process to one command and back to an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::filter::LevelFilter;

use super::args::{AgentArguments, Arguments, Command};
use super::commands::{
    agent, backup, cat, check, cost, diff, doctor, find, history, init, key, ls, pause, recover, restore, snapshots,
    status, target, up,
};
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use crate::history::HistoryError;
use crate::source::raise_open_file_limit;
use crate::status::printable;

/// Parses the command line, runs the command, prints what went wrong.
pub fn main() -> ExitCode {
    raise_open_file_limit();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let output = Output::new("rozenctl", arguments.json, arguments.common.verbose);
    output.start_logging(LevelFilter::WARN);
    let context = Context::new(arguments.common, output.clone());
    finish(&output, context.and_then(|context| run(arguments.command, &context)))
}

/// The same for the agent.
pub fn agent_main() -> ExitCode {
    raise_open_file_limit();
    let arguments = match AgentArguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    let output = Output::new("rozend", false, arguments.common.verbose);
    let context = Context::new(arguments.common, output.clone());
    finish(&output, context.and_then(|context| agent::run(&context)))
}

fn finish(output: &Output, result: Result<Exit, CliError>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        // whoever read our output has what they wanted: `rozenctl ls … | head`
        Err(CliError::Output(error) | CliError::History(HistoryError::Output(error)))
            if error.kind() == std::io::ErrorKind::BrokenPipe =>
        {
            Exit::Done.into()
        }
        Err(error) => {
            output.error(&error);
            error.exit().into()
        }
    }
}

fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Up(args) => up::run(&args, context),
        Command::Init(args) => init::run(&args, context),
        Command::Backup(args) => backup::run(&args, context),
        Command::Status(args) => status::run(&args, context),
        Command::Pause(args) => pause::run(&args, context),
        Command::Resume => pause::resume(context),
        Command::Restore(args) => restore::run(&args, context),
        Command::Recover(args) => recover::run(&args, context),
        Command::Ls(args) => ls::run(&args, context),
        Command::Find(args) => find::run(&args, context),
        Command::Cat(args) => cat::run(&args, context),
        Command::Diff(args) => diff::run(&args, context),
        Command::History(args) => history::run(&args, context),
        Command::Check(args) => check::run(&args, context),
        Command::Cost(args) => cost::run(&args, context),
        Command::Doctor => doctor::run(context),
        Command::Key(args) => key::run(&args, context),
        Command::Snapshots(args) => snapshots::run(&args, context),
        Command::Target(args) => target::run(&args, context),
    }
}

/// In an object for programs; which argument is not text we tell.
fn usage(error: &clap::Error) -> ExitCode {
    let is_json = wants_json(std::env::args_os());
    let own = match error.kind() {
        ErrorKind::InvalidUtf8 => Some(not_text(std::env::args_os())),
        _ => (!is_asked_for(error) && is_json).then(|| told(error)),
    };
    if let Some(own) = own {
        Output::new("rozenctl", is_json, 0).error(&own);
        return Exit::Usage.into();
    }
    explain(error)
}

/// In clap's own words.
fn explain(error: &clap::Error) -> ExitCode {
    // a closed terminal changes nothing about the exit code
    let _ = error.print();
    if is_asked_for(error) { Exit::Done.into() } else { Exit::Usage.into() }
}

/// Help and version are no errors.
fn is_asked_for(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

/// Of a command line that cannot be understood: what stands behind `--` is no flag.
fn wants_json(mut arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.by_ref().take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

/// clap's words: the first paragraph says what is wrong, the rest what would be right.
fn told(error: &clap::Error) -> CliError {
    const HELP: &str = "`rozenctl --help` lists commands and options.";
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return CliError::usage("no command is given", HELP);
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text).trim();
    match text.split_once("\n\n") {
        Some((what, remedy)) => CliError::usage(what, remedy.trim_start()),
        None => CliError::usage(text, HELP),
    }
}

/// clap does not say which.
fn not_text(arguments: impl Iterator<Item = OsString>) -> CliError {
    let bad: Vec<String> = arguments
        .filter(|argument| argument.to_str().is_none())
        .map(|argument| format!("`{}`", printable(&argument.to_string_lossy())))
        .collect();
    CliError::usage(
        format!("not UTF-8, where it must be: {}", bad.join(", ")),
        "Files and folders may have any name; a repository is written with %-escapes: file:///path%FF",
    )
}
