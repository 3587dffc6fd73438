//! Opening a repository to read it: which one, and with which secret.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use clap::Args;
use serde_json::{Value, json};

use super::context::{Context, variable};
use super::error::CliError;
use super::pacing::{self, Flags};
use super::stop::AtOnce;
use super::{kept, prompt, show};
use crate::config::Rate;
use crate::crypto::{KeyFileError, Loaded, MachineKeys, Passphrase, RecoveryFile};
use crate::history::{self, HistoryError, Picked, SnapshotSpec};
use crate::model::{Seq, with_causes};
use crate::repo::{Contents, Machine, RepoError, Repository};
use crate::store::Limiter;

/// Flags of every command that reads backups.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct ReadArgs {
    /// The repository, when no configuration names it: a directory or s3://bucket/prefix
    #[arg(long, value_name = "URL", help_heading = "Repository")]
    pub(super) repo: Option<String>,
    /// The recovery file, or a file with the recovery code; `-` asks for the code [env: ROZEN_RECOVERY_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Repository")]
    pub(super) recovery: Option<PathBuf>,
    /// A file whose only line is the passphrase of the recovery file [env: ROZEN_PASSPHRASE_FILE]
    #[arg(long, value_name = "FILE", help_heading = "Repository")]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Read no faster than this, such as 2MiB/s; `off`: as fast as it goes [default: as in the configuration, if there is one]
    #[arg(long, value_name = "RATE", help_heading = "Repository")]
    pub(super) limit_download: Option<Rate>,
}

/// Which snapshot.
#[derive(Args, Clone, Debug)]
pub(super) struct SnapshotArg {
    /// `latest`, a number, or a time such as 2026-11-20, 2026-11-20T12:00 or "2 days ago"
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    #[command(flatten)]
    machine: MachineArg,
}

/// Which machine.
#[derive(Args, Clone, Debug)]
pub(super) struct MachineArg {
    /// The machine that made it, or the beginning of its id (`rozenctl snapshots` lists them) [default: this one]
    #[arg(long = "machine", value_name = "ID", help_heading = "Repository")]
    id: Option<String>,
}

/// Finds the snapshot and reads its manifest.
pub(super) fn pick(repository: &Repository, arg: &SnapshotArg, context: &Context) -> Result<Picked, CliError> {
    let machine = pick_machine(repository, &arg.machine, context)?;
    pick_of(repository, &machine, &arg.snapshot, context)
}

/// The same, of a machine that was picked before.
pub(super) fn pick_of(
    repository: &Repository,
    machine: &Machine,
    text: &str,
    context: &Context,
) -> Result<Picked, CliError> {
    let viewer = show::viewer(&context.clock);
    let spec = SnapshotSpec::parse(text, viewer.now, viewer.offset).map_err(HistoryError::from)?;
    let mut picked = history::pick(repository, machine, spec)?;
    for (seq, error) in &picked.unreadable {
        context.output.warn(format!("snapshot {seq} cannot be read and is passed over: {error}"));
    }
    if let Some(old) = &picked.old_key {
        context.output.warn(format!("{old}; `rozenctl snapshots` lists the others"));
    }
    kept::tell(repository, machine, &mut picked.manifest, context);
    Ok(picked)
}

/// For programs: which snapshots were passed over, and why. A person was warned.
pub(super) fn passed_over(picked: &Picked) -> Vec<Value> {
    let told = |(seq, error): &(Seq, RepoError)| json!({ "snapshot": seq, "error": error.to_string() });
    picked.unreadable.iter().map(told).collect()
}

/// For programs: why its key speaks against it.
pub(super) fn old_key(picked: &Picked) -> Value {
    json!(picked.old_key.map(|old| old.to_string()))
}

/// The one that was named, this machine itself, or the only one.
pub(super) fn pick_machine(repository: &Repository, arg: &MachineArg, context: &Context) -> Result<Machine, CliError> {
    if arg.id.is_none()
        && let Some(own) = own_machine(repository, context)
    {
        return Ok(own);
    }
    Ok(history::pick_machine(repository, arg.id.as_deref())?)
}

/// `None` also when this machine backs up into another repository.
fn own_machine(repository: &Repository, context: &Context) -> Option<Machine> {
    let keys = MachineKeys::load(&context.config().ok()?.machine_key).ok()?.value;
    (keys.repo_id == repository.keys.repo_id).then(|| repository.machine(keys.machine_id).ok())?
}

/// What `find` finds, and where chunks are. Where the target is far, one is asked for beside the other: both begin with a few
/// small requests, each of which waits for the one before it. Where nothing is found, no more of an index is read.
pub(super) fn with_contents<T>(
    repository: &Repository,
    context: &Context,
    find: impl FnOnce() -> Result<T, CliError>,
) -> Result<(T, Contents), CliError> {
    if !repository.store.is_far() {
        return Ok((find()?, contents(repository, context)?));
    }
    let given_up = AtomicBool::new(false);
    let (found, contents) = std::thread::scope(|scope| {
        let contents = scope.spawn(|| repository.contents_unless(&given_up));
        let found = find();
        given_up.store(found.is_err(), Relaxed);
        (found, contents.join().expect("reading index objects does not panic"))
    });
    Ok((found?, told(contents?, context)))
}

/// Where chunks are; index objects that cannot be used are told.
pub(super) fn contents(repository: &Repository, context: &Context) -> Result<Contents, CliError> {
    Ok(told(repository.contents()?, context))
}

