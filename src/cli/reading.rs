//! Opening a repository to read it: which one, and with which secret.

use std::path::{Path, PathBuf};

use clap::Args;

use super::context::{Context, variable};
use super::error::CliError;
use super::prompt;
use crate::crypto::{KeyFileError, Loaded, Passphrase, RecoveryFile};
use crate::repo::Repository;

/// Flags of every command that reads backups.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ReadArgs {
    /// The repository, when no configuration names it: a directory or file:///path
    #[arg(long, value_name = "URL", help_heading = "Repository")]
    pub(super) repo: Option<String>,
    /// The recovery file, or a file with the recovery code; `-` asks for the code [env: ROZEN_RECOVERY_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Repository")]
    pub(super) recovery: Option<PathBuf>,
    /// A file with the passphrase of the recovery file [env: ROZEN_PASSPHRASE_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Repository")]
    pub(super) passphrase_file: Option<PathBuf>,
}

/// Opens it for reading.
pub(super) fn open(args: &ReadArgs, context: &Context) -> Result<Repository, CliError> {
    let url = args.repo.clone().map_or_else(|| configured(context), |url| Ok(Some(url)));
    let recovery = recovery(args, context)?;
    let url = match (url, &recovery.url_hint) {
        (Ok(Some(url)), _) => url,
        (_, Some(hint)) => {
            context.output.note(format!("no configuration here; the recovery file names {hint}"));
            hint.clone()
        }
        (Err(error), None) => return Err(error),
        (Ok(None), None) => {
            return Err(CliError::usage("no repository is named", "Give it with --repo URL, or a configuration."));
        }
    };
    Ok(Repository::open(context.store(&url)?, &recovery.secret)?)
}

/// `None` when there is no configuration.
fn configured(context: &Context) -> Result<Option<String>, CliError> {
    match context.config() {
        Ok(config) => Ok(Some(config.repository)),
        Err(CliError::Config(crate::config::ConfigError::Missing { .. }) | CliError::Places(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The secret that the flags or the environment name.
pub(super) fn recovery(args: &ReadArgs, context: &Context) -> Result<RecoveryFile, CliError> {
    let path = args.recovery.clone().or_else(|| variable("ROZEN_RECOVERY_FILE").map(PathBuf::from));
    let path = path.ok_or(CliError::NoRecovery)?;
    let passphrase = passphrase(args.passphrase_file.as_deref(), context)?;
    if path == Path::new("-") {
        let text = prompt::recovery_code()?;
        return with_passphrase(passphrase, context, |given| RecoveryFile::parse(&text, given));
    }
    with_passphrase(passphrase, context, |given| RecoveryFile::load(&path, given))
}

/// From a file, if one is named.
pub(super) fn passphrase(flag: Option<&Path>, context: &Context) -> Result<Option<Passphrase>, CliError> {
    let path = flag.map(Path::to_path_buf).or_else(|| variable("ROZEN_PASSPHRASE_FILE").map(PathBuf::from));
    let Some(path) = path else { return Ok(None) };
    Ok(Some(warned(Passphrase::load(&path)?, context)))
}

/// Asks for the passphrase only when the file turns out to need one.
fn with_passphrase(
    given: Option<Passphrase>,
    context: &Context,
    open: impl Fn(Option<&Passphrase>) -> Result<Loaded<RecoveryFile>, KeyFileError>,
) -> Result<RecoveryFile, CliError> {
    let loaded = match open(given.as_ref()) {
        Err(error) if needs_passphrase(&error) && prompt::is_possible() => open(Some(&prompt::passphrase()?))?,
        other => other?,
    };
    Ok(warned(loaded, context))
}

fn needs_passphrase(error: &KeyFileError) -> bool {
    match error {
        KeyFileError::InFile { source, .. } => needs_passphrase(source),
        error => matches!(error, KeyFileError::PassphraseNeeded),
    }
}

/// The value, with its warnings shown.
pub(super) fn warned<T>(loaded: Loaded<T>, context: &Context) -> T {
    loaded.warnings.iter().for_each(|warning| context.output.warn(warning.to_string()));
    loaded.value
}
