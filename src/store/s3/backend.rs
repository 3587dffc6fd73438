//! A bucket as a kind of store: names to keys, and the verbs of the seam.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_s3::operation::RequestId;

use super::address::S3Address;
use super::answer::Failure;
use super::client::{Ask, S3Client};
use super::parts::RULES;
use super::refusal::S3Refusal;
use crate::model::StorageClass;
use crate::store::seam::Backend;
use crate::store::{
    CompleteOutcome, Limiter, Listed, ObjectInfo, ObjectName, PartReceipt, PartRules, PartSource, PutOutcome,
    PutSource, Requests, StoreError, ThawOutcome, ThawTier, Upload, UploadId, Verb, Version, VersionMark, VersionPage,
};

pub(in crate::store) struct S3Store {
    pub(super) client: S3Client,
    /// Of uploads that were begun or listed here: what their completion is billed as.
    classes: Mutex<HashMap<UploadId, StorageClass>>,
}

impl S3Store {
    /// Sends nothing: the first request tells whether the bucket is there.
    pub(in crate::store) fn open(address: &S3Address) -> Result<Self, StoreError> {
        Ok(Self { client: S3Client::open(address)?, classes: Mutex::default() })
    }

    pub(in crate::store) fn limited(self, limiter: Limiter) -> Self {
        Self { client: self.client.limited(limiter), ..self }
    }

    /// As [`S3Store::open`], and the bucket is there. It is not made here: its settings decide who can empty it.
    pub(in crate::store) fn create(address: &S3Address) -> Result<Self, StoreError> {
        let store = Self::open(address)?;
        let answer = store.client.call(Ask::new(Verb::Open), |s3| s3.head_bucket().bucket(store.bucket()).send());
        match answer {
            Ok(output) if output.request_id().is_some() => Ok(store),
            // an answer to HEAD has no body: what says yes may be a login page, and why it is no is not said
            Ok(_) => store.opened_by_list(),
            Err(failure) if failure.is_mute() => store.opened_by_list(),
            Err(failure) => Err(store.cannot_open(failure)),
        }
    }

    /// Asks for what has a body, so that the answer names its reason.
    fn opened_by_list(self) -> Result<Self, StoreError> {
        let answer = self.client.call(Ask::new(Verb::List), |s3| {
            s3.list_objects_v2().bucket(self.bucket()).prefix(self.address().prefix()).max_keys(1).send()
        });
        match answer.map_err(|failure| self.cannot_open(failure)) {
            // it need not be allowed; the first object will tell
            Ok(_) | Err(StoreError::S3 { source: S3Refusal::AccessDenied { .. }, .. }) => Ok(self),
            Err(error) => Err(error),
        }
    }

    fn cannot_open(&self, failure: Failure) -> StoreError {
        self.client.failed(Verb::Open, "the repository", failure)
    }

    pub(super) fn address(&self) -> &S3Address {
        self.client.address()
    }

    pub(super) fn bucket(&self) -> &str {
        self.address().bucket()
    }

    pub(super) fn key(&self, name: &ObjectName) -> String {
        format!("{}{name}", self.address().prefix())
    }

    /// `None` for a key that is no name of an object under our prefix.
    pub(super) fn name_of(&self, key: &str) -> Option<ObjectName> {
        ObjectName::parse(key.strip_prefix(self.address().prefix())?).ok()
    }

    /// The header that keeps a write from replacing anything.
    pub(super) fn if_absent(&self) -> Option<String> {
        self.address().conditional().then(|| "*".to_owned())
    }

    pub(super) fn failed(&self, verb: Verb, name: &ObjectName, failure: Failure) -> StoreError {
        self.client.failed(verb, name.as_str(), failure)
    }

    pub(super) fn refused(&self, verb: Verb, name: &ObjectName, source: S3Refusal) -> StoreError {
        StoreError::S3 { verb, what: name.to_string(), bucket: self.bucket().to_owned(), source }
    }

    pub(super) fn remember(&self, id: &UploadId, class: StorageClass) {
        self.classes.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), class);
    }

    pub(super) fn class_of(&self, id: &UploadId) -> StorageClass {
        self.classes.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied().unwrap_or_default()
    }

    fn forget(&self, id: &UploadId) {
        self.classes.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

impl Backend for S3Store {
    fn put_if_absent(
        &self,
        name: &ObjectName,
        source: PutSource<'_>,
        class: StorageClass,
    ) -> Result<PutOutcome, StoreError> {
        self.put(name, source, class)
    }

    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        S3Store::get(self, name, limit)
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        S3Store::get_range(self, name, offset, len)
    }

    fn head(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, StoreError> {
        S3Store::head(self, name)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        S3Store::list(self, prefix)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        S3Store::delete(self, name)
    }

    fn part_rules(&self) -> Option<PartRules> {
        Some(RULES)
    }

    fn create_upload(&self, name: &ObjectName, class: StorageClass) -> Result<UploadId, StoreError> {
        self.begin(name, class)
    }

    fn put_part(&self, upload: &Upload, number: u32, source: PartSource<'_>) -> Result<PartReceipt, StoreError> {
        self.send_part(upload, number, source)
    }

    fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        S3Store::folders(self, prefix)
    }

    fn list_parts(&self, upload: &Upload) -> Result<Option<Vec<PartReceipt>>, StoreError> {
        self.parts_of(upload)
    }

    fn recognise_part(&self, listed: &PartReceipt, source: PartSource<'_>) -> Result<Option<PartReceipt>, StoreError> {
        self.recognise(listed, source)
    }

    fn complete_upload(&self, upload: &Upload, parts: &[PartReceipt]) -> Result<CompleteOutcome, StoreError> {
        let outcome = self.complete(upload, parts)?;
        if outcome == CompleteOutcome::Created {
            self.forget(&upload.id);
        }
        Ok(outcome)
    }

    fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.forget(&upload.id);
        self.abort(upload)
    }

    fn list_uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.begun(prefix)
    }

    fn thaw(&self, name: &ObjectName, tier: ThawTier, days: u32) -> Result<ThawOutcome, StoreError> {
        self.ask_for_copy(name, tier, days)
    }

    fn versions(&self, prefix: &str, after: Option<&VersionMark>) -> Result<VersionPage, StoreError> {
        self.page_of_versions(prefix, after)
    }

    fn remove_markers(&self, markers: &[Version]) -> Result<(), StoreError> {
        self.delete_markers(markers)
    }

    fn put_back(&self, version: &Version, only_if_absent: bool) -> Result<(), StoreError> {
        self.copy_over(version, only_if_absent)
    }

    fn has_classes(&self) -> bool {
        true
    }

    fn is_far(&self) -> bool {
        true
    }

    fn requests(&self) -> Requests {
        self.client.requests()
    }
}
