//! Uploads by parts, and what tests may do to them behind the program's back.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::io::Errno;

use super::super::{
    CompleteOutcome, ObjectName, PartReceipt, PartRules, PartSource, Store, StoreError, Upload, UploadId, Verb,
};
use super::MemoryStore;
use super::store::Contents;

/// Most that any target takes.
const MAX_PARTS: u32 = 10_000;

#[derive(Clone, Default)]
pub(super) struct Uploads {
    open: BTreeMap<UploadId, Open>,
    /// Counts what must be told apart by time: begun uploads and deletions.
    moment: u64,
    deleted: BTreeMap<ObjectName, u64>,
}

#[derive(Clone)]
struct Open {
    name: ObjectName,
    begun: u64,
    parts: BTreeMap<u32, Arc<[u8]>>,
}

impl Uploads {
    pub(super) fn create(&mut self, name: &ObjectName) -> UploadId {
        self.moment += 1;
        let id = UploadId::new(format!("upload-{}", self.moment));
        self.open.insert(id.clone(), Open { name: name.clone(), begun: self.moment, parts: BTreeMap::new() });
        id
    }

    pub(super) fn note_delete(&mut self, name: &ObjectName) {
        self.moment += 1;
        self.deleted.insert(name.clone(), self.moment);
    }

    pub(super) fn put(&mut self, upload: &Upload, number: u32, bytes: Arc<[u8]>) -> Result<PartReceipt, StoreError> {
        let gone = || StoreError::UploadGone { name: upload.name.clone(), id: upload.id.clone() };
        let open = self.open.get_mut(&upload.id).filter(|open| open.name == upload.name).ok_or_else(gone)?;
        if number == 0 || number > MAX_PARTS {
            return Err(refused(Verb::PutPart, upload));
        }
        let receipt = receipt(number, &bytes);
        open.parts.insert(number, bytes);
        Ok(receipt)
    }

    pub(super) fn receipts(&self, upload: &Upload) -> Option<Vec<PartReceipt>> {
        let open = self.find(upload)?;
        Some(open.parts.iter().map(|(number, bytes)| receipt(*number, bytes)).collect())
    }

    pub(super) fn abort(&mut self, upload: &Upload) {
        if self.find(upload).is_some() {
            self.open.remove(&upload.id);
        }
    }

    pub(super) fn list(&self, prefix: &str) -> Vec<Upload> {
        let found = self.open.iter().filter(|(_, open)| open.name.as_str().starts_with(prefix));
        found.map(|(id, open)| Upload { name: open.name.clone(), id: id.clone() }).collect()
    }

    fn find(&self, upload: &Upload) -> Option<&Open> {
        self.open.get(&upload.id).filter(|open| open.name == upload.name)
    }
}

/// `least`: what every part but the last must have, in bytes.
pub(super) fn complete(
    contents: &mut Contents,
    upload: &Upload,
    parts: &[PartReceipt],
    least: u64,
) -> Result<CompleteOutcome, StoreError> {
    let Some(open) = contents.uploads.find(upload) else { return Ok(CompleteOutcome::UploadGone) };
    if contents.objects.contains_key(&upload.name) {
        return Ok(CompleteOutcome::AlreadyThere);
    }
    if contents.uploads.deleted.get(&upload.name).is_some_and(|moment| *moment > open.begun) {
        return Ok(CompleteOutcome::Conflict);
    }
    if !are_consecutive(parts) || !have_one_size(parts, least) {
        return Err(refused(Verb::CompleteUpload, upload));
    }
    let held = |part: &PartReceipt| open.parts.get(&part.number).filter(|bytes| receipt(part.number, bytes) == *part);
    let Some(bytes) = parts.iter().map(held).collect::<Option<Vec<_>>>() else {
        return Ok(CompleteOutcome::PartsDiffer);
    };
    let object = bytes.into_iter().map(|part| &part[..]).collect::<Vec<_>>().concat();
    contents.uploads.open.remove(&upload.id);
    contents.objects.insert(upload.name.clone(), object.into());
    Ok(CompleteOutcome::Created)
}

fn are_consecutive(parts: &[PartReceipt]) -> bool {
    !parts.is_empty() && parts.iter().zip(1..).all(|(part, number)| part.number == number)
}

fn have_one_size(parts: &[PartReceipt], least: u64) -> bool {
    let Some((last, others)) = parts.split_last() else { return true };
    others.iter().all(|part| part.size == others[0].size && part.size >= least && part.size >= last.size)
}

pub(super) fn receipt(number: u32, bytes: &[u8]) -> PartReceipt {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    PartReceipt { number, size: bytes.len() as u64, etag: format!("{:016x}", hasher.finish()), crc64: None }
}

pub(super) fn read_part(source: PartSource<'_>) -> Result<Arc<[u8]>, StoreError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(source.len).map_err(io::Error::other)?];
        File::open(source.path)?.read_exact_at(&mut bytes, source.offset)?;
        Ok(bytes)
    };
    read().map(Arc::from).map_err(|error| StoreError::Spool { path: source.path.to_path_buf(), source: error })
}

fn refused(verb: Verb, upload: &Upload) -> StoreError {
    StoreError::io(verb, &upload.name, Errno::INVAL)
}

/// What a test does at the target itself.
#[derive(Clone)]
pub struct MemoryTarget(MemoryStore);

impl MemoryTarget {
    pub(in super::super) fn new(rules: PartRules) -> Self {
        Self(MemoryStore::default().ruled_by(rules))
    }

    /// The target as the program sees it.
    pub fn store(&self) -> Store {
        Store::of_memory(self.0.clone())
    }

    /// Another target that holds what this one holds now: as if the program had died at this moment.
    pub fn fork(&self) -> Self {
        Self(self.0.fork())
    }

    /// The same target, which now has other rules.
    pub fn with_rules(&self, rules: PartRules) -> Self {
        Self(self.0.clone().ruled_by(rules))
    }

    /// The target forgets a part that it has acknowledged.
    pub fn lose_part(&self, upload: &Upload, number: u32) {
        if let Some(open) = self.0.contents().uploads.open.get_mut(&upload.id) {
            open.parts.remove(&number);
        }
    }
}
