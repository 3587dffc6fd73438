//! Objects, and the verbs.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::seam::Backend;
use super::super::{
    Access, CompleteOutcome, Listed, ObjectInfo, ObjectName, PartReceipt, PartRules, PartSource, PutOutcome, PutSource,
    StoreError, Upload, UploadId,
};
use super::uploads::{self, Uploads};
use crate::model::StorageClass;

/// Everything that the target holds.
#[derive(Clone, Default)]
pub(super) struct Contents {
    pub(super) objects: BTreeMap<ObjectName, Arc<[u8]>>,
    /// Of a bucket's objects that were put whole.
    classes: BTreeMap<ObjectName, StorageClass>,
    pub(super) uploads: Uploads,
}

impl Contents {
    fn class(&self, name: &ObjectName) -> StorageClass {
        self.classes.get(name).copied().unwrap_or_default()
    }
}

/// Cloning gives another handle to the same contents.
#[derive(Clone, Default)]
pub struct MemoryStore {
    contents: Arc<Mutex<Contents>>,
    rules: Option<PartRules>,
    is_bucket: bool,
}

impl MemoryStore {
    pub(super) fn ruled_by(self, rules: PartRules) -> Self {
        Self { rules: Some(rules), ..self }
    }

    /// Far, and with classes.
    pub fn bucket() -> Self {
        Self { is_bucket: true, ..Self::default() }
    }

    /// A copy that goes its own way from now.
    pub(super) fn fork(&self) -> Self {
        Self { contents: Arc::new(Mutex::new(self.contents().clone())), ..self.clone() }
    }

    pub(super) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, name: &ObjectName) -> Result<Arc<[u8]>, StoreError> {
        let contents = self.contents();
        let bytes = contents.objects.get(name).cloned().ok_or_else(|| StoreError::NotFound { name: name.clone() })?;
        match contents.class(name).reads_at_once() {
            true => Ok(bytes),
            false => Err(StoreError::Archived { name: name.clone() }),
        }
    }
}

impl Backend for MemoryStore {
    fn put_if_absent(
        &self,
        name: &ObjectName,
        source: PutSource<'_>,
        class: StorageClass,
    ) -> Result<PutOutcome, StoreError> {
        let bytes = read_source(source)?;
        let contents = &mut *self.contents();
        let Some(present) = contents.objects.get(name) else {
            contents.objects.insert(name.clone(), bytes);
            if self.is_bucket {
                contents.classes.insert(name.clone(), class);
            }
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
        let contents = self.contents();
        let class = contents.class(name);
        let access = if class.reads_at_once() { Access::Now } else { Access::NeedsThaw };
        Ok(contents.objects.get(name).map(|bytes| ObjectInfo { size: bytes.len() as u64, class, access }))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let contents = self.contents();
        let from = contents.objects.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        Ok(from
            .take_while(|(name, _)| name.as_str().starts_with(prefix))
            .map(|(name, bytes)| Listed { name: name.clone(), size: bytes.len() as u64, class: contents.class(name) })
            .collect())
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        let contents = &mut *self.contents();
        contents.objects.remove(name);
        contents.classes.remove(name);
        contents.uploads.note_delete(name);
        Ok(())
    }

    fn has_classes(&self) -> bool {
        self.is_bucket
    }

    fn is_far(&self) -> bool {
        self.is_bucket
    }

    fn part_rules(&self) -> Option<PartRules> {
        self.rules
    }

    fn create_upload(&self, name: &ObjectName, _class: StorageClass) -> Result<UploadId, StoreError> {
        Ok(self.contents().uploads.create(name))
    }

    fn put_part(&self, upload: &Upload, number: u32, source: PartSource<'_>) -> Result<PartReceipt, StoreError> {
        let bytes = uploads::read_part(source)?;
        self.contents().uploads.put(upload, number, bytes)
    }

    fn list_parts(&self, upload: &Upload) -> Result<Option<Vec<PartReceipt>>, StoreError> {
        Ok(self.contents().uploads.receipts(upload))
    }

    fn recognise_part(&self, listed: &PartReceipt, source: PartSource<'_>) -> Result<Option<PartReceipt>, StoreError> {
        let own = uploads::receipt(listed.number, &uploads::read_part(source)?);
        Ok(Some(own).filter(|own| own == listed))
    }

    fn complete_upload(&self, upload: &Upload, parts: &[PartReceipt]) -> Result<CompleteOutcome, StoreError> {
        let least = self.rules.map_or(0, |rules| rules.part_size);
        uploads::complete(&mut self.contents(), upload, parts, least)
    }

    fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.contents().uploads.abort(upload);
        Ok(())
    }

    fn list_uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        Ok(self.contents().uploads.list(prefix))
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
