//! The list of snapshots: damaged ones are in it, by name.

use super::HistoryError;
use crate::format::Manifest;
use crate::model::{MachineId, Seq};
use crate::repo::{Machine, RepoError, Repository};

/// A snapshot in the list.
#[derive(Debug)]
pub struct ListedSnapshot {
    pub machine: MachineId,
    pub seq: Seq,
    /// The error of a manifest that cannot be read.
    pub manifest: Result<Manifest, RepoError>,
}

/// All snapshots of the given machines, each machine's in ascending order.
pub fn snapshots(repository: &Repository, machines: &[Machine]) -> Result<Vec<ListedSnapshot>, HistoryError> {
    let mut listed = Vec::new();
    for machine in machines {
        for snapshot in repository.snapshots(machine)? {
            let manifest = repository.manifest(machine, snapshot.seq);
            listed.push(ListedSnapshot { machine: machine.id, seq: snapshot.seq, manifest });
        }
    }
    Ok(listed)
}
