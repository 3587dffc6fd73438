//! Setting a machine up: repository, keys, configuration. What `init` and `up` share.
//!
//! The order is such that a crash in between leaves nothing that backs up without a way back: first the repository,
//! then the recovery file, then the machine's certificate and key, last the configuration that makes it all count.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use serde_json::{Value, json};

use super::context::{Context, quoted};
use super::error::CliError;
use super::output::Output;
use super::protection;
use super::reading::warned;
use super::show;
use crate::chunk::ChunkLimits;
use crate::config::{Config, Places, RootConfig};
use crate::crypto::{KeyFileError, MachineKeys, Passphrase, RecoveryCode, RecoveryFile, RecoverySecret};
use crate::journal::Journal;
use crate::model::{RepoId, RootId};
use crate::repo::{self, Repository, names};
use crate::status::printable;
use crate::store::{Disposition, RetryPolicy, Store, StoreUrl};

/// What is wanted.
pub(super) struct Wish {
    pub(super) url: StoreUrl,
    /// As [`checked_roots`] made them.
    pub(super) roots: Vec<RootConfig>,
    /// The secret of a repository that exists.
    pub(super) secret: Option<RecoverySecret>,
    pub(super) recovery_out: Option<PathBuf>,
    pub(super) passphrase: Option<Passphrase>,
}

