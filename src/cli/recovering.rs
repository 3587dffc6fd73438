//! Setting a machine up again after it was lost: choose it, plan, carry out. What `recover` does.
//!
//! The order is such that a crash in between leaves nothing that counts: first the certificate, then the machine key, then the
//! configuration that makes it all count, last the journal, which the agent would rebuild as well.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::error::CliError;
use super::reading::warned;
use super::setup::{make_parent, write_config};
use crate::config::{Config, Places, RootConfig};
use crate::crypto::{MachineKeys, RecoverySecret, Serial};
use crate::format::{Manifest, ManifestRoot};
use crate::history::{self, HistoryError, SnapshotSpec};
use crate::journal::Journal;
use crate::model::RootId;
use crate::repo::{self, Machine, Rebuilt, Repository};
use crate::status::printable;
use crate::store::StoreUrl;

/// A machine of the repository, as its newest readable snapshot shows it.
pub(super) struct Candidate {
    pub(super) machine: Machine,
    pub(super) snapshots: usize,
    /// `None`: it has stored nothing that can be read.
    pub(super) newest: Option<Manifest>,
}

/// Where the settings come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Settings {
    /// As they were stored.
    Stored,
    /// None were stored, or they cannot be read: the folders of the snapshot, everything else by default.
    Default,
}

/// What is going to be made.
pub(super) struct Plan {
    pub(super) candidate: Candidate,
    pub(super) config: Config,
    pub(super) settings: Settings,
    pub(super) places: Places,
    /// The machine key is there already, from a recovery that was cut off.
    found_keys: Option<MachineKeys>,
    text: String,
}

/// What was made.
pub(super) struct Recovered {
    pub(super) serial: Serial,
    pub(super) rebuilt: Rebuilt,
}

/// All machines; what is wrong with some is shown as a warning.
pub(super) fn candidates(repository: &Repository, context: &Context) -> Result<Vec<Candidate>, CliError> {
    let (machines, problems) = repository.machines()?;
    problems.iter().for_each(|problem| context.output.warn(problem.to_string()));
    let mut candidates = Vec::new();
    for machine in machines {
        let snapshots = repository.snapshots(&machine)?.len();
        let newest = match history::pick(repository, &machine, SnapshotSpec::Latest) {
            Ok(picked) => Some(picked.manifest),
            Err(HistoryError::NoSnapshots(_)) => None,
            Err(error) => {
                context.output.warn(format!("no snapshot of machine {} can be read: {error}", machine.id));
                None
            }
        };
        candidates.push(Candidate { machine, snapshots, newest });
    }
    Ok(candidates)
}

/// The one that is named by its id, the beginning of it, or its host name; without a name the only one.
pub(super) fn choose(candidates: Vec<Candidate>, wanted: Option<&str>) -> Result<Candidate, CliError> {
    let fits = |candidate: &Candidate| wanted.is_none_or(|wanted| candidate.fits(wanted));
    let (mut fitting, others): (Vec<_>, Vec<_>) = candidates.into_iter().partition(fits);
    match (fitting.len(), wanted) {
        (1, _) => Ok(fitting.swap_remove(0)),
        (0, Some(wanted)) => Err(CliError::usage(
            format!("no machine begins with {wanted}, and none has it as its host name"),
            "`rozenctl snapshots` lists the machines.",
        )),
        (0, None) => Err(HistoryError::NoMachine.into()),
        (_, Some(wanted)) => {
            let all = fitting.iter().map(Candidate::name).collect::<Vec<_>>().join(", ");
            Err(CliError::usage(
                format!("{wanted} is the name of several machines, or the beginning of their ids: {all}"),
                "Give the whole id of the one that is meant with --machine.",
            ))
        }
        _ => {
            let all = fitting.iter().chain(&others).map(Candidate::name).collect::<Vec<_>>().join(", ");
            Err(HistoryError::WhichMachine(all).into())
        }
    }
}

impl Plan {
    /// A recovery that was cut off has left its machine key, which is used.
    pub(super) fn keeps_key(&self) -> bool {
        self.found_keys.is_some()
    }
}

impl Candidate {
    pub(super) fn fits(&self, wanted: &str) -> bool {
        self.machine.id.to_string().starts_with(wanted)
            || self.newest.as_ref().is_some_and(|newest| newest.body.host == wanted)
    }

    pub(super) fn name(&self) -> String {
        let host = self.newest.as_ref().map(|newest| format!(" ({})", printable(&newest.body.host)));
        format!("{}{}", self.machine.id, host.unwrap_or_default())
    }
}

/// Decides everything, writes nothing. Refuses where something is set up already.
pub(super) fn plan(
    repository: &Repository,
    candidate: Candidate,
    places: Places,
    context: &Context,
) -> Result<Plan, CliError> {
    refuse_existing(&places)?;
    let (text, settings) = settings(repository, &candidate, &places.config, context)?;
    let config = Config::parse(&text, &places.config)?;
    let found_keys = found_keys(&config.machine_key, repository, &candidate, context)?;
    Ok(Plan { candidate, config, settings, places, found_keys, text })
}

