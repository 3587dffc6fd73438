//! `rozenctl init`: sets a machine up without starting anything.

use std::path::PathBuf;

use clap::Args;

use crate::cli::already::{self, Again};
use crate::cli::context::{Context, variable};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::reading::{self, ReadArgs};
use crate::cli::setup::{self, Made, Wish};
use crate::config::{Config, Places};
use crate::store::StoreUrl;

/// Set up a backup: repository, keys, configuration
///
/// The recovery code is shown once: write it down and keep it away from this
/// computer. With --recovery-out it goes into a file instead. Without it nobody
/// can read the backups, this machine included.
///
/// A new backup:
///   rozenctl init --repo /mnt/disk/backup --root ~/Documents --recovery-out /media/usb/recovery.txt
/// One more machine, or this one after its configuration was lost:
///   rozenctl init --repo /mnt/disk/backup --root ~/Documents --recovery /media/usb/recovery.txt
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct InitArgs {
    /// Where the backups go: a directory (better on another disk) or s3://bucket/prefix
    #[arg(long, value_name = "URL")]
    repo: String,
    /// A folder to protect; may be given several times
    #[arg(long = "root", value_name = "DIR", required = true, num_args = 1..)]
    roots: Vec<PathBuf>,
    /// Write the recovery file here instead of showing the code
    #[arg(long, value_name = "FILE", conflicts_with = "recovery")]
    recovery_out: Option<PathBuf>,
    /// The recovery file of a repository that exists; `-` asks for the code
    #[arg(long, value_name = "FILE")]
    recovery: Option<PathBuf>,
    /// A file whose only line is the passphrase that protects the recovery file [env: ROZEN_PASSPHRASE_FILE]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

pub(in crate::cli) fn run(args: &InitArgs, context: &Context) -> Result<Exit, CliError> {
    let places = context.places()?;
    let url = StoreUrl::parse(&args.repo)?;
    let roots = setup::checked_roots(&args.roots, &url, &places)?;
    if std::fs::symlink_metadata(&places.config).is_ok() {
        let found = Config::load(&places.config)?;
        let wish = Again { url: &url, roots: &roots, recovery_out: args.recovery_out.as_deref() };
        already::check(&found, &wish, &places, context)?;
        return already::tell(&found, &places, context);
    }
    let wish = Wish { url, roots, secret: None, recovery_out: args.recovery_out.clone(), passphrase: None };
    let made = setup::set_up(with_secrets(args, wish, context)?, &places, context)?;
    tell(args, &made, &places, context)?;
    Ok(Exit::Done)
}

fn with_secrets(args: &InitArgs, wish: Wish, context: &Context) -> Result<Wish, CliError> {
    let read = ReadArgs {
        recovery: args.recovery.clone(),
        passphrase_file: args.passphrase_file.clone(),
        ..ReadArgs::default()
    };
    if args.recovery.is_some() {
        return Ok(Wish { secret: Some(reading::recovery(&read, context)?.secret), ..wish });
    }
    if args.recovery_out.is_none() && args.passphrase_file.is_some() {
        return Err(CliError::usage("a passphrase protects a recovery file", "Give --recovery-out FILE as well."));
    }
    // the environment may name a passphrase for other commands
    let wanted = args.recovery_out.is_some() && (args.passphrase_file.is_some() || has_passphrase_variable());
    let passphrase = if wanted { reading::passphrase(args.passphrase_file.as_deref(), context)? } else { None };
    Ok(Wish { passphrase, ..wish })
}

fn has_passphrase_variable() -> bool {
    variable("ROZEN_PASSPHRASE_FILE").is_some()
}

fn tell(args: &InitArgs, made: &Made, places: &Places, context: &Context) -> Result<(), CliError> {
    setup::tell(made, args.recovery_out.as_deref(), places, context)?;
    let flags = context.flags_for(places);
    context.output.line(format!(
        "\nNext: `rozenctl backup --once{flags}` for a backup now, or `rozenctl up{flags}` to back up continuously."
    ))
}