/// What was made.
pub(super) struct Made {
    pub(super) config: Config,
    /// Of a new repository; to be shown once.
    pub(super) new_secret: Option<RecoveryCode>,
    pub(super) machine: MachineOrigin,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MachineOrigin {
    New,
    /// The key file was there and belongs to the repository: the machine stays the same.
    Found,
}

/// Makes everything. Nothing that exists is replaced.
pub(super) fn set_up(wish: Wish, places: &Places, context: &Context) -> Result<Made, CliError> {
    let key_path = places.config.with_extension("key");
    make_parent(&places.config)?;
    make_parent(&key_path)?;
    let store = Store::create(&wish.url)?.retrying(RetryPolicy::default(), context.clock.clone());
    let repository = open_or_create(&wish, &store, context, &places.state)?;
    if fs::symlink_metadata(&key_path).is_err() {
        refuse_state_of_another_machine(&places.state)?;
    }
    let machine = machine_key(&repository, &wish, &store, &key_path, context)?;
    let config = Config::new(wish.url.to_string(), key_path, wish.roots);
    write_config(&config.to_toml(&places.config), &places.config)?;
    let new_secret = repository.new_secret.map(|secret| RecoveryCode::new(&secret));
    Ok(Made { config, new_secret, machine })
}

struct Opened {
    /// `None` only when the machine's own key is to be used without a secret.
    id: Option<RepoId>,
    new_secret: Option<RecoverySecret>,
}

fn open_or_create(wish: &Wish, store: &Store, context: &Context, state: &Path) -> Result<Opened, CliError> {
    if let Some(secret) = &wish.secret {
        let repository = Repository::open(store.clone(), secret)?.for_writing()?;
        refuse_foreign_state(state, Some(repository.keys.repo_id))?;
        return Ok(Opened { id: Some(repository.keys.repo_id), new_secret: None });
    }
    if store.head(&names::repository())?.is_some() {
        refuse_second_recovery_file(wish, store)?;
        return Ok(Opened { id: None, new_secret: None });
    }
    refuse_existing(wish.recovery_out.as_deref())?;
    refuse_key_beside_its_lock(wish)?;
    refuse_foreign_state(state, None)?;
    refuse_remains(store, &context.output)?;
    let secret = RecoverySecret::generate();
    let id = repo::create(store, &secret, ChunkLimits::DEFAULT, &created_text(context))?;
    if let Err(error) = write_recovery_file(wish, &secret, id) {
        // nobody could ever read this repository: it must not stay and look like one
        store.delete(&names::repository())?;
        return Err(error.into());
    }
    Ok(Opened { id: Some(id), new_secret: Some(secret) })
}

/// That of an earlier set-up; none is made.
fn earlier_journal(state: &Path) -> Result<Option<Journal>, CliError> {
    let is_there = state.join("journal.db").exists();
    Ok(is_there.then(|| Journal::open(state)).transpose()?)
}

/// A state directory belongs to one repository: with another one no backup would be possible. `id`: `None` for a new one.
fn refuse_foreign_state(state: &Path, id: Option<RepoId>) -> Result<(), CliError> {
    match earlier_journal(state)?.map(|journal| journal.repository()).transpose()?.flatten() {
        Some(found) if Some(found) != id => Err(CliError::refused(
            format!("the state directory {} belongs to another repository ({found})", state.display()),
            "Give this backup a state directory of its own with --state DIR; or, when the other backup is given up, remove that \
             directory.",
        )),
        _ => Ok(()),
    }
}

/// The secret of a repository that exists is not here: whoever asks for its recovery file must not believe that there is one.
fn refuse_second_recovery_file(wish: &Wish, store: &Store) -> Result<(), CliError> {
    match &wish.recovery_out {
        None => Ok(()),
        Some(path) => Err(second_recovery_file(store.place(), path)),
    }
}

pub(super) fn second_recovery_file(repository: &str, path: &Path) -> CliError {
    CliError::refused(
        format!("{repository} exists already, so no recovery file can be written to {}", path.display()),
        "Leave --recovery-out out: the recovery file or code of this repository is the one that was made with it.",
    )
}

/// Whoever gets the disk with the repository would read everything.
fn refuse_key_beside_its_lock(wish: &Wish) -> Result<(), CliError> {
    let (Some(path), StoreUrl::Dir(repository)) = (&wish.recovery_out, &wish.url) else { return Ok(()) };
    let absolute = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    let inside = absolute(parent(path)).ok().zip(absolute(repository).ok());
    match inside.is_some_and(|(file, repository)| file.starts_with(repository)) {
        false => Ok(()),
        true => Err(CliError::refused(
            format!("{} lies inside of the repository that it opens", path.display()),
            "Keep the recovery file elsewhere: best on another disk or on paper.",
        )),
    }
}

/// A new machine of the same repository would take over what the old one knows as stored, and store nothing of its own.
fn refuse_state_of_another_machine(state: &Path) -> Result<(), CliError> {
    match earlier_journal(state)?.map(|journal| journal.machine()).transpose()?.flatten() {
        Some(found) => Err(CliError::refused(
            format!("the state directory {} belongs to machine {found}, whose key is not here", state.display()),
            "To go on as that machine: remove the state directory and run `rozenctl recover`; nothing is uploaded again. For a \
             new machine: give it a state directory of its own with --state DIR, or remove this one.",
        )),
        None => Ok(()),
    }
}

/// What is left of a repository without its record.
pub(super) fn refuse_remains(store: &Store, output: &Output) -> Result<(), CliError> {
    refuse_headless(store)?;
    refuse_hidden(store, output)
}

/// With a new `rozen.json` on top, the old recovery file would open nothing any more.
fn refuse_headless(store: &Store) -> Result<(), CliError> {
    match store.folders("machines/")?.is_empty() {
        true => Ok(()),
        false => Err(CliError::refused(
            format!("{} holds the backups of a repository whose rozen.json is lost", store.place()),
            "They can be read with their recovery file, and rozen.json can be put back from a copy (docs/disaster.md). For a \
             new repository choose an empty place.",
        )),
    }
}

/// With a new `rozen.json` on top, what a thief has hidden would be harder to find, and to bring back.
fn refuse_hidden(store: &Store, output: &Output) -> Result<(), CliError> {
    for place in [names::repository().as_str(), "machines/"] {
        match store.hidden(place) {
            Ok(None) => {}
            Ok(Some(hidden)) => {
                return Err(CliError::refused(
                    format!("{} held a repository: {} was {hidden}, and is still kept", store.place(), hidden.name),
                    "If you did not delete it yourself, bring it back: `rozenctl target undelete` (docs/disaster.md, \"Somebody deleted \
                     or replaced the backups\"). For a new repository choose another prefix in the bucket.",
                ));
            }
            Err(error) if error.is_missing_right() => {
                output.warn(format!(
                    "whether {} keeps a repository that was deleted there cannot be seen: these credentials may not list versions",
                    store.place()
                ));
                return Ok(());
            }
            // no answer now is no answer; a server that does not know the question keeps no versions
            Err(error) if error.disposition() == Disposition::Retry => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(())
}

fn write_recovery_file(wish: &Wish, secret: &RecoverySecret, id: RepoId) -> Result<(), KeyFileError> {
    let Some(path) = &wish.recovery_out else { return Ok(()) };
    let file = RecoveryFile { secret: secret.clone(), repo_id: Some(id), url_hint: Some(wish.url.to_string()) };
    file.create(path, wish.passphrase.as_ref())
}

fn machine_key(
    repository: &Opened,
    wish: &Wish,
    store: &Store,
    key_path: &Path,
    context: &Context,
) -> Result<MachineOrigin, CliError> {
    if fs::symlink_metadata(key_path).is_ok() {
        let keys = warned(MachineKeys::load(key_path)?, context);
        repo::open_for_backup(store, &keys)?;
        return Ok(MachineOrigin::Found);
    }
    let secret = wish.secret.as_ref().or(repository.new_secret.as_ref());
    let (Some(id), Some(secret)) = (repository.id, secret) else {
        return Err(CliError::refused(
            format!("there already is a repository in {}", store.place()),
            "To back up into it with this machine, give its recovery file: --recovery FILE. To start anew, choose an \
             empty place.",
        ));
    };
    repo::enroll(store, secret, id)?.create(key_path)?;
    Ok(MachineOrigin::New)
}

pub(super) fn write_config(text: &str, path: &Path) -> Result<(), CliError> {
    let failed = |doing| move |source| CliError::File { doing, path: path.into(), source };
    let dir = parent(path);
    let mut file = tempfile::Builder::new().prefix(".rozen").tempfile_in(dir).map_err(failed("write"))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed("write"))?;
    file.as_file().sync_all().map_err(failed("write"))?;
    file.persist_noclobber(path).map_err(|error| failed("create")(error.error))?;
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("write"))
}

pub(super) fn make_parent(path: &Path) -> Result<(), CliError> {
    let dir = parent(path);
    fs::create_dir_all(dir).map_err(|source| CliError::File { doing: "make the directory", path: dir.into(), source })
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Before anything is made: the one copy of a secret must have a place.
fn refuse_existing(recovery_out: Option<&Path>) -> Result<(), CliError> {
    let Some(path) = recovery_out else { return Ok(()) };
    if fs::symlink_metadata(path).is_ok() {
        return Err(CliError::refused(
            format!("{} exists already, and it may be the only key to other backups", path.display()),
            "Give another name with --recovery-out, or move the file away.",
        ));
    }
    let dir = parent(path);
    let looked = fs::metadata(dir);
    looked.map(drop).map_err(|source| CliError::File {
        doing: "write the recovery file into",
        path: dir.into(),
        source,
    })
}

/// The roots as the configuration takes them: absolute, readable, each with an id of its own.
pub(super) fn checked_roots(paths: &[PathBuf], url: &StoreUrl, places: &Places) -> Result<Vec<RootConfig>, CliError> {
    let mut roots: Vec<RootConfig> = Vec::new();
    for path in paths {
        let path = checked_root(path)?;
        if roots.iter().any(|root| root.path == path) {
            continue;
        }
        refuse_own(&path, url, places)?;
        let id = free_id(&path, &roots);
        roots.push(RootConfig::new(id, path));
    }
    Ok(roots)
}

fn checked_root(path: &Path) -> Result<PathBuf, CliError> {
    let bad = |what: &str, remedy: &str| CliError::usage(format!("{} {what}", path.display()), remedy);
    let failed =
        |error: std::io::Error| bad(&format!("cannot be protected: {error}"), "Name a folder that you can read.");
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Err(bad("is not a folder", "Name the folder that holds it; excludes leave out what you do not want."));
    }
    fs::read_dir(path).map_err(failed)?;
    let absolute = match path.components().any(|part| part == std::path::Component::ParentDir) {
        true => path.canonicalize().map_err(failed)?,
        false => std::path::absolute(path).map_err(failed)?,
    };
    Ok(absolute.components().collect())
}

/// A root that holds our own folders is fine, they are left out. The other way round there is nothing to back up.
fn refuse_own(root: &Path, url: &StoreUrl, places: &Places) -> Result<(), CliError> {
    let inside = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    for own in [url.as_dir(), Some(&places.state)].into_iter().flatten() {
        let own = own.canonicalize().unwrap_or_else(|_| own.to_path_buf());
        if inside.starts_with(&own) {
            return Err(CliError::usage(
                format!("{} lies in {}, where Rozen keeps its own data", root.display(), own.display()),
                "Choose another folder, or another place for the repository and the state.",
            ));
        }
    }
    Ok(())
}

/// From the folder's name; a number makes it unique.
fn free_id(path: &Path, taken: &[RootConfig]) -> RootId {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let name: String = name.chars().map(plain).take(RootId::MAX_LEN - 8).collect();
    let name = match name.trim_matches('-') {
        "" => "root",
        name => name,
    };
    let candidates = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}-{number}")));
    let mut ids =
        candidates.map(|text| text.parse::<RootId>().expect("small letters, digits and dashes, not too long"));
    ids.find(|id| taken.iter().all(|root| root.id != *id)).expect("there are more numbers than roots")
}

