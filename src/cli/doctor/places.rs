//! Configuration, keys, folders, the state directory.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Finding;
use crate::cli::context::{Context, variable};
use crate::config::{Config, Places};
use crate::crypto::MachineKeys;
use crate::status::bytes;

/// Others may do something with it.
const OTHERS: u32 = 0o077;
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
        Err(error) => {
            let remedy = "Bring the file back, or set the machine up again: rozenctl recover";
            (Finding::of_error(CHECK, &error, remedy), None)
        }
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
    match rustix::fs::statvfs(path).map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize)) {
        Ok(free) if free < LITTLE_SPACE => {
            let message = format!("{} has {} free", path.display(), bytes(free));
            Finding::warning(CHECK, message, "Free space: packs wait there for their upload.")
        }
        Ok(free) => Finding::ok(CHECK, format!("{}, {} free", path.display(), bytes(free))),
        Err(error) => Finding::of_error(CHECK, &error, "Check the disk."),
    }
}

/// Who has the recovery file can read all backups: it should not be on this machine, and nobody else may read it.
pub(in crate::cli) fn recovery_files(places: &Places) -> Finding {
    const CHECK: &str = "recovery file";
    let named = variable("ROZEN_RECOVERY_FILE").map(PathBuf::from).filter(|path| path.exists());
    let beside = places.config.parent().into_iter().flat_map(files_named_recovery);
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

fn files_named_recovery(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let names = entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_string_lossy().contains("recovery"));
    names.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

fn is_open_to_others(found: &Metadata) -> bool {
    found.permissions().mode() & OTHERS != 0
}
