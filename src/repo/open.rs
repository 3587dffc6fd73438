//! Opening a repository with the recovery secret: machines, snapshots, manifests.
//!
//! Reading needs neither `rozen.json` nor the certificate objects: the certificate in any manifest proves the repository and
//! its machine. What is damaged is named; writing into such a repository is refused.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use super::contents::Contents;
use super::placement::DamagedPlaces;
use super::{RepoError, certificates, names};
use crate::crypto::{self, ReadKeys, RecoverySecret, Signers, VerifyingKey};
use crate::format::{self, FormatError, Manifest, RepositoryRecord, SignedRecord, StoredConfig};
use crate::model::{MachineId, ObjectHash, RepoId, Seq};
use crate::store::{Store, StoreError};

/// Records are small; anything larger is not one.
const MAX_RECORD: u64 = 1 << 20;
const MAX_MANIFEST: u64 = 64 << 20;
const MAX_CONFIG: u64 = 4 << 20;

/// A machine that stored into the repository, with the keys of its certificates.
#[derive(Clone, Debug)]
pub struct Machine {
    pub id: MachineId,
    pub signers: Signers,
}

/// A snapshot by name; its manifest has not been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotRef {
    pub machine: MachineId,
    pub seq: Seq,
}

/// A repository open for reading: everything in it was checked against the recovery secret.
pub struct Repository {
    pub store: Store,
    pub keys: ReadKeys,
    /// Why `rozen.json` cannot be used, if so.
    pub damage: Option<RepoError>,
    known: KnownMachines,
    pub(super) damaged: DamagedPlaces,
}

/// Machines whose certificates were all found and right. A command asks for them several times, and each time costs four
/// requests. What was not right is looked for again. Locked while it asks, so that two who ask at once cost one answer; who asks
/// for another machine waits as well.
type KnownMachines = Mutex<HashMap<MachineId, Machine>>;

impl Repository {
    /// [`RepoError::WrongKey`] when the signed record does not fit the secret. Without a usable record any certificate that
    /// fits the secret says which repository it is.
    pub fn open(store: Store, secret: &RecoverySecret) -> Result<Self, RepoError> {
        let admin = secret.admin_signing().verifying();
        let error = match read_record(&store).and_then(|signed| verified(&signed, &admin, &store)) {
            Ok(record) => {
                let keys = secret.read_keys(parse_repo(&record)?, record.epoch);
                return Ok(Self {
                    store,
                    keys,
                    damage: None,
                    known: KnownMachines::default(),
                    damaged: DamagedPlaces::default(),
                });
            }
            Err(error) => or_replaced(certificates::unless_gone(error)?, &store),
        };
        if is_final(&error) {
            return Err(error);
        }
        match certificates::any(&store, &admin)? {
            Some((header, certificate)) => {
                let keys = secret.read_keys(header.repo, certificate.epoch);
                Ok(Self {
                    store,
                    keys,
                    damage: Some(error),
                    known: KnownMachines::default(),
                    damaged: DamagedPlaces::default(),
                })
            }
            None => Err(error),
        }
    }

    /// The same repository, read through another store.
    #[cfg(test)]
    pub fn through(&self, store: Store) -> Self {
        Self {
            store,
            keys: self.keys.clone(),
            damage: None,
            known: KnownMachines::default(),
            damaged: DamagedPlaces::default(),
        }
    }

    /// For whoever is about to write: a repository whose record is damaged is read, never added to.
    pub fn for_writing(self) -> Result<Self, RepoError> {
        match self.damage {
            None => Ok(self),
            Some(error) => Err(error),
        }
    }

    /// Machines of which a certificate was found; what is wrong with others, or with their other certificates, beside them.
    pub fn machines(&self) -> Result<(Vec<Machine>, Vec<RepoError>), RepoError> {
        let (mut machines, mut errors) = (vec![], vec![]);
        for folder in self.store.folders("machines/")? {
            let Ok(id) = folder.parse::<MachineId>() else { continue };
            let (machine, mut problems) = self.find_machine(id)?;
            errors.append(&mut problems);
            machines.extend(machine);
        }
        Ok((machines, errors))
    }

    pub fn machine(&self, id: MachineId) -> Result<Machine, RepoError> {
        self.find_machine(id)?.0.ok_or(RepoError::NoCertificate { machine: id })
    }

    fn find_machine(&self, id: MachineId) -> Result<(Option<Machine>, Vec<RepoError>), RepoError> {
        // a map is whole after each insertion, whatever happens between two
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(machine) = known.get(&id) {
            return Ok((Some(machine.clone()), vec![]));
        }
        let found = certificates::find(&self.store, &self.keys.repo_id, &self.keys.admin_verifying(), id)?;
        let mut problems = found.problems;
        let machine = (!found.signers.is_empty()).then_some(Machine { id, signers: found.signers });
        match &machine {
            Some(machine) if problems.is_empty() => {
                known.insert(id, machine.clone());
            }
            Some(_) => {}
            None => problems.push(RepoError::NoCertificate { machine: id }),
        }
        Ok((machine, problems))
    }

