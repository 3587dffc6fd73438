//! From what a person says to one manifest.

use super::{HistoryError, SnapshotSpec};
use crate::format::Manifest;
use crate::model::{MachineId, Seq};
use crate::repo::{Machine, OldKey, RepoError, Repository, unless_gone};

/// So many snapshots before one with an old key are looked at, at most: each costs a request. `rozenctl snapshots` and `check`
/// look at all.
const LOOKED_BACK: usize = 100;

/// A manifest, and newer ones that were passed over because they cannot be read.
#[derive(Debug)]
pub struct Picked {
    pub manifest: Manifest,
    pub unreadable: Vec<(Seq, RepoError)>,
    /// Its key was replaced before it was made.
    pub old_key: Option<OldKey>,
}

impl Picked {
    /// Nothing was passed over: it is the one that was asked for, signed as it should be.
    pub fn is_sure(&self) -> bool {
        self.unreadable.is_empty() && self.old_key.is_none()
    }
}

/// The machine that `wanted` names by its id or the beginning of it; without it the only one.
pub fn pick_machine(repository: &Repository, wanted: Option<&str>) -> Result<Machine, HistoryError> {
    let (mut machines, errors) = repository.machines()?;
    if let Some(wanted) = wanted {
        machines.retain(|machine| machine.id.to_string().starts_with(wanted));
    }
    match (machines.len(), wanted) {
        (1, _) => Ok(machines.swap_remove(0)),
        (0, Some(wanted)) => Err(HistoryError::NoSuchMachine(wanted.to_owned())),
        (0, None) => Err(errors.into_iter().next().map_or(HistoryError::NoMachine, HistoryError::from)),
        _ => Err(HistoryError::WhichMachine(ids(&machines))),
    }
}

/// The manifest, and what speaks against it.
pub fn pick(repository: &Repository, machine: &Machine, spec: SnapshotSpec) -> Result<Picked, HistoryError> {
    let (manifest, unreadable) = find(repository, machine, spec)?;
    let old_key = old_key(repository, machine, &manifest)?;
    Ok(Picked { manifest, unreadable, old_key })
}

/// Costs nothing while its machine has no later key.
fn old_key(repository: &Repository, machine: &Machine, manifest: &Manifest) -> Result<Option<OldKey>, HistoryError> {
    if machine.signers.last().is_none_or(|last| last <= manifest.serial) {
        return Ok(None);
    }
    let before = repository.snapshots(machine)?.into_iter().rev().filter(|snapshot| snapshot.seq < manifest.seq);
    for snapshot in before.take(LOOKED_BACK) {
        match repository.manifest(machine, snapshot.seq) {
            Ok(before) => match OldKey::of(manifest, &before) {
                None => {}
                found => return Ok(found),
            },
            Err(error) => drop(unless_gone(error)?),
        }
    }
    Ok(None)
}

/// A manifest, and newer ones that cannot be read.
type Found = (Manifest, Vec<(Seq, RepoError)>);

/// `latest` and times pass over manifests that cannot be read, and say so; a sequence number does not.
fn find(repository: &Repository, machine: &Machine, spec: SnapshotSpec) -> Result<Found, HistoryError> {
    if let SnapshotSpec::Seq(seq) = spec {
        let manifest = repository.manifest(machine, seq).map_err(|error| absent(error, seq, machine.id))?;
        return Ok((manifest, vec![]));
    }
    let mut unreadable = Vec::new();
    for snapshot in repository.snapshots(machine)?.into_iter().rev() {
        match repository.manifest(machine, snapshot.seq) {
            Ok(manifest) if fits(&manifest, spec) => return Ok((manifest, unreadable)),
            // those after it are younger still, whatever they hold
            Ok(_) => unreadable.clear(),
            Err(error) => unreadable.push((snapshot.seq, error)),
        }
    }
    match (unreadable.pop(), spec) {
        (Some((seq, error)), _) => Err(unreadable_one(error, seq)),
        (None, SnapshotSpec::Latest) => Err(HistoryError::NoSnapshots(machine.id)),
        (None, _) => {
            let wanted = "that is so old".to_owned();
            Err(HistoryError::NoSnapshot { wanted, machine: machine.id })
        }
    }
}

fn fits(manifest: &Manifest, spec: SnapshotSpec) -> bool {
    match spec {
        SnapshotSpec::Latest => true,
        SnapshotSpec::Seq(seq) => manifest.seq == seq,
        SnapshotSpec::At(time) => manifest.body.finished <= time,
    }
}

fn absent(error: RepoError, seq: Seq, machine: MachineId) -> HistoryError {
    match error {
        RepoError::Store(error) if error.is_not_found() => {
            HistoryError::NoSnapshot { wanted: seq.to_string(), machine }
        }
        error => unreadable_one(error, seq),
    }
}

/// A damaged snapshot says nothing about the repository.
fn unreadable_one(error: RepoError, seq: Seq) -> HistoryError {
    match error.object().is_some() || matches!(&error, RepoError::Store(error) if error.is_of_object()) {
        true => HistoryError::Snapshot { seq, source: error },
        false => error.into(),
    }
}

fn ids(machines: &[Machine]) -> String {
    machines.iter().map(|machine| machine.id.to_string()).collect::<Vec<_>>().join(", ")
}