/// Do the repository and a root share a disk? Then a broken disk takes both.
fn shares_disk(url: &StoreUrl, roots: &[RootConfig]) -> bool {
    let device = |path: &Path| {
        let found = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS).ok()?;
        Some((found.stx_dev_major, found.stx_dev_minor))
    };
    let Some(target) = url.as_dir().and_then(device) else { return false };
    roots.iter().any(|root| device(&root.path) == Some(target))
}

/// After a set-up: what is where, how to keep the recovery secret, and what is wrong with the target.
pub(super) fn tell(
    made: &Made,
    recovery_out: Option<&Path>,
    places: &Places,
    context: &Context,
) -> Result<(), CliError> {
    let output = &context.output;
    tell_made(made, places, output)?;
    match (&made.new_secret, recovery_out) {
        (Some(_), Some(path)) => tell_recovery_file(path, output)?,
        (Some(code), None) => tell_recovery_code(code, &made.config.repository, output)?,
        (None, _) => {}
    }
    output.json(|| made_json(made, recovery_out, places))?;
    warn_shared_disk(&made.config, output)?;
    protection::try_new_target(&made.config, places, context)
}

fn tell_made(made: &Made, places: &Places, output: &Output) -> Result<(), CliError> {
    let config = &made.config;
    let what = if made.new_secret.is_some() { "new" } else { "existing" };
    output.line(format!("repository     {} ({what})", config.repository))?;
    output.line(format!("configuration  {}", places.config.display()))?;
    let key = if made.machine == MachineOrigin::New { "this machine may add, not read" } else { "kept as it was" };
    output.line(format!("machine key    {} ({key})", config.machine_key.display()))?;
    output.line(format!("state          {} (may be lost: it is rebuilt)", places.state.display()))?;
    config
        .roots
        .iter()
        .map(|root| format!("folder         {} as `{}`", printable(&root.path.to_string_lossy()), root.id))
        .try_for_each(|line| output.line(line))
}

