//! Making a repository and enrolling machines: what needs the recovery secret at the beginning, once.

use super::{RepoError, names};
use crate::chunk::ChunkLimits;
use crate::crypto::{self, MachineKeys, RecoverySecret};
use crate::format::{MachineRecord, RepositoryRecord, SignedRecord};
use crate::model::{RepoId, StorageClass};
use crate::store::{PutOutcome, PutSource, Store};

const EPOCH: u32 = 1;

/// Writes `rozen.json`. Durable on return. Fails if the place holds a repository already.
pub fn create(store: &Store, secret: &RecoverySecret, limits: ChunkLimits, created: &str) -> Result<RepoId, RepoError> {
    let already = || RepoError::AlreadyThere { place: store.place().into() };
    if store.head(&names::repository())?.is_some() {
        return Err(already());
    }
    let repo = RepoId(crypto::random());
    let record = RepositoryRecord {
        repository: repo.to_string(),
        suite: 1,
        epoch: EPOCH,
        content_public_key: crypto::hex(secret.read_keys(repo, EPOCH).content_public().as_bytes()),
        admin_public_key: crypto::hex(secret.admin_signing().verifying().as_bytes()),
        chunker: limits,
        required_features: vec![],
        created: created.into(),
    };
    let bytes = SignedRecord::sign(&record, &secret.admin_signing());
    match store.put_if_absent(&names::repository(), PutSource::Bytes(&bytes), StorageClass::Standard)? {
        PutOutcome::Created => Ok(repo),
        PutOutcome::AlreadyThere => Err(already()),
    }
}

/// Gives a new machine its identity and keys, and writes its certificate. Durable on return.
pub fn enroll(store: &Store, secret: &RecoverySecret, repo: RepoId, created: &str) -> Result<MachineKeys, RepoError> {
    let keys = MachineKeys::generate(secret, repo, EPOCH);
    let record = MachineRecord {
        repository: repo.to_string(),
        machine: keys.machine_id.to_string(),
        signing_public_key: crypto::hex(keys.signing.verifying().as_bytes()),
        epoch: EPOCH,
        created: created.into(),
    };
    let bytes = SignedRecord::sign(&record, &secret.admin_signing());
    store.put_if_absent(&names::machine(&keys.machine_id), PutSource::Bytes(&bytes), StorageClass::Standard)?;
    Ok(keys)
}
