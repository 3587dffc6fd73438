//! A store in memory: the reference that the conformance suite compares the others with, and the target of tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::seam::Backend;
use super::{Listed, ObjectInfo, ObjectName, PutOutcome, PutSource, StoreError};
use crate::model::StorageClass;

#[derive(Default)]
pub(super) struct MemoryStore {
    objects: Mutex<BTreeMap<ObjectName, Arc<[u8]>>>,
}

impl MemoryStore {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<ObjectName, Arc<[u8]>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, name: &ObjectName) -> Result<Arc<[u8]>, StoreError> {
        self.objects().get(name).cloned().ok_or_else(|| StoreError::NotFound { name: name.clone() })
    }
}

impl Backend for MemoryStore {
    fn put_if_absent(
        &self,
        name: &ObjectName,
        source: PutSource<'_>,
        _class: StorageClass,
    ) -> Result<PutOutcome, StoreError> {
        let bytes = read_source(source)?;
        let mut objects = self.objects();
        let Some(present) = objects.get(name) else {
            objects.insert(name.clone(), bytes);
            return Ok(PutOutcome::Created);
        };
        let (present, offered) = (present.len() as u64, bytes.len() as u64);
        if present != offered {
            return Err(StoreError::Conflict { name: name.clone(), present, offered });
        }
        Ok(PutOutcome::AlreadyThere)
    }

    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        let bytes = self.object(name)?;
        let size = bytes.len() as u64;
        if size > limit {
            return Err(StoreError::TooLarge { name: name.clone(), size, limit });
        }
        Ok(bytes.to_vec())
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        let bytes = self.object(name)?;
        let size = bytes.len() as u64;
        let part = offset.checked_add(len).and_then(|end| {
            let (start, end) = (usize::try_from(offset).ok()?, usize::try_from(end).ok()?);
            bytes.get(start..end)
        });
        part.map(<[u8]>::to_vec).ok_or_else(|| StoreError::OutOfRange { name: name.clone(), offset, len, size })
    }

    fn head(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, StoreError> {
        Ok(self.objects().get(name).map(|bytes| ObjectInfo::plain(bytes.len() as u64)))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let objects = self.objects();
        let from = objects.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        Ok(from
            .take_while(|(name, _)| name.as_str().starts_with(prefix))
            .map(|(name, bytes)| Listed { name: name.clone(), size: bytes.len() as u64, class: StorageClass::Standard })
            .collect())
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.objects().remove(name);
        Ok(())
    }
}

fn read_source(source: PutSource<'_>) -> Result<Arc<[u8]>, StoreError> {
    match source {
        PutSource::Bytes(bytes) => Ok(bytes.into()),
        PutSource::File { path, .. } => {
            std::fs::read(path).map(Arc::from).map_err(|source| StoreError::Spool { path: path.to_path_buf(), source })
        }
    }
}