/// Makes everything. Nothing that exists is replaced.
pub(super) fn carry_out(
    plan: &Plan,
    repository: Repository,
    secret: &RecoverySecret,
    now_ms: i64,
) -> Result<Recovered, CliError> {
    let repository = repository.for_writing()?;
    make_parent(&plan.places.config)?;
    make_parent(&plan.config.machine_key)?;
    let keys = match &plan.found_keys {
        Some(keys) => keys.clone(),
        None => {
            let keys = repo::take_over(&repository, secret, &plan.candidate.machine)?;
            keys.create(&plan.config.machine_key)?;
            keys
        }
    };
    write_config(&plan.text, &plan.places.config)?;
    let journal = Journal::open(&plan.places.state)?;
    journal.bind_repository(keys.repo_id)?;
    journal.bind_machine(keys.machine_id)?;
    let rebuilt = repo::rebuild(&repository.store, &keys, &journal, now_ms)?;
    Ok(Recovered { serial: keys.certificate.serial, rebuilt })
}

fn refuse_existing(places: &Places) -> Result<(), CliError> {
    let journal = places.state.join("journal.db");
    for (path, what, flag) in [
        (&places.config, "there is a configuration already", "--to-config FILE"),
        (&journal, "there is a journal of an earlier set-up", "--state DIR"),
    ] {
        if fs::symlink_metadata(path).is_ok() {
            return Err(CliError::refused(
                format!("{what}: {}", path.display()),
                format!(
                    "This computer is set up. To recover another machine beside it, give {flag}; else move the file away."
                ),
            ));
        }
    }
    Ok(())
}

/// The text of the configuration to be, for the place where the repository is now.
fn settings(
    repository: &Repository,
    candidate: &Candidate,
    path: &Path,
    context: &Context,
) -> Result<(String, Settings), CliError> {
    let Some(newest) = &candidate.newest else {
        return Err(CliError::refused(
            format!("machine {} has no snapshot that can be read", candidate.machine.id),
            "Set this computer up as a new machine: `rozenctl init --recovery FILE`.",
        ));
    };
    let place = repository.store.place();
    let stored = newest.body.config.map(|hash| repository.config(&candidate.machine, &hash));
    match stored.transpose() {
        Ok(Some(stored)) if is_same_place(&stored.text, path, place) => Ok((stored.text, Settings::Stored)),
        Ok(Some(stored)) => Ok((Config::text_with_repository(&stored.text, path, place)?, Settings::Stored)),
        Ok(None) => Ok((from_snapshot(newest, place, path, context)?, Settings::Default)),
        Err(error) => {
            context.output.warn(format!("the stored configuration cannot be read: {error}"));
            Ok((from_snapshot(newest, place, path, context)?, Settings::Default))
        }
    }
}

fn is_same_place(text: &str, path: &Path, place: &str) -> bool {
    let stored = Config::parse(text, path).ok().and_then(|config| StoreUrl::parse(&config.repository).ok());
    stored.is_some_and(|stored| StoreUrl::parse(place).is_ok_and(|place| place == stored))
}

fn from_snapshot(newest: &Manifest, place: &str, path: &Path, context: &Context) -> Result<String, CliError> {
    let mut roots = Vec::new();
    for root in &newest.body.roots {
        match root_config(root) {
            Some(config) => roots.push(config),
            None => context.output.warn(format!(
                "the folder {} (`{}`) cannot stand in a configuration and is left out",
                printable(&String::from_utf8_lossy(&root.path)),
                printable(&root.id)
            )),
        }
    }
    let key = path.with_extension("key");
    Ok(Config::new(place.to_owned(), key, roots).to_toml(path))
}

fn root_config(root: &ManifestRoot) -> Option<RootConfig> {
    let path = PathBuf::from(OsString::from_vec(root.path.clone()));
    Some(RootConfig::new(root.id.parse::<RootId>().ok()?, path))
}

fn found_keys(
    path: &Path,
    repository: &Repository,
    candidate: &Candidate,
    context: &Context,
) -> Result<Option<MachineKeys>, CliError> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(None);
    }
    let keys = warned(MachineKeys::load(path)?, context);
    match (keys.repo_id, keys.machine_id) == (repository.keys.repo_id, candidate.machine.id) {
        true => Ok(Some(keys)),
        false => Err(CliError::refused(
            format!("{} is the key of another machine", path.display()),
            "Move it away, or give another place for the configuration with --to-config FILE.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Signers;

    fn chosen(wanted: Option<&str>) -> Result<String, CliError> {
        let ids = ["aa000000000000000000000000000000", "ab000000000000000000000000000000"];
        let candidates = ids.map(|id| Candidate {
            machine: Machine { id: id.parse().unwrap(), signers: Signers::default() },
            snapshots: 0,
            newest: None,
        });
        choose(candidates.into(), wanted).map(|candidate| candidate.machine.id.to_string())
    }

    #[test]
    fn a_name_that_fits_several_machines_is_told_with_their_ids() {
        assert!(chosen(Some("ab")).unwrap().starts_with("ab0"));
        let error = chosen(Some("a")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("a is the name of several machines") && text.contains("aa0") && text.contains("ab0"),
            "{text}"
        );
        assert!(error.remedy().contains("whole id"));
        assert!(chosen(None).unwrap_err().to_string().contains("name one with --machine"));
    }
}
