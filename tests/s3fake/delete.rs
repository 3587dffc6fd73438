//! Deleting objects and versions, and copying within the server.

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput, DeleteObjectOutput,
    DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, ETagCondition, Error,
};
use s3s::{S3Request, S3Result, s3_error};

use super::disk::{Row, State};
use super::object::{Conditions, class, timestamp};
use super::state::{Blob, Facts, Key, Version};
use super::store::Fake;

/// What a deletion did.
#[derive(Default)]
pub struct Deleted {
    /// The delete marker that was made, or the version that was removed.
    pub version: Option<String>,
    pub is_marker: bool,
    blobs: Vec<Blob>,
}

impl State {
    /// `bypass`: the caller asked for it and may go around GOVERNANCE.
    pub fn delete(&mut self, bucket: &str, key: &str, id: Option<&str>, bypass: bool) -> S3Result<Deleted> {
        let row = self.key(bucket, key);
        match id {
            Some(id) => self.delete_version(bucket, key, id, row, bypass),
            None => self.delete_key(bucket, key, row),
        }
    }

    fn delete_version(&mut self, bucket: &str, key: &str, id: &str, mut row: Key, bypass: bool) -> S3Result<Deleted> {
        let Some(at) = row.versions.iter().position(|version| version.id == id) else { return Ok(Deleted::default()) };
        row.versions[at].check_deletable(self.now(), bypass)?;
        let version = row.versions.remove(at);
        row.deleted = Some(self.next());
        self.commit(vec![Row::Key(bucket.to_owned(), key.to_owned(), row)]);
        Ok(Deleted { version: Some(version.id), is_marker: version.marker, blobs: version.blobs })
    }

    /// Without versioning the object is gone; with it a delete marker hides it.
    fn delete_key(&mut self, bucket: &str, key: &str, mut row: Key) -> S3Result<Deleted> {
        let settings = self.bucket(bucket)?;
        let (is_versioned, was_versioned) = (settings.is_versioned(), settings.versioning.is_some());
        let order = self.next();
        row.deleted = Some(order);
        let mut deleted = Deleted::default();
        if !is_versioned {
            let gone = row.versions.extract_if(.., |version| version.id == "null");
            deleted.blobs = gone.flat_map(|version| version.blobs).collect();
        }
        if was_versioned {
            let id = if is_versioned { format!("v{order}") } else { "null".to_owned() };
            deleted.version = Some(id.clone());
            deleted.is_marker = true;
            row.versions.push(Version { id, order, modified: self.now(), marker: true, ..Version::default() });
        }
        self.commit(vec![Row::Key(bucket.to_owned(), key.to_owned(), row)]);
        Ok(deleted)
    }
}

impl Fake {
    pub fn delete_object(&self, req: &S3Request<DeleteObjectInput>) -> S3Result<DeleteObjectOutput> {
        let input = &req.input;
        let bypass = self.may_bypass(req.credentials.as_ref(), &input.bucket, &input.key, bypass(input));
        let mut state = self.state();
        state.bucket(&input.bucket)?;
        if let Some(condition) = &input.if_match {
            let conditions = Conditions { if_match: Some(condition), ..Conditions::default() };
            conditions.check(&state.key(&input.bucket, &input.key))?;
        }
        let deleted = state.delete(&input.bucket, &input.key, input.version_id.as_deref(), bypass)?;
        drop(state);
        self.release(&deleted.blobs);
        Ok(DeleteObjectOutput {
            delete_marker: deleted.is_marker.then_some(true),
            version_id: deleted.version,
            ..DeleteObjectOutput::default()
        })
    }

    /// Each key is deleted or refused for itself.
    pub fn delete_objects(&self, req: &S3Request<DeleteObjectsInput>) -> S3Result<DeleteObjectsOutput> {
        let input = &req.input;
        self.state().bucket(&input.bucket)?;
        let mut output = DeleteObjectsOutput::default();
        for object in &input.delete.objects {
            let id = object.version_id.as_deref();
            let action = if id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
            let asked = input.bypass_governance_retention == Some(true);
            let bypass = self.may_bypass(req.credentials.as_ref(), &input.bucket, &object.key, asked);
            let done = match self.may(req.credentials.as_ref(), action, &input.bucket, Some(&object.key)) {
                true => self.state().delete(&input.bucket, &object.key, id, bypass),
                false => Err(s3_error!(AccessDenied, "{action} is not allowed")),
            };
            match done {
                Ok(deleted) => {
                    self.release(&deleted.blobs);
                    output.deleted.get_or_insert_default().push(DeletedObject {
                        delete_marker: deleted.is_marker.then_some(true),
                        delete_marker_version_id: deleted.version.filter(|_| deleted.is_marker),
                        key: Some(object.key.clone()),
                        version_id: object.version_id.clone(),
                    });
                }
                Err(error) => output.errors.get_or_insert_default().push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key.clone()),
                    message: error.message().map(str::to_owned),
                    version_id: object.version_id.clone(),
                }),
            }
        }
        Ok(output)
    }

    /// Into the class that is asked for, without a lock; both share the bytes.
    pub fn copy_object(&self, req: &S3Request<CopyObjectInput>) -> S3Result<CopyObjectOutput> {
        let input = &req.input;
        let CopySource::Bucket { bucket, key, version_id } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "access points are not known here"));
        };
        let mut state = self.state();
        let source = state.version(bucket, key, version_id.as_deref())?;
        source.check_readable(state.now())?;
        // the crate does not know this header of a copy
        let if_none_match = req.headers.contains_key("if-none-match").then_some(&ETagCondition::Any);
        Conditions { if_none_match, ..Conditions::default() }.check(&state.key(&input.bucket, &input.key))?;
        let replaced = state.replaced(&input.bucket, &input.key);
        let facts = Facts { class: class(input.storage_class.as_ref())?, retention: None, ..source.facts };
        let version = Version { order: state.next(), facts, thaw: None, ..source };
        let (rows, version) = state.place(&input.bucket, &input.key, version)?;
        state.commit(rows);
        drop(state);
        self.release(&replaced);
        let result = CopyObjectResult {
            e_tag: Some(ETag::Strong(version.etag)),
            last_modified: Some(timestamp(version.modified)),
            ..CopyObjectResult::default()
        };
        Ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
    }
}

fn bypass(input: &DeleteObjectInput) -> bool {
    input.bypass_governance_retention == Some(true)
}