fn told(contents: Contents, context: &Context) -> Contents {
    contents.take_problems().iter().for_each(|problem| context.output.warn(with_causes(problem)));
    contents
}

/// Opens it for reading.
pub(super) fn open(args: &ReadArgs, context: &Context) -> Result<Repository, CliError> {
    Ok(open_with_secret(args, context)?.0)
}

/// The same for a command that only shows what it reads: it ends at once when it is interrupted.
pub(super) fn open_to_show(args: &ReadArgs, context: &Context) -> Result<Repository, CliError> {
    let (url, recovery) = secret(args, context)?;
    context.end_at_once()?;
    open_at(&url, &recovery, args, context)
}

/// As [`open`], for who also needs the secret itself: a person types it once.
pub(super) fn open_with_secret(args: &ReadArgs, context: &Context) -> Result<(Repository, RecoveryFile), CliError> {
    let (url, recovery) = secret(args, context)?;
    Ok((open_at(&url, &recovery, args, context)?, recovery))
}

/// Where the repository is, and what opens it.
fn secret(args: &ReadArgs, context: &Context) -> Result<(String, RecoveryFile), CliError> {
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
    Ok((url, recovery))
}

fn open_at(url: &str, recovery: &RecoveryFile, args: &ReadArgs, context: &Context) -> Result<Repository, CliError> {
    let repository = Repository::open(context.store(url, &limiter(args, context))?, &recovery.secret)?;
    if let Some(damage) = &repository.damage {
        context.output.warn(format!("{damage}; backups can be read all the same, but nothing can be added"));
    }
    Ok(repository)
}

/// A limit that nobody typed is told: a restore may be in a hurry.
fn limiter(args: &ReadArgs, context: &Context) -> Limiter {
    let limits = context.config().map(|config| config.limits).unwrap_or_default();
    let flags = Flags { download: args.limit_download, ..Flags::default() };
    let limiter = pacing::limiter(limits, flags, context);
    if let (None, Some(rate)) = (args.limit_download, limiter.rates().download) {
        let rate = Rate(Some(rate));
        context
            .output
            .note(format!("reading at {rate} at most, as the configuration says; --limit-download off: no limit"));
    }
    limiter
}

/// `None` when there is no configuration.
fn configured(context: &Context) -> Result<Option<String>, CliError> {
    match context.config() {
        Ok(config) => Ok(Some(config.repository)),
        Err(CliError::Config(crate::config::ConfigError::Missing { .. }) | CliError::Places(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn recovery_path(args: &ReadArgs) -> Option<PathBuf> {
    args.recovery.clone().or_else(|| variable("ROZEN_RECOVERY_FILE").map(PathBuf::from))
}

/// The secret that the flags or the environment name.
pub(super) fn recovery(args: &ReadArgs, context: &Context) -> Result<RecoveryFile, CliError> {
    let path = recovery_path(args).ok_or(CliError::NoRecovery)?;
    let passphrase = passphrase(args.passphrase_file.as_deref(), context)?;
    if path == Path::new("-") {
        let text = prompt::recovery_code(&context.stop)?;
        if text.trim().is_empty() {
            return Err(CliError::NoCode);
        }
        return with_passphrase(passphrase, context, |given| Ok(RecoveryFile::parse(&text, given)?));
    }
    with_passphrase(passphrase, context, |given| {
        let _at_once = AtOnce::start(&context.stop)?;
        Ok(RecoveryFile::load(&path, given)?)
    })
}

/// From a file, if one is named.
pub(super) fn passphrase(flag: Option<&Path>, context: &Context) -> Result<Option<Passphrase>, CliError> {
    let path = flag.map(Path::to_path_buf).or_else(|| variable("ROZEN_PASSPHRASE_FILE").map(PathBuf::from));
    let Some(path) = path else { return Ok(None) };
    let _at_once = AtOnce::start(&context.stop)?;
    match Passphrase::load(&path) {
        Err(error) if has_no_secret(&error) => Err(CliError::NotRecovery(error)),
        loaded => Ok(Some(warned(loaded?, context))),
    }
}

/// Asks for the passphrase only when the file turns out to need one.
fn with_passphrase(
    given: Option<Passphrase>,
    context: &Context,
    open: impl Fn(Option<&Passphrase>) -> Result<Loaded<RecoveryFile>, CliError>,
) -> Result<RecoveryFile, CliError> {
    let loaded = match open(given.as_ref()) {
        Err(CliError::KeyFile(error)) if needs_passphrase(&error) && prompt::is_possible() => {
            open(Some(&prompt::passphrase(&context.stop)?))?
        }
        Err(CliError::KeyFile(error)) if has_no_secret(&error) => return Err(CliError::NotRecovery(error)),
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

/// There is no such file, or something else in it.
fn has_no_secret(error: &KeyFileError) -> bool {
    match error {
        KeyFileError::InFile { source, .. } => has_no_secret(source),
        KeyFileError::Io { source, .. } => matches!(source.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory),
        error => matches!(error, KeyFileError::NotKeyFile(_) | KeyFileError::Unfit { .. }),
    }
}

/// The value, with its warnings shown.
pub(super) fn warned<T>(loaded: Loaded<T>, context: &Context) -> T {
    loaded.warnings.iter().for_each(|warning| context.output.warn(warning.to_string()));
    loaded.value
}
