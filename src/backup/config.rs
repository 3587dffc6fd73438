//! The configuration in the target: stored when it is another than the one before. The journal remembers which one that
//! was, so that an unchanged configuration costs no request.

use super::agent::Backup;
use super::error::RunError;
use crate::crypto;
use crate::format::{StoredConfig, seal_config};
use crate::model::{ObjectHash, StorageClass};
use crate::repo::names;
use crate::upload::{Body, Role, SpooledObject};

/// Hash of the text that was stored last ‖ name of its object.
const FACT: &str = "stored-config";

/// Would a snapshot now name another configuration than the last one?
pub(super) fn is_new(backup: &Backup) -> Result<bool, RunError> {
    Ok(backup.config.is_some() && stored(backup)?.is_none())
}

/// Durable on return. Gives its name; `None` where there is no configuration to store.
pub(super) fn store(backup: &Backup) -> Result<Option<ObjectHash>, RunError> {
    let Some(text) = &backup.config else { return Ok(None) };
    if let Some(name) = stored(backup)? {
        return Ok(Some(name));
    }
    let bytes = seal_config(&StoredConfig { text: text.clone() }, &backup.keys);
    let (hash, size) = (crypto::hash(&bytes), bytes.len() as u64);
    let name = names::config(&backup.keys.machine_id, &hash);
    let (class, body) = (StorageClass::Standard, Body::Bytes(bytes));
    let object = SpooledObject { what: (), role: Role::Hashed, name, class, body, size, hash };
    let durable = backup.uploader.upload(object)?;
    let fact = [crypto::hash(text.as_bytes()).0, durable.hash().0].concat();
    backup.journal.set_fact(FACT, &fact)?;
    Ok(Some(durable.hash()))
}

/// For a target that may not hold it any more: it is stored again.
pub(super) fn forget(backup: &Backup) -> Result<(), RunError> {
    Ok(backup.journal.set_fact(FACT, &[])?)
}

/// The object that holds the present text.
fn stored(backup: &Backup) -> Result<Option<ObjectHash>, RunError> {
    let (Some(text), Some(fact)) = (&backup.config, backup.journal.fact(FACT)?) else { return Ok(None) };
    let (of_text, name) = fact.split_at_checked(ObjectHash::LEN).unwrap_or_default();
    let is_same = of_text == crypto::hash(text.as_bytes()).as_bytes();
    Ok(is_same.then(|| ObjectHash::from_slice(name)).flatten())
}