    /// In ascending order.
    pub fn snapshots(&self, machine: &Machine) -> Result<Vec<SnapshotRef>, RepoError> {
        let listed = self.store.list(&names::folder(&machine.id, "snapshots"))?;
        let seqs = listed.iter().filter_map(|object| names::seq_of(&object.name));
        Ok(seqs.map(|seq| SnapshotRef { machine: machine.id, seq }).collect())
    }

    pub fn manifest(&self, machine: &Machine, seq: Seq) -> Result<Manifest, RepoError> {
        let name = names::manifest(&machine.id, seq);
        let bytes = self.store.get(&name, MAX_MANIFEST)?;
        format::open_manifest(&bytes, seq, &machine.id, &self.keys).map_err(|source| RepoError::Object { name, source })
    }

    /// The configuration that a manifest of this machine names.
    pub fn config(&self, machine: &Machine, hash: &ObjectHash) -> Result<StoredConfig, RepoError> {
        let name = names::config(&machine.id, hash);
        let bytes = self.store.get(&name, MAX_CONFIG)?;
        let object = |source| RepoError::Object { name: name.clone(), source };
        if crypto::hash(&bytes) != *hash {
            return Err(object(FormatError::Damaged("its bytes are not those of its name")));
        }
        format::open_config(&bytes, &machine.id, &machine.signers, &self.keys).map_err(object)
    }

    /// Copies of chunks that were found damaged while these lie elsewhere as well, by any [`Contents`] of it. When it has grown, a plan of
    /// what is read may have changed.
    pub fn damaged_copies(&self) -> usize {
        self.damaged.count()
    }

    /// Finds and reads chunks of all machines. Loads the index objects.
    pub fn contents(&self) -> Result<Contents, RepoError> {
        self.contents_unless(&AtomicBool::new(false))
    }

    /// The same for who may not want it any more: `given_up` ends it soon, with [`StoreError::Stopped`].
    pub fn contents_unless(&self, given_up: &AtomicBool) -> Result<Contents, RepoError> {
        Contents::load(self, given_up)
    }
}

pub(super) fn read_record(store: &Store) -> Result<SignedRecord, RepoError> {
    let name = names::repository();
    let bytes = match store.get(&name, MAX_RECORD) {
        Err(StoreError::NotFound { .. }) => return Err(none_there(store)),
        other => other?,
    };
    SignedRecord::parse(&bytes).map_err(|source| RepoError::Object { name, source })
}

/// A thief may have laid a delete marker over it. Who may not ask for versions is told that there is none.
fn none_there(store: &Store) -> RepoError {
    let place = store.place().into();
    match store.hidden(names::repository().as_str()) {
        Ok(Some(hidden)) => RepoError::Hidden { place, hidden },
        Ok(None) | Err(_) => RepoError::NoRepository { place },
    }
}

/// The record is written once: where the target keeps an older one, that is the right one.
pub(super) fn or_replaced(error: RepoError, store: &Store) -> RepoError {
    let is_about_record = match &error {
        RepoError::WrongKey { .. } | RepoError::WrongRepository { .. } => true,
        error => error.object() == Some(&names::repository()),
    };
    match is_about_record.then(|| store.hidden(names::repository().as_str())) {
        Some(Ok(Some(hidden))) if !hidden.is_deleted => {
            RepoError::Replaced { place: store.place().into(), hidden, source: Box::new(error) }
        }
        _ => error,
    }
}

/// No certificate says more.
fn is_final(error: &RepoError) -> bool {
    match error {
        RepoError::WrongKey { .. } | RepoError::Object { source: FormatError::Newer { .. }, .. } => true,
        RepoError::Replaced { source, .. } => is_final(source),
        _ => false,
    }
}

/// A damaged record and a foreign key are told apart: the record also names the key that signed it.
fn verified(signed: &SignedRecord, admin: &VerifyingKey, store: &Store) -> Result<RepositoryRecord, RepoError> {
    signed.verify(admin).map_err(|source| match source {
        FormatError::Crypto(_) if signed.is_intact() => RepoError::WrongKey { place: store.place().into() },
        source => RepoError::Object { name: names::repository(), source },
    })
}

pub(super) fn parse_repo(record: &RepositoryRecord) -> Result<RepoId, RepoError> {
    let invalid = |what| RepoError::Object { name: names::repository(), source: what };
    if let Some(feature) = record.required_features.first() {
        tracing::error!(feature, "the repository needs a feature that this program does not know");
        return Err(invalid(FormatError::Feature(0)));
    }
    if record.suite != 1 {
        return Err(invalid(FormatError::Suite(record.suite)));
    }
    if !record.chunker.is_valid() {
        return Err(invalid(FormatError::Damaged("its chunk limits are impossible")));
    }
    record.repository.parse().map_err(|_| invalid(FormatError::Damaged("its id is not an id")))
}
