//! From the process to one command and back to an exit code.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use super::args::{Arguments, Command};
use super::commands::{backup, init, snapshots};
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::Output;

/// Parses the command line, runs the command, prints what went wrong.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let output = Output::new(arguments.global.json, arguments.global.verbose);
    output.start_logging();
    let result = Context::new(arguments.global, output.clone()).and_then(|context| run(arguments.command, &context));
    match result {
        Ok(exit) => exit.into(),
        // whoever read our output has what they wanted: `rozenctl ls … | head`
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done.into(),
        Err(error) => {
            output.error(&error);
            error.exit().into()
        }
    }
}

fn run(command: Command, context: &Context) -> Result<Exit, CliError> {
    match command {
        Command::Init(args) => init::run(&args, context),
        Command::Backup(args) => backup::run(&args, context),
        Command::Snapshots(args) => snapshots::run(&args, context),
    }
}

/// Help and version are no errors; everything else is told by clap itself.
fn usage(error: &clap::Error) -> ExitCode {
    // a closed terminal changes nothing about the exit code
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done.into(),
        _ => Exit::Usage.into(),
    }
}
