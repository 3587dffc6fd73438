//! Whole objects: put, get and head, with conditions and versions.

use std::ops::Range;

use s3s::dto::{
    ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, PutObjectInput,
    PutObjectOutput, StorageClass, Timestamp,
};
use s3s::{S3Request, S3Result, s3_error};
use time::OffsetDateTime;

use super::body::{Announced, Stored};
use super::disk::{Row, State};
use super::lock::wanted_retention;
use super::state::{Facts, Key, Version};
use super::store::Fake;
use super::sums::{hex, show_sums};

const CLASSES: [&str; 7] =
    ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"];

pub fn timestamp(seconds: i64) -> Timestamp {
    OffsetDateTime::from_unix_timestamp(seconds).expect("the store's clock is near ours").into()
}

/// `None` for the standard class, as S3 does not name it.
pub fn class(given: Option<&StorageClass>) -> S3Result<Option<String>> {
    let Some(class) = given.map(StorageClass::as_str) else { return Ok(None) };
    match CLASSES.contains(&class) {
        true => Ok((class != "STANDARD").then(|| class.to_owned())),
        false => Err(s3_error!(InvalidStorageClass, "there is no storage class {class}")),
    }
}

/// What a write demands of the object that is there.
#[derive(Clone, Copy, Default)]
pub struct Conditions<'a> {
    pub if_match: Option<&'a ETagCondition>,
    pub if_none_match: Option<&'a ETagCondition>,
    /// Order of the beginning of an upload: a deletion after it is a conflict.
    pub since: Option<u64>,
}

impl Conditions<'_> {
    pub fn check(&self, key: &Key) -> S3Result<()> {
        match self.if_none_match {
            None => {}
            Some(ETagCondition::ETag(_)) => {
                return Err(s3_error!(NotImplemented, "If-None-Match of a write can only be *"));
            }
            Some(ETagCondition::Any) if key.current().is_some() => {
                return Err(s3_error!(PreconditionFailed, "the object exists"));
            }
            Some(ETagCondition::Any) if key.deleted > self.since && self.since.is_some() => {
                return Err(s3_error!(ConditionalRequestConflict, "the key was deleted since the upload began"));
            }
            Some(ETagCondition::Any) => {}
        }
        match (self.if_match, key.current()) {
            (None, _) | (Some(ETagCondition::Any), Some(_)) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey, "If-Match of a key that is not there")),
            (Some(ETagCondition::ETag(etag)), Some(now)) if etag.value() == now.etag => Ok(()),
            (Some(ETagCondition::ETag(_)), Some(_)) => Err(s3_error!(PreconditionFailed, "the object is another one")),
        }
    }
}

impl State {
    /// The rows that make it a version of its key: beside the others, or in place of all.
    pub fn place(&self, bucket: &str, key: &str, mut version: Version) -> S3Result<(Vec<Row>, Version)> {
        let settings = self.bucket(bucket)?;
        let mut row = self.key(bucket, key);
        version.id = if settings.is_versioned() { format!("v{}", version.order) } else { "null".to_owned() };
        version.modified = self.now();
        self.retain_by_default(settings, &mut version.facts);
        match settings.versioning.is_some() {
            // what was stored without versioning, or while it was suspended, has the one id "null"
            true => row.versions.retain(|other| other.id != version.id),
            false => row.versions.clear(),
        }
        row.versions.push(version.clone());
        row.versions.sort_by_key(|version| version.order);
        Ok((vec![Row::Key(bucket.to_owned(), key.to_owned(), row)], version))
    }

    /// The version that a request means.
    pub fn version(&self, bucket: &str, key: &str, id: Option<&str>) -> S3Result<Version> {
        self.bucket(bucket)?;
        let row = self.key(bucket, key);
        let Some(id) = id else {
            return row.current().cloned().ok_or_else(|| s3_error!(NoSuchKey, "there is no object {key}"));
        };
        let found = row.versions.into_iter().find(|version| version.id == id);
        let version = found.ok_or_else(|| s3_error!(NoSuchVersion, "there is no version {id} of {key}"))?;
        match version.marker {
            true => Err(s3_error!(MethodNotAllowed, "the version {id} of {key} is a delete marker")),
            false => Ok(version),
        }
    }
}

