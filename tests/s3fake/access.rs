//! Who may do what: keys for signatures, and the policies of users and buckets asked for each request.

use std::collections::BTreeMap;
use std::sync::Arc;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{Credentials, S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Error, S3Result, s3_error};
use serde_json::Value;

use super::policy::{Call, Decision, decide};
use super::state::User;
use super::store::Fake;

/// Requests whose action has another name than the operation.
const ACTIONS: [(&str, &str); 24] = [
    ("CreateMultipartUpload", "s3:PutObject"),
    ("UploadPart", "s3:PutObject"),
    ("CompleteMultipartUpload", "s3:PutObject"),
    ("CopyObject", "s3:PutObject"),
    ("HeadObject", "s3:GetObject"),
    ("GetObjectAttributes", "s3:GetObject"),
    ("HeadBucket", "s3:ListBucket"),
    ("ListObjects", "s3:ListBucket"),
    ("ListObjectsV2", "s3:ListBucket"),
    ("ListObjectVersions", "s3:ListBucketVersions"),
    ("ListMultipartUploads", "s3:ListBucketMultipartUploads"),
    ("ListParts", "s3:ListMultipartUploadParts"),
    ("ListBuckets", "s3:ListAllMyBuckets"),
    ("GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
    ("PutBucketLifecycleConfiguration", "s3:PutLifecycleConfiguration"),
    ("DeleteBucketLifecycle", "s3:PutLifecycleConfiguration"),
    ("GetBucketEncryption", "s3:GetEncryptionConfiguration"),
    ("PutBucketEncryption", "s3:PutEncryptionConfiguration"),
    ("GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
    ("PutPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ("DeletePublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
    ("GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration"),
    ("PutObjectLockConfiguration", "s3:PutBucketObjectLockConfiguration"),
    ("DeleteBucketOwnershipControls", "s3:PutBucketOwnershipControls"),
];

/// Requests that make an object appear, for `s3:ObjectCreationOperation`.
const CREATIONS: [&str; 3] = ["PutObject", "CompleteMultipartUpload", "CopyObject"];

/// Headers and query parameters that policies read.
const CONTEXT: [(&str, &str); 8] = [
    ("if-none-match", "s3:if-none-match"),
    ("if-match", "s3:if-match"),
    ("x-amz-storage-class", "s3:x-amz-storage-class"),
    ("x-amz-object-lock-mode", "s3:object-lock-mode"),
    ("prefix", "s3:prefix"),
    ("delimiter", "s3:delimiter"),
    ("max-keys", "s3:max-keys"),
    ("versionId", "s3:VersionId"),
];

pub struct Guard(pub Arc<Fake>);

#[async_trait::async_trait]
impl S3Auth for Guard {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let state = self.0.state();
        let user = state.users.get(access_key).ok_or_else(|| s3_error!(InvalidAccessKeyId, "nobody has this key"))?;
        match user.expired {
            true => Err(s3_error!(ExpiredToken, "The provided token has expired.")),
            false => Ok(user.secret_key.as_str().into()),
        }
    }
}

#[async_trait::async_trait]
impl S3Access for Guard {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = cx.s3_op().name();
        // each of its keys is asked for when it is deleted
        if operation == "DeleteObjects" {
            return Ok(());
        }
        let query = query_of(cx.uri().query().unwrap_or_default());
        let (bucket, key) = match cx.s3_path() {
            S3Path::Root => ("", None),
            S3Path::Bucket { bucket } => (&**bucket, None),
            S3Path::Object { bucket, key } => (&**bucket, Some(&**key)),
        };
        let mut context = BTreeMap::new();
        for (given, name) in CONTEXT {
            let header = cx.headers().get(given).and_then(|value| value.to_str().ok());
            if let Some(value) = header.or(query.get(given).map(String::as_str)) {
                context.insert(name.to_owned(), value.to_owned());
            }
        }
        context.insert("s3:ObjectCreationOperation".to_owned(), CREATIONS.contains(&operation).to_string());
        let action = action(operation, query.contains_key("versionId"));
        match self.0.is_allowed(cx.credentials(), &action, bucket, key, context) {
            true => Ok(()),
            false => Err(s3_error!(AccessDenied, "{action} is not allowed")),
        }
    }
}

fn action(operation: &str, names_version: bool) -> String {
    let named = ACTIONS.iter().find(|(name, _)| *name == operation).map(|(_, action)| (*action).to_owned());
    let action = named.unwrap_or_else(|| format!("s3:{operation}"));
    match names_version && ["s3:GetObject", "s3:DeleteObject"].contains(&action.as_str()) {
        true => action + "Version",
        false => action,
    }
}

fn query_of(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (name.to_owned(), percent_decoded(value))).collect()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Fake {
    /// For what a request does beside its own operation; the context is the one of every request.
    pub fn may(&self, who: Option<&Credentials>, action: &str, bucket: &str, key: Option<&str>) -> bool {
        self.is_allowed(who, action, bucket, key, BTreeMap::new())
    }

    /// Whether a retention in GOVERNANCE does not bind this request.
    pub fn may_bypass(&self, who: Option<&Credentials>, bucket: &str, key: &str, asked: bool) -> bool {
        asked && self.may(who, "s3:BypassGovernanceRetention", bucket, Some(key))
    }

    /// Who may not list learns nothing of what is missing.
    pub fn hide_missing(&self, who: Option<&Credentials>, bucket: &str, error: S3Error) -> S3Error {
        let is_missing = ["NoSuchKey", "NoSuchVersion"].contains(&error.code().as_str());
        match is_missing && !self.may(who, "s3:ListBucket", bucket, None) {
            true => s3_error!(AccessDenied, "s3:ListBucket is not allowed"),
            false => error,
        }
    }

    fn is_allowed(
        &self,
        who: Option<&Credentials>,
        action: &str,
        bucket: &str,
        key: Option<&str>,
        mut context: BTreeMap<String, String>,
    ) -> bool {
        let state = self.state();
        let user = who.and_then(|credentials| state.users.get(&credentials.access_key));
        let settings = state.buckets.get(bucket);
        let policy = settings.and_then(|bucket| bucket.policy.as_ref());
        let policy: Option<Value> =
            policy.map(|text| serde_json::from_str(text).expect("it was parsed when it was put"));
        context.insert("aws:SecureTransport".to_owned(), state.settings.secure_transport.to_string());
        let resource =
            key.map_or_else(|| format!("arn:aws:s3:::{bucket}"), |key| format!("arn:aws:s3:::{bucket}/{key}"));
        let call = Call { principal: user.map(User::arn), action: action.to_owned(), resource, context };
        let own = user.map(|user| decide(&user.policies, &call));
        let of_bucket = decide(&policy, &call);
        let restricted = settings.and_then(|bucket| bucket.public_access_block.as_ref());
        let restricted = restricted.is_some_and(|block| block.restrict_public_buckets == Some(true));
        // the root of the account can always mend a policy that shuts everybody out
        let mends = user.is_some_and(User::is_root) && action.ends_with("BucketPolicy");
        match (own, of_bucket) {
            _ if mends => true,
            (Some(Decision::Denied), _) | (_, Decision::Denied) => false,
            (Some(own), shared) => {
                user.is_some_and(User::is_root) || own == Decision::Allowed || shared == Decision::Allowed
            }
            (None, shared) => shared == Decision::Allowed && !restricted,
        }
    }
}

impl User {
    fn arn(&self) -> String {
        match self.is_root() {
            true => "arn:aws:iam::000000000000:root".to_owned(),
            false => format!("arn:aws:iam::000000000000:user/{}", self.name),
        }
    }
}
