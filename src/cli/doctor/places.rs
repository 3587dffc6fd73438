//! Configuration, keys, folders, the state directory.

use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Finding;
use crate::cli::context::{Context, variable};
use crate::cli::error::MACHINE_KEY_IS_LOST;
use crate::config::{Config, Places};
use crate::crypto::{MachineKeys, RecoveryFile};
use crate::status::bytes;

/// Others may do something with it.
const OTHERS: u32 = 0o077;
/// How every SQLite file begins.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
/// One is much smaller.
const MOST_OF_RECOVERY_FILE: u64 = 64 << 10;
/// Journal and spool need room.
const LITTLE_SPACE: u64 = 1 << 30;

/// The configuration as well, when it can be used.
pub(in crate::cli) fn config(context: &Context, places: &Places) -> (Finding, Option<Config>) {
    match context.config() {
        Ok(config) => (Finding::ok("configuration", places.config.display().to_string()), Some(config)),
        Err(error) => (Finding::of_error("configuration", &error, error.remedy()), None),
    }
}

/// The keys as well, when they can be used.
pub(in crate::cli) fn machine_key(config: &Config) -> (Finding, Option<MachineKeys>) {
    const CHECK: &str = "machine key";
    match MachineKeys::load(&config.machine_key) {
        Ok(loaded) => {
            let finding = match loaded.warnings.first() {
                Some(warning) => {
                    Finding::warning(CHECK, warning.to_string(), "chmod 600 the file; see who could read it.")
                }
                None => Finding::ok(CHECK, config.machine_key.display().to_string()),
            };
            (finding, Some(loaded.value))
        }
        Err(error) => (Finding::of_error(CHECK, &error, MACHINE_KEY_IS_LOST), None),
    }
}

/// One finding for all when all can be read.
pub(in crate::cli) fn roots(config: &Config) -> Vec<Finding> {
    let problems = config.root_problems();
    if problems.is_empty() {
        return vec![Finding::ok("folders", format!("{} can be read", config.roots.len()))];
    }
    problems.into_iter().map(|problem| Finding::failed("folders", problem.message, problem.remedy)).collect()
}

pub(in crate::cli) fn state_dir(places: &Places) -> Finding {
    const CHECK: &str = "state directory";
    let path = &places.state;
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Finding::ok(CHECK, format!("{} will be made by the first backup", path.display()));
        }
        Err(error) => return Finding::of_error(CHECK, &error, "Check the path and its permissions."),
    };
    if is_open_to_others(&found) {
        let message = format!("{} holds names of files, and others may look into it", path.display());
        return Finding::warning(CHECK, message, format!("chmod 700 {}", path.display()));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        let message = format!("{} belongs to another user", path.display());
        return Finding::failed(CHECK, message, "Run as that user, or give another directory with --state.");
    }
    if let Some(finding) = journal(&path.join("journal.db")) {
        return finding;
    }
    match rustix::fs::statvfs(path).map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize)) {
        Ok(free) if free < LITTLE_SPACE => {
            let message = format!("{} has {} free", path.display(), bytes(free));
            Finding::warning(CHECK, message, "Free space: packs wait there for their upload.")
        }
        Ok(free) => Finding::ok(CHECK, format!("{}, {} free", path.display(), bytes(free))),
        Err(error) => Finding::of_error(CHECK, &error, "Check the disk."),
    }
}

/// What can be told without opening it, which the agent may do meanwhile and which might change it: whether it is one at all.
fn journal(path: &Path) -> Option<Finding> {
    const CHECK: &str = "state directory";
    let error = match beginning(path) {
        Ok(found) if found.is_empty() || found == SQLITE_MAGIC => return None,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Ok(_) => {
            let message = format!("the journal {} is damaged", path.display());
            let remedy = "Check the disk, move the journal away and start again: it is rebuilt from the target, nothing is lost.";
            return Some(Finding::failed(CHECK, message, remedy));
        }
        Err(error) => error,
    };
    let message = format!("the journal {} cannot be read: {error}", path.display());
    Some(Finding::failed(CHECK, message, "Check the disk and the permissions of the file."))
}

fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut found = Vec::new();
    std::fs::File::open(path)?.take(SQLITE_MAGIC.len() as u64).read_to_end(&mut found)?;
    Ok(found)
}

/// Who has the recovery file can read all backups: it should not be on this machine, and nobody else may read it.
pub(in crate::cli) fn recovery_files(places: &Places) -> Finding {
    const CHECK: &str = "recovery file";
    let named = variable("ROZEN_RECOVERY_FILE").map(PathBuf::from).filter(|path| path.exists());
    let beside = places.config.parent().into_iter().flat_map(recovery_files_in);
    let found: Vec<PathBuf> = named.into_iter().chain(beside).collect();
    let open = found.iter().find(|path| std::fs::metadata(path).is_ok_and(|meta| is_open_to_others(&meta)));
    match (open, found.first()) {
        (Some(path), _) => Finding::failed(
            CHECK,
            format!("others may read {}, and with it all backups", path.display()),
            format!("chmod 600 {} and move it away from this machine", path.display()),
        ),
        (None, Some(path)) => Finding::warning(
            CHECK,
            format!("{} is on this machine: whoever takes the machine can read all backups", path.display()),
            "Keep it elsewhere: on paper, on a stick, with somebody you trust.",
        ),
        (None, None) => Finding::ok(CHECK, "none beside the configuration; make sure that you know where it is"),
    }
}

/// By what is in them: a file may have any name.
fn recovery_files_in(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_recovery_file(path)).collect()
}

fn is_recovery_file(path: &Path) -> bool {
    let is_small = std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= MOST_OF_RECOVERY_FILE);
    // what cannot be read here can be read by nobody else who is this user
    is_small && std::fs::read_to_string(path).map(Zeroizing::new).is_ok_and(|text| RecoveryFile::is_in(&text))
}

fn is_open_to_others(found: &Metadata) -> bool {
    found.permissions().mode() & OTHERS != 0
}