impl Fake {
    pub async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
        let (mut input, headers, trailers) = (req.input, req.headers, req.trailing_headers);
        let facts = self.facts_of_put(&input, &headers)?;
        let announced = Announced {
            headers: &headers,
            trailers,
            md5: input.content_md5.as_deref(),
            length: input.content_length,
            algorithm: input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str()),
        };
        let stored = self.receive(input.body.take(), announced).await?;
        let blob = stored.blob.clone();
        let output = self.place_put(&input, facts, stored);
        if output.is_err() {
            self.discard([&blob]);
        }
        output
    }

    fn facts_of_put(&self, input: &PutObjectInput, headers: &hyper::HeaderMap) -> S3Result<Facts> {
        let retention = wanted_retention(
            input.object_lock_mode.as_ref().map(|mode| mode.as_str()),
            input.object_lock_retain_until_date.clone(),
        )?;
        let facts = Facts {
            class: class(input.storage_class.as_ref())?,
            content_type: input.content_type.as_ref().map(ToString::to_string),
            metadata: input.metadata.clone().unwrap_or_default().into_iter().collect(),
            retention,
            legal_hold: input.object_lock_legal_hold_status.as_ref().is_some_and(|status| status.as_str() == "ON"),
        };
        let state = self.state();
        state.bucket(&input.bucket)?.allows_lock(&facts)?;
        let checksummed = headers.keys().any(|name| name.as_str().starts_with("x-amz-checksum-"))
            || headers.contains_key("x-amz-trailer")
            || input.content_md5.is_some();
        match facts.retention.is_some() && !checksummed {
            true => Err(s3_error!(InvalidRequest, "Content-MD5 or a checksum is required for Object Lock parameters")),
            false => Ok(facts),
        }
    }

    fn place_put(&self, input: &PutObjectInput, facts: Facts, stored: Stored) -> S3Result<PutObjectOutput> {
        let mut state = self.state();
        let ignores = state.settings.ignore_if_none_match_on_put;
        let if_none_match = input.if_none_match.as_ref().filter(|_| !ignores);
        if state.settings.refuse_if_none_match && if_none_match.is_some() {
            return Err(s3_error!(NotImplemented, "a header that was sent is not implemented"));
        }
        let conditions = Conditions { if_match: input.if_match.as_ref(), if_none_match, since: None };
        conditions.check(&state.key(&input.bucket, &input.key))?;
        let version = Version {
            order: state.next(),
            etag: hex(&stored.md5),
            blobs: vec![stored.blob],
            facts,
            sums: stored.sums,
            ..Version::default()
        };
        let replaced = state.replaced(&input.bucket, &input.key);
        let (rows, version) = state.place(&input.bucket, &input.key, version)?;
        state.commit(rows);
        drop(state);
        self.release(&replaced);
        let mut output = PutObjectOutput { e_tag: Some(ETag::Strong(version.etag)), ..PutObjectOutput::default() };
        output.checksum_type = version.sums.kind().map(|kind| kind.to_owned().into());
        show_sums!(output, version.sums);
        output.version_id = (version.id != "null").then_some(version.id);
        Ok(output)
    }

    pub fn get_object(&self, input: &GetObjectInput) -> S3Result<GetObjectOutput> {
        let state = self.state();
        let version = state.version(&input.bucket, &input.key, input.version_id.as_deref())?;
        check_read(&version, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        version.check_readable(state.now())?;
        let restore = version.restore_header(state.now());
        drop(state);
        let size = version.size();
        let range = range_of(input.range.as_ref(), size)?;
        let mut output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_range: input.range.is_some().then(|| format!("bytes {}-{}/{size}", range.start, range.end - 1)),
            content_length: Some((range.end - range.start).cast_signed()),
            body: Some(self.body(&version.blobs, range)),
            e_tag: Some(ETag::Strong(version.etag.clone())),
            last_modified: Some(timestamp(version.modified)),
            metadata: Some(version.facts.metadata.clone().into_iter().collect()),
            restore,
            storage_class: version.facts.class.clone().map(Into::into),
            version_id: (version.id != "null").then(|| version.id.clone()),
            ..GetObjectOutput::default()
        };
        if input.range.is_none() && input.checksum_mode.is_some() {
            show_sums!(output, version.sums);
            output.checksum_type = version.sums.kind().map(|kind| kind.to_owned().into());
        }
        Ok(output)
    }

    pub fn head_object(&self, input: &HeadObjectInput) -> S3Result<HeadObjectOutput> {
        let state = self.state();
        let version = state.version(&input.bucket, &input.key, input.version_id.as_deref())?;
        check_read(&version, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let retention = version.facts.retention.as_ref();
        let mut output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(version.size().cast_signed()),
            e_tag: Some(ETag::Strong(version.etag.clone())),
            last_modified: Some(timestamp(version.modified)),
            metadata: Some(version.facts.metadata.clone().into_iter().collect()),
            object_lock_mode: retention.map(|retention| retention.mode.clone().into()),
            object_lock_retain_until_date: retention.map(|retention| timestamp(retention.until)),
            object_lock_legal_hold_status: version.facts.legal_hold.then(|| "ON".to_owned().into()),
            parts_count: (version.parts > 0).then(|| version.parts.try_into().expect("at most 10,000 parts")),
            restore: version.restore_header(state.now()),
            storage_class: version.facts.class.clone().map(Into::into),
            version_id: (version.id != "null").then(|| version.id.clone()),
            ..HeadObjectOutput::default()
        };
        if input.checksum_mode.is_some() {
            show_sums!(output, version.sums);
            output.checksum_type = version.sums.kind().map(|kind| kind.to_owned().into());
        }
        Ok(output)
    }
}

fn check_read(version: &Version, matches: Option<&ETagCondition>, none_match: Option<&ETagCondition>) -> S3Result<()> {
    let is = |condition: &ETagCondition| match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == version.etag,
    };
    if matches.is_some_and(|condition| !is(condition)) {
        return Err(s3_error!(PreconditionFailed, "the object is another one"));
    }
    match none_match.is_some_and(is) {
        true => Err(s3_error!(NotModified)),
        false => Ok(()),
    }
}

fn range_of(asked: Option<&s3s::dto::Range>, size: u64) -> S3Result<Range<u64>> {
    match asked {
        None => Ok(0..size),
        Some(range) => range.check(size).map_err(|_| s3_error!(InvalidRange, "the object has {size} bytes")),
    }
}
