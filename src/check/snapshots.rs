//! Manifests: each readable, and all in one unbroken chain.

use std::collections::HashSet;

use super::CheckError;
use super::objects::Objects;
use super::report::{CheckReport, Finding, FindingCode};
use crate::crypto;
use crate::format::{Manifest, open_manifest};
use crate::model::{MachineId, ObjectHash, Seq, with_causes};
use crate::repo::{Machine, RepoError, Repository, Succession, names};

const MAX_MANIFEST: u64 = 64 << 20;

/// Gives the readable manifests, each machine's in ascending order, and the machines that have not even an unreadable one.
pub(super) fn check_snapshots(
    repository: &Repository,
    machines: &[Machine],
    report: &mut CheckReport,
) -> Result<(Vec<Manifest>, Vec<MachineId>), CheckError> {
    let (mut manifests, mut without_any) = (Vec::new(), Vec::new());
    for machine in machines {
        let (hash, keys) = (Some(ObjectHash([0; 32])), Succession::default());
        let mut chain = Chain { repository, machine, last: Seq(0), hash, keys };
        let listed = repository.snapshots(machine)?;
        if listed.is_empty() {
            without_any.push(machine.id);
        }
        for snapshot in listed {
            report.snapshots += 1;
            manifests.extend(chain.next(snapshot.seq, report));
        }
    }
    check_configs(repository, machines, &manifests, report);
    Ok((manifests, without_any))
}

/// A machine that has packs has made snapshots, or is about to make its first one.
pub(super) fn tell_lost(without_any: &[MachineId], objects: &Objects, report: &mut CheckReport) {
    for machine in without_any {
        let packs = objects.packs_of(machine);
        if packs > 0 {
            let message = format!(
                "no snapshot is there, and {packs} of its packs are: somebody took the snapshots away, or its first backup has not ended"
            );
            report.findings.push(Finding {
                code: FindingCode::NoSnapshot,
                object: names::folder(machine, "snapshots"),
                message,
            });
        }
    }
}

/// The manifests of one machine, one after the other.
struct Chain<'a> {
    repository: &'a Repository,
    machine: &'a Machine,
    last: Seq,
    /// Of the last one; `None` when it could not be read.
    hash: Option<ObjectHash>,
    keys: Succession,
}

/// A number that nobody signed may be anything.
fn gap(last: Seq, seq: Seq, is_signed: bool) -> String {
    match seq.0.saturating_sub(last.0).saturating_sub(1) {
        1 if is_signed => "the one before it is missing: somebody took it away".to_owned(),
        missing if is_signed => format!("the {missing} before it are missing: somebody took snapshots away"),
        _ => format!("it does not follow snapshot {last}: somebody took snapshots away, or it is none"),
    }
}

impl Chain<'_> {
    fn next(&mut self, seq: Seq, report: &mut CheckReport) -> Option<Manifest> {
        let object = names::manifest(&self.machine.id, seq).to_string();
        let mut found = |code, message: String| report.findings.push(Finding { code, object: object.clone(), message });
        let follows = seq == self.last.next();
        let read = read(self.repository, self.machine, seq);
        if !follows {
            found(FindingCode::Gap, gap(self.last, seq, read.is_ok()));
        }
        let before = self.hash.take().filter(|_| follows);
        self.last = seq;
        match read {
            Ok((manifest, hash)) => {
                if before.is_some_and(|before| before != manifest.previous) {
                    let message =
                        "it does not follow the snapshot before it: one of the two was exchanged or taken back";
                    found(FindingCode::Chain, message.into());
                }
                if let Some(old) = self.keys.next(&manifest) {
                    found(FindingCode::Chain, old.to_string());
                }
                self.hash = Some(hash);
                Some(manifest)
            }
            Err(error) => {
                found(FindingCode::Manifest, format!("the snapshot cannot be restored: {}", with_causes(&error)));
                None
            }
        }
    }
}

/// Each configuration once, however many snapshots name it.
fn check_configs(repository: &Repository, machines: &[Machine], manifests: &[Manifest], report: &mut CheckReport) {
    let mut seen = HashSet::new();
    for manifest in manifests {
        let machine = machines.iter().find(|machine| machine.id == manifest.machine);
        let (Some(machine), Some(hash)) = (machine, manifest.body.config) else { continue };
        if seen.insert((machine.id, hash))
            && let Err(error) = repository.config(machine, &hash)
        {
            let object = names::config(&machine.id, &hash).to_string();
            report.findings.push(Finding { code: FindingCode::Config, object, message: with_causes(&error) });
        }
    }
}

fn read(repository: &Repository, machine: &Machine, seq: Seq) -> Result<(Manifest, ObjectHash), RepoError> {
    let name = names::manifest(&machine.id, seq);
    let bytes = repository.store.get(&name, MAX_MANIFEST)?;
    let manifest = open_manifest(&bytes, seq, &machine.id, &repository.keys)
        .map_err(|source| RepoError::Object { name, source })?;
    Ok((manifest, crypto::hash(&bytes)))
}
