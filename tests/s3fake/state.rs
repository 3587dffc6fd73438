//! What the server knows, as it is written to the disk.

use std::collections::BTreeMap;

use s3s::dto::{
    LifecycleRule, ObjectLockConfiguration, PublicAccessBlockConfiguration, ServerSideEncryptionConfiguration,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sums::Sums;

/// Where servers differ, or where a test needs small numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The least size of a part that is not the last.
    pub min_part_bytes: u64,
    /// The most entries on a page of any list.
    pub page: usize,
    /// A completed upload is forgotten at once: completing it again is NoSuchUpload (many servers) instead of 200 (AWS).
    pub forget_completed: bool,
    /// As servers do that do not know the header: the object is overwritten.
    pub ignore_if_none_match_on_put: bool,
    pub ignore_if_none_match_on_complete: bool,
    /// As other servers do that do not know the header: a write with it is refused, by 501.
    pub refuse_if_none_match: bool,
    /// What policies read as `aws:SecureTransport`, as there is no TLS here.
    pub secure_transport: bool,
    /// By how much the server's clock is ahead of the true one, for signatures.
    pub skew_seconds: i64,
    /// Answers bear no `x-amz-request-id`.
    pub no_request_ids: bool,
    /// A page of a list of objects has a token for the next one, and no `IsTruncated`.
    pub no_is_truncated: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_part_bytes: 5 << 20,
            page: 1000,
            forget_completed: false,
            ignore_if_none_match_on_put: false,
            ignore_if_none_match_on_complete: false,
            refuse_if_none_match: false,
            secure_transport: true,
            skew_seconds: 0,
            no_request_ids: false,
            no_is_truncated: false,
        }
    }
}

/// Who may sign requests. The owner has no policies and may do everything that no bucket policy denies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    pub access_key: String,
    pub secret_key: String,
    /// The user name in the ARN `arn:aws:iam::000000000000:user/NAME`, or the root of the account.
    pub name: String,
    #[serde(default)]
    pub policies: Vec<Value>,
    /// Requests are answered with ExpiredToken.
    #[serde(default)]
    pub expired: bool,
}

impl User {
    pub const ROOT: &str = "root";

    pub fn is_root(&self) -> bool {
        self.name == Self::ROOT
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bucket {
    pub created: i64,
    /// `Enabled` or `Suspended` once it was set.
    pub versioning: Option<String>,
    pub lock: Option<ObjectLockConfiguration>,
    pub policy: Option<String>,
    pub public_access_block: Option<PublicAccessBlockConfiguration>,
    /// Group and permission, beside the owner's.
    pub grants: Vec<(String, String)>,
    /// `BucketOwnerEnforced` where ACLs are off.
    pub ownership: Option<String>,
    pub encryption: Option<ServerSideEncryptionConfiguration>,
    pub lifecycle: Option<Vec<LifecycleRule>>,
}

impl Bucket {
    pub fn is_versioned(&self) -> bool {
        self.versioning.as_deref() == Some("Enabled")
    }
}

/// All versions of one key, in the order in which they become current: the last one is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Key {
    pub versions: Vec<Version>,
    /// Order of the last deletion, for uploads that began before it.
    pub deleted: Option<u64>,
}

impl Key {
    /// `None` where a GET finds nothing: no version, or a delete marker on top.
    pub fn current(&self) -> Option<&Version> {
        self.versions.last().filter(|version| !version.marker)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Version {
    pub id: String,
    /// Among the versions of a key: when it was begun (uploads in parts) or made.
    pub order: u64,
    pub modified: i64,
    /// A delete marker: all below is empty.
    pub marker: bool,
    pub etag: String,
    pub blobs: Vec<Blob>,
    pub parts: usize,
    pub facts: Facts,
    pub sums: Sums,
    pub thaw: Option<Thaw>,
}

impl Version {
    pub fn size(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.size).sum()
    }
}

/// What is said at the beginning of a put or an upload in parts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    pub class: Option<String>,
    pub content_type: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub retention: Option<Retention>,
    pub legal_hold: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retention {
    /// GOVERNANCE or COMPLIANCE.
    pub mode: String,
    pub until: i64,
}

/// A copy of an archived object that can be read for a while.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Thaw {
    pub ready: i64,
    pub expires: i64,
}

/// A file with bytes of an object or a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    pub file: String,
    pub size: u64,
}

/// An upload in parts. A completed one is kept, so that completing it again finds its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    pub id: String,
    pub bucket: String,
    pub key: String,
    pub order: u64,
    pub initiated: i64,
    pub facts: Facts,
    /// CRC32, CRC32C, SHA1, SHA256 or CRC64NVME.
    pub algorithm: Option<String>,
    pub full_object: bool,
    pub completed: Option<Completed>,
    #[serde(skip)]
    pub parts: BTreeMap<i32, Part>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    pub blob: Blob,
    pub etag: String,
    pub modified: i64,
    pub sums: Sums,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Completed {
    pub etag: String,
    pub version: String,
    /// Numbers and ETags of the request, to recognise it.
    pub request: Vec<(i32, String)>,
}
