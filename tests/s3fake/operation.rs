//! The name of the operation that a request on the wire is, before anything of it was checked.

use hyper::http::request::Parts;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Service,
    Bucket,
    Object,
}
use Level::{Bucket, Object, Service};

/// Method, level and the query parameter that tells; the first that fits.
const TABLE: &[(&str, Level, &str, &str)] = &[
    ("GET", Service, "", "ListBuckets"),
    ("PUT", Object, "partNumber", "UploadPart"),
    ("PUT", Object, "retention", "PutObjectRetention"),
    ("PUT", Object, "legal-hold", "PutObjectLegalHold"),
    ("PUT", Object, "", "PutObject"),
    ("POST", Object, "uploads", "CreateMultipartUpload"),
    ("POST", Object, "uploadId", "CompleteMultipartUpload"),
    ("POST", Object, "restore", "RestoreObject"),
    ("GET", Object, "uploadId", "ListParts"),
    ("GET", Object, "retention", "GetObjectRetention"),
    ("GET", Object, "legal-hold", "GetObjectLegalHold"),
    ("GET", Object, "", "GetObject"),
    ("HEAD", Object, "", "HeadObject"),
    ("DELETE", Object, "uploadId", "AbortMultipartUpload"),
    ("DELETE", Object, "", "DeleteObject"),
    ("POST", Bucket, "delete", "DeleteObjects"),
    ("GET", Bucket, "uploads", "ListMultipartUploads"),
    ("GET", Bucket, "versions", "ListObjectVersions"),
    ("GET", Bucket, "list-type", "ListObjectsV2"),
    ("GET", Bucket, "versioning", "GetBucketVersioning"),
    ("PUT", Bucket, "versioning", "PutBucketVersioning"),
    ("GET", Bucket, "policy", "GetBucketPolicy"),
    ("PUT", Bucket, "policy", "PutBucketPolicy"),
    ("DELETE", Bucket, "policy", "DeleteBucketPolicy"),
    ("GET", Bucket, "policyStatus", "GetBucketPolicyStatus"),
    ("GET", Bucket, "publicAccessBlock", "GetPublicAccessBlock"),
    ("PUT", Bucket, "publicAccessBlock", "PutPublicAccessBlock"),
    ("DELETE", Bucket, "publicAccessBlock", "DeletePublicAccessBlock"),
    ("GET", Bucket, "acl", "GetBucketAcl"),
    ("PUT", Bucket, "acl", "PutBucketAcl"),
    ("GET", Bucket, "ownershipControls", "GetBucketOwnershipControls"),
    ("PUT", Bucket, "ownershipControls", "PutBucketOwnershipControls"),
    ("DELETE", Bucket, "ownershipControls", "DeleteBucketOwnershipControls"),
    ("GET", Bucket, "encryption", "GetBucketEncryption"),
    ("PUT", Bucket, "encryption", "PutBucketEncryption"),
    ("GET", Bucket, "lifecycle", "GetBucketLifecycleConfiguration"),
    ("PUT", Bucket, "lifecycle", "PutBucketLifecycleConfiguration"),
    ("DELETE", Bucket, "lifecycle", "DeleteBucketLifecycle"),
    ("GET", Bucket, "object-lock", "GetObjectLockConfiguration"),
    ("PUT", Bucket, "object-lock", "PutObjectLockConfiguration"),
    ("GET", Bucket, "location", "GetBucketLocation"),
    ("HEAD", Bucket, "", "HeadBucket"),
    ("PUT", Bucket, "", "CreateBucket"),
    ("DELETE", Bucket, "", "DeleteBucket"),
];

/// What faults and counts need to know of a request.
pub struct Operation {
    pub name: &'static str,
    /// `bucket/key`
    pub object: String,
    pub part: u32,
    pub upload: Option<String>,
}

impl Operation {
    pub fn of(request: &Parts) -> Self {
        let path = request.uri.path().trim_start_matches('/');
        let level = match path.split_once('/') {
            Some((_, key)) if !key.is_empty() => Object,
            _ if path.is_empty() => Service,
            _ => Bucket,
        };
        let query = request.uri.query().unwrap_or_default();
        let value = |wanted: &str| {
            let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
        };
        let fits = |row: &&(&str, Level, &str, &str)| {
            request.method.as_str() == row.0 && level == row.1 && (row.2.is_empty() || value(row.2).is_some())
        };
        let name = TABLE.iter().find(fits).map_or("Other", |row| row.3);
        let copies = name == "PutObject" && request.headers.contains_key("x-amz-copy-source");
        Self {
            name: if copies { "CopyObject" } else { name },
            object: path.to_owned(),
            part: value("partNumber").and_then(|number| number.parse().ok()).unwrap_or(0),
            upload: value("uploadId").map(str::to_owned),
        }
    }
}
