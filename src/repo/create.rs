//! Making a repository and enrolling machines: what needs the recovery secret at the beginning, once.

use super::{Machine, RepoError, Repository, names};
use crate::chunk::ChunkLimits;
use crate::crypto::{self, MachineKeys, RecoverySecret, Serial};
use crate::format::{CERTIFICATE_OBJECT_LEN, RepositoryRecord, seal_certificate};
use crate::model::{RepoId, StorageClass};
use crate::store::{PutOutcome, PutSource, Store, StoreError};

const EPOCH: u32 = 1;

/// Writes `rozen.json`. Durable on return. Fails if the place holds a repository already.
pub fn create(store: &Store, secret: &RecoverySecret, limits: ChunkLimits, created: &str) -> Result<RepoId, RepoError> {
    let already = || RepoError::AlreadyThere { place: store.place().into() };
    if store.head(&names::repository())?.is_some() {
        return Err(already());
    }
    let repo = RepoId(crypto::random());
    let record = RepositoryRecord {
        version: RepositoryRecord::VERSION,
        repository: repo.to_string(),
        suite: 1,
        epoch: EPOCH,
        content_public_key: crypto::hex(secret.read_keys(repo, EPOCH).content_public().as_bytes()),
        admin_public_key: crypto::hex(secret.admin_signing().verifying().as_bytes()),
        chunker: limits,
        required_features: vec![],
        created: created.into(),
    };
    let bytes = record.sign(&secret.admin_signing());
    match store.put_if_absent(&names::repository(), PutSource::Bytes(&bytes), StorageClass::Standard)? {
        PutOutcome::Created => Ok(repo),
        PutOutcome::AlreadyThere => Err(already()),
    }
}

/// Gives a new machine its identity and keys, and writes its certificate. Durable on return.
pub fn enroll(store: &Store, secret: &RecoverySecret, repo: RepoId) -> Result<MachineKeys, RepoError> {
    let keys = MachineKeys::generate(secret, repo, EPOCH);
    write_certificate(store, &keys)?;
    Ok(keys)
}

/// Gives a machine that was lost a new signing key, and writes its certificate: who holds it goes on with that machine's
/// history, and what the old key signed stays valid. Durable on return.
pub fn take_over(
    repository: &Repository,
    secret: &RecoverySecret,
    machine: &Machine,
) -> Result<MachineKeys, RepoError> {
    let taken = || RepoError::SerialTaken { machine: machine.id };
    let listed = repository.store.list(&names::folder(&machine.id, "certificates"))?;
    // a damaged certificate has taken its name as well
    let last = listed.iter().filter_map(|object| names::serial_of(&object.name)).chain(machine.signers.last()).max();
    let serial = last.map_or(Some(Serial::FIRST), Serial::next).ok_or_else(taken)?;
    let keys = MachineKeys::succeed(secret, &repository.keys, machine.id, serial);
    write_certificate(&repository.store, &keys)?;
    Ok(keys)
}

/// All certificates have one length: one that is there already may be of another key.
fn write_certificate(store: &Store, keys: &MachineKeys) -> Result<(), RepoError> {
    let name = names::certificate(&keys.machine_id, keys.certificate.serial);
    let bytes = seal_certificate(keys);
    match store.put_if_absent(&name, PutSource::Bytes(&bytes), StorageClass::Standard) {
        Ok(PutOutcome::Created) => Ok(()),
        Ok(PutOutcome::AlreadyThere) if store.get(&name, CERTIFICATE_OBJECT_LEN as u64)? == bytes => Ok(()),
        Ok(PutOutcome::AlreadyThere) | Err(StoreError::Conflict { .. }) => {
            Err(RepoError::SerialTaken { machine: keys.machine_id })
        }
        Err(error) => Err(error.into()),
    }
}
