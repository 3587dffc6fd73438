//! Versions and delete markers: what a bucket keeps of objects that were deleted or replaced.

use std::time::Duration;

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, DeleteMarkerEntry, ObjectIdentifier, ObjectVersion};

use super::archive;
use super::backend::S3Store;
use super::client::Ask;
use super::objects::{PAGE, shown};
use super::refusal::S3Refusal;
use crate::model::Timestamp;
use crate::store::escape::escape;
use crate::store::{StoreError, Verb, Version, VersionData, VersionMark, VersionPage};

/// The server copies up to 5 GiB before it answers.
const COPY_PATIENCE: Duration = Duration::from_secs(600);

impl S3Store {
    pub(super) fn page_of_versions(
        &self,
        prefix: &str,
        after: Option<&VersionMark>,
    ) -> Result<VersionPage, StoreError> {
        let whole = format!("{}{prefix}", self.address().prefix());
        let answer = self.client.call(Ask::new(Verb::ListVersions), |s3| {
            let list = s3.list_object_versions().bucket(self.bucket()).prefix(&whole).max_keys(PAGE);
            let list = list.set_key_marker(after.map(|after| after.key.clone()));
            list.set_version_id_marker(after.and_then(|after| after.id.clone())).send()
        });
        let page = answer.map_err(|failure| self.client.failed(Verb::ListVersions, &shown(prefix), failure))?;
        let next = next(&page);
        if page.is_truncated() == Some(true) && (next.is_none() || next.as_ref() == after) {
            return Err(self.garbled(Verb::ListVersions, &shown(prefix), "a page has no successor"));
        }
        let mut versions = Vec::new();
        for version in page.versions() {
            versions.extend(self.version(version)?);
        }
        versions.extend(page.delete_markers().iter().filter_map(|marker| self.marker(marker)));
        // stable: what belongs to one name stays from the newest to the oldest
        versions.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(VersionPage { versions, next })
    }

    /// `None` for what cannot be an object of ours.
    fn version(&self, listed: &ObjectVersion) -> Result<Option<Version>, StoreError> {
        let (Some(name), Some(id)) = (listed.key().and_then(|key| self.name_of(key)), listed.version_id()) else {
            return Ok(None);
        };
        let size = self.positive(Verb::ListVersions, &name, listed.size())?;
        let class = archive::from_sdk(listed.storage_class().map(|class| class.as_str()));
        let etag = listed.e_tag().unwrap_or_default().to_owned();
        let (is_current, since) = (listed.is_latest() == Some(true), time(listed.last_modified()));
        Ok(Some(Version { name, id: id.to_owned(), data: Some(VersionData { size, class, etag }), is_current, since }))
    }

    fn marker(&self, listed: &DeleteMarkerEntry) -> Option<Version> {
        let (name, id) = (self.name_of(listed.key()?)?, listed.version_id()?.to_owned());
        let (is_current, since) = (listed.is_latest() == Some(true), time(listed.last_modified()));
        Some(Version { name, id, data: None, is_current, since })
    }

    pub(super) fn delete_markers(&self, markers: &[Version]) -> Result<(), StoreError> {
        let Some(first) = markers.first() else { return Ok(()) };
        let what = format!("delete markers (of {} and others)", first.name);
        let named = markers.iter().map(|marker| {
            let named = ObjectIdentifier::builder().key(self.key(&marker.name)).version_id(&marker.id);
            named.build().expect("its key is given")
        });
        let all = Delete::builder().set_objects(Some(named.collect())).quiet(true).build();
        let all = all.expect("its objects are given");
        let answer = self.client.call(Ask::new(Verb::RemoveMarkers), |s3| {
            s3.delete_objects().bucket(self.bucket()).delete(all.clone()).send()
        });
        let output = answer.map_err(|failure| self.client.failed(Verb::RemoveMarkers, &what, failure))?;
        match output.errors().first() {
            None => Ok(()),
            Some(error) => Err(self.marker_stays(error.key(), error.code(), error.message())),
        }
    }

    /// Each is removed or refused for itself; the first refusal is told.
    fn marker_stays(&self, key: Option<&str>, code: Option<&str>, message: Option<&str>) -> StoreError {
        let (code, message) = (code.unwrap_or_default().to_owned(), message.unwrap_or_default().to_owned());
        let source = match code.as_str() {
            "AccessDenied" => S3Refusal::AccessDenied { action: "s3:DeleteObjectVersion", message },
            "InternalError" | "SlowDown" | "ServiceUnavailable" => S3Refusal::Busy { status: 200, code, message },
            _ => S3Refusal::Refused { status: 200, code, message },
        };
        let what = format!("the delete marker of {}", key.unwrap_or("an object"));
        StoreError::S3 { verb: Verb::RemoveMarkers, what, bucket: self.bucket().to_owned(), source }
    }

    pub(super) fn copy_over(&self, version: &Version, only_if_absent: bool) -> Result<(), StoreError> {
        let name = &version.name;
        let class = version.data.as_ref().map(|data| data.class).unwrap_or_default();
        let source = self.copy_source(version);
        let ask = Ask::new(Verb::PutBack).class(class).patience(COPY_PATIENCE);
        let answer = self.client.call(ask, |s3| {
            let copy = s3.copy_object().bucket(self.bucket()).key(self.key(name)).copy_source(&source);
            let copy = copy.set_storage_class(archive::to_sdk(class));
            copy.set_if_none_match(only_if_absent.then(|| "*".to_owned())).send()
        });
        match answer {
            Ok(output) if output.copy_object_result().is_some_and(|result| result.e_tag().is_some()) => Ok(()),
            Ok(_) => Err(self.garbled(Verb::PutBack, name.as_str(), "it has no ETag")),
            Err(failure) => Err(self.unread(Verb::PutBack, name, failure)),
        }
    }

    /// `bucket/key?versionId=ID`, as a header takes it.
    fn copy_source(&self, version: &Version) -> String {
        let mut source = String::new();
        let path = format!("{}/{}", self.bucket(), self.key(&version.name));
        escape(&mut source, path.as_bytes(), b"+=?&").expect("text takes all text");
        source.push_str("?versionId=");
        escape(&mut source, version.id.as_bytes(), b"+=?&/").expect("text takes all text");
        source
    }
}

fn next(page: &ListObjectVersionsOutput) -> Option<VersionMark> {
    let key = page.next_key_marker().filter(|_| page.is_truncated() != Some(false))?;
    // some servers give an empty one for "none"
    let id = page.next_version_id_marker().filter(|id| !id.is_empty());
    Some(VersionMark { key: key.to_owned(), id: id.map(str::to_owned) })
}

fn time(listed: Option<&DateTime>) -> Timestamp {
    listed.map(|time| Timestamp::new(time.secs(), time.subsec_nanos())).unwrap_or_default()
}
