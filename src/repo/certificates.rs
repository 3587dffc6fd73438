//! Which keys a machine signs with. Its certificates lie in objects of their own and in every manifest, so that a damaged or
//! missing one costs nothing; each proves itself to whoever knows the admin key.

use super::{RepoError, names};
use crate::crypto::{Certificate, Signers, VerifyingKey};
use crate::format::{
    self, CERTIFICATE_OBJECT_LEN, FormatError, MANIFEST_CERTIFIED_LEN, ObjectHeader, certificate_of_manifest,
};
use crate::model::{MachineId, RepoId};
use crate::store::{Listed, ObjectName, Store};

/// What was found, and what stood in the way.
#[derive(Default)]
pub(super) struct Found {
    pub signers: Signers,
    pub problems: Vec<RepoError>,
}

/// The certificates of a machine: its objects, the one in the newest manifest, and as many older manifests as it takes to know
/// every key. Costs two LISTs and a GET for each key and the newest manifest; of a target that is far objects and manifests
/// are asked for side by side.
pub(super) fn find(store: &Store, repo: &RepoId, admin: &VerifyingKey, machine: MachineId) -> Result<Found, RepoError> {
    let of = OfMachine { store, repo, admin, machine };
    let (objects, manifests) = match store.is_far() {
        true => std::thread::scope(|scope| {
            let objects = scope.spawn(|| of.objects());
            let manifests = of.newest_manifest();
            (objects.join().expect("reading certificates does not panic"), manifests)
        }),
        false => (of.objects(), of.newest_manifest()),
    };
    let mut found = objects?;
    let as_objects = found.signers.clone();
    let (listed, mut newest) = manifests?;
    for listed in listed.iter().rev() {
        // one that cannot be read is told of by whoever reads the snapshot
        match newest.take().unwrap_or_else(|| of.manifest(&listed.name)) {
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

/// Whose certificates, and where they are.
struct OfMachine<'a> {
    store: &'a Store,
    repo: &'a RepoId,
    admin: &'a VerifyingKey,
    machine: MachineId,
}

/// Manifests by name, and what the last of them has, if there is one.
type Manifests = (Vec<Listed>, Option<Result<Certificate, RepoError>>);

impl OfMachine<'_> {
    fn objects(&self) -> Result<Found, RepoError> {
        let mut found = Found::default();
        for listed in self.store.list(&names::folder(&self.machine, "certificates"))? {
            if names::serial_of(&listed.name).is_none() {
                continue;
            }
            let read = read_object(self.store, self.admin, &listed.name);
            match read.and_then(|proved| self.own(proved, &listed.name)) {
                Ok(certificate) => found.signers.insert(&certificate),
                Err(error) => found.problems.push(unless_gone(error)?),
            }
        }
        Ok(found)
    }

    fn newest_manifest(&self) -> Result<Manifests, RepoError> {
        let listed = self.store.list(&names::folder(&self.machine, "snapshots"))?;
        let newest = listed.last().map(|newest| self.manifest(&newest.name));
        Ok((listed, newest))
    }

    fn manifest(&self, name: &ObjectName) -> Result<Certificate, RepoError> {
        self.own(read_manifest(self.store, self.admin, name)?, name)
    }

    fn own(&self, (header, certificate): Proved, name: &ObjectName) -> Result<Certificate, RepoError> {
        match (header.repo, header.machine) == (*self.repo, self.machine) {
            true => Ok(certificate),
            false => Err(object(name)(FormatError::Damaged("it is the certificate of another machine"))),
        }
    }
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

fn object(name: &ObjectName) -> impl Fn(FormatError) -> RepoError {
    let name = name.clone();
    move |source| RepoError::Object { name: name.clone(), source }
}

/// A target that went away is no damage: `Err`.
pub fn unless_gone(error: RepoError) -> Result<RepoError, RepoError> {
    match error {
        RepoError::Store(ref refused) if refused.is_of_target() => Err(error),
        error => Ok(error),
    }
}
