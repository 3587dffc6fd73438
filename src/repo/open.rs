//! Opening a repository with the recovery secret: machines, snapshots, manifests.

use super::contents::Contents;
use super::{RepoError, names};
use crate::crypto::{self, ReadKeys, RecoverySecret, VerifyingKey};
use crate::format::{self, FormatError, MachineRecord, Manifest, RepositoryRecord, SignedRecord};
use crate::model::{MachineId, RepoId, Seq};
use crate::store::{Store, StoreError};

/// Records are small; anything larger is not one.
const MAX_RECORD: u64 = 1 << 20;
const MAX_MANIFEST: u64 = 64 << 20;

/// A machine that stored into the repository, with the key of its certificate.
#[derive(Clone, Debug)]
pub struct Machine {
    pub id: MachineId,
    pub verifying: VerifyingKey,
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
    pub record: RepositoryRecord,
}

impl Repository {
    /// [`RepoError::WrongKey`] when the signed record does not fit the secret.
    pub fn open(store: Store, secret: &RecoverySecret) -> Result<Self, RepoError> {
        let signed = read_record(&store)?;
        let place = || store.place().to_string();
        let record: RepositoryRecord = signed
            .verify(&secret.admin_signing().verifying())
            .map_err(|error| verification(error, &signed, place()))?;
        let repo = parse_repo(&record)?;
        Ok(Self { keys: secret.read_keys(repo, record.epoch), store, record })
    }

    /// Machines whose certificate is right; the others as errors beside them.
    pub fn machines(&self) -> Result<(Vec<Machine>, Vec<RepoError>), RepoError> {
        let (mut machines, mut errors) = (vec![], vec![]);
        let mut last = None;
        for listed in self.store.list("machines/")? {
            let id = listed.name.as_str().split('/').nth(1).and_then(|text| text.parse::<MachineId>().ok());
            if id.is_none() || id == last {
                continue;
            }
            last = id;
            match self.machine(id.expect("checked above")) {
                Ok(machine) => machines.push(machine),
                Err(error) => errors.push(error),
            }
        }
        Ok((machines, errors))
    }

    pub fn machine(&self, id: MachineId) -> Result<Machine, RepoError> {
        let name = names::machine(&id);
        let bytes = self.store.get(&name, MAX_RECORD)?;
        let admin = self.keys.admin_verifying();
        let record: MachineRecord = SignedRecord::parse::<MachineRecord>(&bytes)
            .and_then(|signed| signed.verify(&admin))
            .map_err(|source| RepoError::Object { name: name.clone(), source })?;
        let damaged = |what| RepoError::Object { name: name.clone(), source: FormatError::Damaged(what) };
        if record.machine != id.to_string() || record.repository != self.keys.repo_id.to_string() {
            return Err(damaged("it is the certificate of another machine"));
        }
        let verifying = crypto::unhex(&record.signing_public_key)
            .and_then(|bytes| VerifyingKey::from_slice(&bytes))
            .ok_or_else(|| damaged("its key is not a key"))?;
        Ok(Machine { id, verifying })
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
        format::open_manifest(&bytes, seq, &machine.id, &machine.verifying, &self.keys)
            .map_err(|source| RepoError::Object { name, source })
    }

    /// Finds and reads chunks of all machines. Loads the index objects.
    pub fn contents(&self) -> Result<Contents, RepoError> {
        Contents::load(self)
    }
}

pub(super) fn read_record(store: &Store) -> Result<SignedRecord, RepoError> {
    let name = names::repository();
    let bytes = match store.get(&name, MAX_RECORD) {
        Err(StoreError::NotFound { .. }) => return Err(RepoError::NoRepository { place: store.place().into() }),
        other => other?,
    };
    SignedRecord::parse::<RepositoryRecord>(&bytes).map_err(|source| RepoError::Object { name, source })
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

/// A damaged record and a foreign key are told apart: the record also names the key that signed it.
fn verification(error: FormatError, signed: &SignedRecord, place: String) -> RepoError {
    let own_key = signed
        .claims::<RepositoryRecord>()
        .ok()
        .and_then(|record| crypto::unhex(&record.admin_public_key))
        .and_then(|bytes| VerifyingKey::from_slice(&bytes));
    let is_intact = own_key.is_some_and(|key| signed.verify::<RepositoryRecord>(&key).is_ok());
    if is_intact {
        return RepoError::WrongKey { place };
    }
    RepoError::Object { name: names::repository(), source: error }
}
