//! Decorator: counts calls and bytes, so that tests can say "an unchanged root: no list, no put".

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::seam::Backend;
use super::{
    CompleteOutcome, Listed, ObjectInfo, ObjectName, PartReceipt, PartRules, PartSource, PutOutcome, PutSource,
    Requests, StoreError, ThawOutcome, ThawTier, Upload, UploadId, Verb, Version, VersionMark, VersionPage,
};
use crate::model::StorageClass;

/// What went through a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub calls: u64,
    pub failures: u64,
    /// Bytes of objects: stored by [`Verb::Put`] (created ones only) and [`Verb::PutPart`], read by [`Verb::Get`] and [`Verb::GetRange`].
    pub bytes: u64,
}

/// Reads what a recording store has counted.
#[derive(Clone, Default, Debug)]
pub struct Recorder(Arc<Mutex<BTreeMap<Verb, Counts>>>);

impl Recorder {
    pub fn counts(&self, verb: Verb) -> Counts {
        self.table().get(&verb).copied().unwrap_or_default()
    }

    pub fn calls(&self, verb: Verb) -> u64 {
        self.counts(verb).calls
    }

    pub fn reset(&self) {
        self.table().clear();
    }

    fn note<T>(&self, verb: Verb, result: &Result<T, StoreError>, bytes: impl FnOnce(&T) -> u64) {
        let mut table = self.table();
        let counts = table.entry(verb).or_default();
        counts.calls += 1;
        match result {
            Ok(value) => counts.bytes += bytes(value),
            Err(_) => counts.failures += 1,
        }
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<Verb, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct RecordingStore {
    inner: Arc<dyn Backend>,
    recorder: Recorder,
}

impl RecordingStore {
    pub(super) fn new(inner: Arc<dyn Backend>, recorder: Recorder) -> Self {
        Self { inner, recorder }
    }
}

impl Backend for RecordingStore {
    fn put_if_absent(
        &self,
        name: &ObjectName,
        source: PutSource<'_>,
        class: StorageClass,
    ) -> Result<PutOutcome, StoreError> {
        // before the put: it may move the file away
        let size = source.size();
        let result = self.inner.put_if_absent(name, source, class);
        self.recorder.note(Verb::Put, &result, |outcome| if *outcome == PutOutcome::Created { size } else { 0 });
        result
    }

    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        let result = self.inner.get(name, limit);
        self.recorder.note(Verb::Get, &result, |bytes| bytes.len() as u64);
        result
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        let result = self.inner.get_range(name, offset, len);
        self.recorder.note(Verb::GetRange, &result, |bytes| bytes.len() as u64);
        result
    }

    fn head(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, StoreError> {
        let result = self.inner.head(name);
        self.recorder.note(Verb::Head, &result, |_| 0);
        result
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let result = self.inner.list(prefix);
        self.recorder.note(Verb::List, &result, |_| 0);
        result
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        let result = self.inner.delete(name);
        self.recorder.note(Verb::Delete, &result, |()| 0);
        result
    }

    fn part_rules(&self) -> Option<PartRules> {
        self.inner.part_rules()
    }

    fn create_upload(&self, name: &ObjectName, class: StorageClass) -> Result<UploadId, StoreError> {
        let result = self.inner.create_upload(name, class);
        self.recorder.note(Verb::CreateUpload, &result, |_| 0);
        result
    }

    fn put_part(&self, upload: &Upload, number: u32, source: PartSource<'_>) -> Result<PartReceipt, StoreError> {
        let result = self.inner.put_part(upload, number, source);
        self.recorder.note(Verb::PutPart, &result, |receipt| receipt.size);
        result
    }

    fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let result = self.inner.folders(prefix);
        self.recorder.note(Verb::List, &result, |_| 0);
        result
    }

    fn list_parts(&self, upload: &Upload) -> Result<Option<Vec<PartReceipt>>, StoreError> {
        let result = self.inner.list_parts(upload);
        self.recorder.note(Verb::ListParts, &result, |_| 0);
        result
    }

    fn recognise_part(&self, listed: &PartReceipt, source: PartSource<'_>) -> Result<Option<PartReceipt>, StoreError> {
        self.inner.recognise_part(listed, source)
    }

    fn complete_upload(&self, upload: &Upload, parts: &[PartReceipt]) -> Result<CompleteOutcome, StoreError> {
        let result = self.inner.complete_upload(upload, parts);
        self.recorder.note(Verb::CompleteUpload, &result, |_| 0);
        result
    }

    fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        let result = self.inner.abort_upload(upload);
        self.recorder.note(Verb::AbortUpload, &result, |_| 0);
        result
    }

    fn list_uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        let result = self.inner.list_uploads(prefix);
        self.recorder.note(Verb::ListUploads, &result, |_| 0);
        result
    }

    fn thaw(&self, name: &ObjectName, tier: ThawTier, days: u32) -> Result<ThawOutcome, StoreError> {
        let result = self.inner.thaw(name, tier, days);
        self.recorder.note(Verb::Thaw, &result, |_| 0);
        result
    }

    fn versions(&self, prefix: &str, after: Option<&VersionMark>) -> Result<VersionPage, StoreError> {
        let result = self.inner.versions(prefix, after);
        self.recorder.note(Verb::ListVersions, &result, |_| 0);
        result
    }

    fn remove_markers(&self, markers: &[Version]) -> Result<(), StoreError> {
        let result = self.inner.remove_markers(markers);
        self.recorder.note(Verb::RemoveMarkers, &result, |()| 0);
        result
    }

    fn put_back(&self, version: &Version, only_if_absent: bool) -> Result<(), StoreError> {
        let result = self.inner.put_back(version, only_if_absent);
        self.recorder.note(Verb::PutBack, &result, |()| 0);
        result
    }

    fn has_classes(&self) -> bool {
        self.inner.has_classes()
    }

    fn is_far(&self) -> bool {
        self.inner.is_far()
    }

    fn requests(&self) -> Requests {
        self.inner.requests()
    }
}
