//! Which keys a machine signs with. Its certificates lie in objects of their own and in every manifest, so that a damaged or
//! missing one costs nothing; each proves itself to whoever knows the admin key.

use super::{RepoError, names};
use crate::crypto::{Certificate, Signers, VerifyingKey};
use crate::format::{
    self, CERTIFICATE_OBJECT_LEN, FormatError, MANIFEST_CERTIFIED_LEN, ObjectHeader, certificate_of_manifest,
};
use crate::model::{MachineId, RepoId};
use crate::store::{ObjectName, Store};

/// What was found, and what stood in the way.
#[derive(Default)]
pub(super) struct Found {
    pub signers: Signers,
    pub problems: Vec<RepoError>,
}

/// The certificates of a machine: its objects, the one in the newest manifest, and as many older manifests as it takes to know
/// every key. Costs two LISTs and a GET for each key and the newest manifest.
pub(super) fn find(store: &Store, repo: &RepoId, admin: &VerifyingKey, machine: MachineId) -> Result<Found, RepoError> {
    let mut found = Found::default();
    for listed in store.list(&names::folder(&machine, "certificates"))? {
        if names::serial_of(&listed.name).is_none() {
            continue;
        }
        match read_object(store, admin, &listed.name).and_then(|proved| of(proved, repo, &machine, &listed.name)) {
            Ok(certificate) => found.signers.insert(&certificate),
            Err(error) => found.problems.push(unless_gone(error)?),
        }
    }
    let as_objects = found.signers.clone();
    for listed in store.list(&names::folder(&machine, "snapshots"))?.iter().rev() {
        // one that cannot be read is told of by whoever reads the snapshot
        match read_manifest(store, admin, &listed.name).and_then(|proved| of(proved, repo, &machine, &listed.name)) {
            Ok(certificate) => found.signers.insert(&certificate),
            Err(error) => drop(unless_gone(error)?),
        }
        if !found.signers.is_empty() && found.signers.missing().next().is_none() {
            break;
        }
    }
    let last = found.signers.last().map_or(0, |serial| serial.0);
    let unnamed = (1..=last).map(crate::crypto::Serial).filter(|serial| !as_objects.knows(*serial));
    let unnamed = unnamed.map(|serial| names::certificate(&machine, serial));
    let told: Vec<_> =
        unnamed.filter(|name| !found.problems.iter().any(|problem| problem.object() == Some(name))).collect();
    found.problems.extend(told.into_iter().map(|name| RepoError::NoCertificateObject { name }));
    Ok(found)
}

/// Any certificate that this admin signed: it proves which repository this is.
pub(super) fn any(store: &Store, admin: &VerifyingKey) -> Result<Option<(ObjectHeader, Certificate)>, RepoError> {
    for listed in store.list("machines/")?.iter().rev() {
        let read = match listed.name.as_str().split('/').nth(2) {
            Some("certificates") => read_object(store, admin, &listed.name),
            Some("snapshots") => read_manifest(store, admin, &listed.name),
            _ => continue,
        };
        match read {
            Ok(proved) => return Ok(Some(proved)),
            Err(error) => drop(unless_gone(error)?),
        }
    }
    Ok(None)
}

type Proved = (ObjectHeader, Certificate);

fn read_object(store: &Store, admin: &VerifyingKey, name: &ObjectName) -> Result<Proved, RepoError> {
    let bytes = store.get(name, CERTIFICATE_OBJECT_LEN as u64)?;
    let (header, certificate) = format::open_certificate(&bytes, admin).map_err(object(name))?;
    match names::serial_of(name) == Some(certificate.serial) {
        true => Ok((header, certificate)),
        false => Err(object(name)(FormatError::Damaged("its serial is not the one of its name"))),
    }
}

fn read_manifest(store: &Store, admin: &VerifyingKey, name: &ObjectName) -> Result<Proved, RepoError> {
    let bytes = store.get_range(name, 0, MANIFEST_CERTIFIED_LEN as u64)?;
    certificate_of_manifest(&bytes, admin).map_err(object(name))
}

fn of(
    (header, certificate): Proved,
    repo: &RepoId,
    machine: &MachineId,
    name: &ObjectName,
) -> Result<Certificate, RepoError> {
    match (header.repo, header.machine) == (*repo, *machine) {
        true => Ok(certificate),
        false => Err(object(name)(FormatError::Damaged("it is the certificate of another machine"))),
    }
}

fn object(name: &ObjectName) -> impl Fn(FormatError) -> RepoError {
    let name = name.clone();
    move |source| RepoError::Object { name: name.clone(), source }
}

/// A target that went away is no damage.
pub(super) fn unless_gone(error: RepoError) -> Result<RepoError, RepoError> {
    match error {
        RepoError::Store(ref refused) if refused.is_of_target() => Err(error),
        error => Ok(error),
    }
}
