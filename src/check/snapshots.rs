//! Manifests: each readable, and all in one unbroken chain.

use super::CheckError;
use super::report::{CheckReport, Finding, FindingCode, causes};
use crate::crypto;
use crate::format::{Manifest, open_manifest};
use crate::model::{ObjectHash, Seq};
use crate::repo::{Machine, RepoError, Repository, names};

const MAX_MANIFEST: u64 = 64 << 20;

/// Gives the readable manifests, each machine's in ascending order.
pub(super) fn check_snapshots(
    repository: &Repository,
    machines: &[Machine],
    report: &mut CheckReport,
) -> Result<Vec<Manifest>, CheckError> {
    let mut manifests = Vec::new();
    for machine in machines {
        // what the next manifest must follow: the last one, readable or not
        let mut last = (Seq(0), Some(ObjectHash([0; 32])));
        for snapshot in repository.snapshots(machine)? {
            report.snapshots += 1;
            last = check_one(repository, machine, snapshot.seq, last, report, &mut manifests);
        }
    }
    Ok(manifests)
}

fn check_one(
    repository: &Repository,
    machine: &Machine,
    seq: Seq,
    (last, hash): (Seq, Option<ObjectHash>),
    report: &mut CheckReport,
    manifests: &mut Vec<Manifest>,
) -> (Seq, Option<ObjectHash>) {
    let object = names::manifest(&machine.id, seq).to_string();
    let mut found = |code, message: String| report.findings.push(Finding { code, object: object.clone(), message });
    let follows = seq == last.next();
    if !follows {
        let missing = seq.0 - last.0 - 1;
        found(FindingCode::Gap, format!("{missing} snapshots before it are missing: somebody took them away"));
    }
    match read(repository, machine, seq) {
        Ok((manifest, own_hash)) => {
            if follows && hash.is_some_and(|hash| hash != manifest.previous) {
                let message = "it does not follow the snapshot before it: one of the two was exchanged or taken back";
                found(FindingCode::Chain, message.into());
            }
            manifests.push(manifest);
            (seq, Some(own_hash))
        }
        Err(error) => {
            found(FindingCode::Manifest, format!("the snapshot cannot be restored: {}", causes(&error)));
            (seq, None)
        }
    }
}

fn read(repository: &Repository, machine: &Machine, seq: Seq) -> Result<(Manifest, ObjectHash), RepoError> {
    let name = names::manifest(&machine.id, seq);
    let bytes = repository.store.get(&name, MAX_MANIFEST)?;
    let manifest = open_manifest(&bytes, seq, &machine.id, &machine.verifying, &repository.keys)
        .map_err(|source| RepoError::Object { name, source })?;
    Ok((manifest, crypto::hash(&bytes)))
}
