//! Opening a repository to read it: which one, and with which secret.

use std::path::{Path, PathBuf};

use clap::Args;

use super::context::{Context, variable};
use super::error::CliError;
use super::prompt;
use crate::crypto::{KeyFileError, Loaded, MachineKeys, Passphrase, RecoveryFile};
use crate::format::Manifest;
use crate::model::Seq;
use crate::repo::{Machine, RepoError, Repository};

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

/// Which snapshot.
#[derive(Args, Clone, Debug)]
pub(super) struct SnapshotArg {
    /// `latest` or the number of a snapshot
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    /// The machine that made it, when the repository has several (`rozenctl snapshots` lists them)
    #[arg(long, value_name = "ID", help_heading = "Repository")]
    machine: Option<String>,
}

/// Finds the snapshot and reads its manifest.
pub(super) fn pick(repository: &Repository, arg: &SnapshotArg, context: &Context) -> Result<Manifest, CliError> {
    let machine = pick_machine(repository, arg.machine.as_deref(), context)?;
    let snapshots = repository.snapshots(&machine)?;
    let found = match arg.snapshot.as_str() {
        "latest" => Some(snapshots.last().ok_or(RepoError::NoSnapshots(machine.id))?.seq),
        text => text.parse().ok().map(Seq).filter(|seq| snapshots.iter().any(|snapshot| snapshot.seq == *seq)),
    };
    let seq = found.ok_or_else(|| {
        CliError::usage(format!("there is no snapshot {:?}", arg.snapshot), "`rozenctl snapshots` lists what there is.")
    })?;
    Ok(repository.manifest(&machine, seq)?)
}

/// The one that was named, this machine itself, or the only one.
fn pick_machine(repository: &Repository, named: Option<&str>, context: &Context) -> Result<Machine, CliError> {
    let (mut machines, errors) = repository.machines()?;
    errors.iter().for_each(|error| context.output.warn(error.to_string()));
    if let Some(named) = named {
        let found = machines.into_iter().find(|machine| machine.id.to_string().starts_with(named));
        return Ok(found.ok_or_else(|| RepoError::NoMachine(named.to_owned()))?);
    }
    let own = context.config().ok().and_then(|config| MachineKeys::load(&config.machine_key).ok());
    if let Some(at) = own.and_then(|own| machines.iter().position(|machine| machine.id == own.value.machine_id)) {
        return Ok(machines.swap_remove(at));
    }
    match machines.len() {
        1 => Ok(machines.swap_remove(0)),
        0 => Err(RepoError::NoMachine("has stored anything".into()).into()),
        _ => Err(RepoError::WhichMachine(
            machines.iter().map(|machine| machine.id.to_string()).collect::<Vec<_>>().join(", "),
        )
        .into()),
    }
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
