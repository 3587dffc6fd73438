//! `rozenctl key`: the recovery secret in its two forms.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::reading::{self, ReadArgs};
use crate::cli::setup;
use crate::crypto::RecoveryCode;

/// Show or copy the recovery secret; what you have of it is needed for both
#[derive(Args, Debug)]
pub(in crate::cli) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand, Debug)]
enum KeyCommand {
    /// Show the recovery code of a recovery file
    Show(ReadArgs),
    /// Write another recovery file, from the code or another file, after checking that it opens the repository
    Write {
        /// The new file
        #[arg(value_name = "FILE")]
        out: PathBuf,
        /// Protect it with the passphrase that is the only line of this file
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        read: ReadArgs,
    },
}

pub(in crate::cli) fn run(args: &KeyArgs, context: &Context) -> Result<Exit, CliError> {
    match &args.command {
        KeyCommand::Show(read) => {
            let code = RecoveryCode::new(&reading::recovery(read, context)?.secret);
            let [first, second] = code.lines();
            context.output.line(format!("{first}\n{second}"))?;
            context.output.json(|| json!({ "recovery_code": code.as_str() }))?;
        }
        KeyCommand::Write { out, new_passphrase_file, read } => {
            let (repository, mut file) = reading::open_with_secret(read, context)?;
            file.repo_id = Some(repository.keys.repo_id);
            file.url_hint = Some(repository.store.place().to_owned());
            let passphrase = match new_passphrase_file {
                Some(path) => reading::passphrase(Some(path), context)?,
                None => None,
            };
            file.create(out, passphrase.as_ref())?;
            setup::tell_recovery_file(out, &context.output)?;
            context.output.json(|| json!({ "recovery_file": out }))?;
        }
    }
    Ok(Exit::Done)
}