/// With the recovery code, which stands nowhere else.
fn made_json(made: &Made, recovery_out: Option<&Path>, places: &Places) -> Value {
    let (config, new_secret) = (&made.config, made.new_secret.as_ref());
    json!({
        "created": true, "config": places.config, "state": places.state, "repository": config.repository,
        "machine_key": config.machine_key, "new_machine": made.machine == MachineOrigin::New,
        "roots": config.roots.iter().map(|root| json!({ "id": root.id, "path": root.path })).collect::<Vec<_>>(),
        "recovery_file": new_secret.and(recovery_out),
        "recovery_code": new_secret.filter(|_| recovery_out.is_none()).map(|code| code.as_str()),
    })
}

pub(super) fn tell_recovery_file(path: &Path, output: &Output) -> Result<(), CliError> {
    output.line(format!("recovery file  {}", path.display()))?;
    output.prose(
        "\nWithout the recovery file nobody can read the backups. Move it away from this computer: print it, \
                 put it on a USB stick or into a password manager, in two places.",
    )
}

fn tell_recovery_code(code: &RecoveryCode, repository: &str, output: &Output) -> Result<(), CliError> {
    let [first, second] = code.lines();
    output.line("\nYour recovery code. It is shown this once:")?;
    output.line(format!("\n    {first}\n    {second}\n"))?;
    output.prose(
        "Without it nobody can read the backups, not even you. Write it down, keep it away from this computer \
                 and in two places. To get files back, on any computer:",
    )?;
    output.line(format!("    {}", restore_command(repository)))
}

/// As a shell takes it: the URL of a bucket may hold `&`.
fn restore_command(repository: &str) -> String {
    format!("rozenctl restore latest --repo {} --recovery - --to DIR", quoted(Path::new(repository)))
}

fn warn_shared_disk(config: &Config, output: &Output) -> Result<(), CliError> {
    if shares_disk(&StoreUrl::parse(&config.repository)?, &config.roots) {
        output.warn(
            "the repository is on the same disk as a folder that it protects. It brings back what was deleted \
                     or changed, but when the disk is lost, both are: this is a start, not a backup.",
        );
    }
    Ok(())
}

fn created_text(context: &Context) -> String {
    show::json_time(Some(context.clock.wall())).as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(paths: &[&str]) -> Vec<String> {
        let mut roots = Vec::new();
        for path in paths {
            let id = free_id(Path::new(path), &roots);
            roots.push(RootConfig::new(id, PathBuf::from(path)));
        }
        roots.iter().map(|root| root.id.to_string()).collect()
    }

    #[test]
    fn the_command_beside_the_recovery_code_can_be_typed_as_it_is() {
        let typed = |repository: &str| {
            let script = format!("set -- {}; printf %s \"$5\"", restore_command(repository));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        for url in ["s3://b/x?endpoint=https://nas:9000&region=eu-central-1", "/mnt/it's a disk", "/mnt/plain"] {
            assert_eq!(typed(url), url);
        }
    }

    #[test]
    fn ids_come_from_names_and_are_unique() {
        assert_eq!(
            ids(&["/home/Ann", "/srv/ann", "/", "/ü/My Files!", "/x/-"]),
            ["ann", "ann-2", "root", "my-files", "root-2"]
        );
        assert!(ids(&[&format!("/{}", "x".repeat(255))])[0].len() <= RootId::MAX_LEN);
    }
}
