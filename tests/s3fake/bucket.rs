//! Buckets and their settings. A new one is as AWS makes it: nothing public, ACLs off, encrypted, without versioning.

use s3s::dto::*;
use s3s::{S3Result, s3_error};
use serde_json::Value;

use super::disk::Row;
use super::object::timestamp;
use super::policy::{check, is_public};
use super::state::Bucket;
use super::store::Fake;

const OWNER: &str = "owner";
const EVERYBODY: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

fn owner() -> Owner {
    Owner { id: Some(OWNER.to_owned()), display_name: None }
}

/// To a group, or to the owner.
fn grant(uri: Option<String>, permission: &str) -> Grant {
    let (kind, id) = if uri.is_some() { (Type::GROUP, None) } else { (Type::CANONICAL_USER, Some(OWNER.to_owned())) };
    let grantee = Grantee { display_name: None, email_address: None, id, type_: Type::from_static(kind), uri };
    Grant { grantee: Some(grantee), permission: Some(permission.to_owned().into()) }
}

/// `None` for what goes to a single account, as there is only the owner's.
fn group_and_permission(grant: Grant) -> Option<(String, String)> {
    Some((grant.grantee?.uri?, grant.permission?.as_str().to_owned()))
}

impl Bucket {
    fn new(created: i64, lock: bool) -> Self {
        let all = Some(true);
        let lock = lock.then(|| ObjectLockConfiguration {
            object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
            rule: None,
        });
        let by_default = ServerSideEncryptionByDefault {
            kms_master_key_id: None,
            sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AES256),
        };
        let encrypted = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            bucket_key_enabled: Some(false),
        };
        Self {
            created,
            versioning: lock.is_some().then(|| "Enabled".to_owned()),
            lock,
            public_access_block: Some(PublicAccessBlockConfiguration {
                block_public_acls: all,
                block_public_policy: all,
                ignore_public_acls: all,
                restrict_public_buckets: all,
            }),
            ownership: Some(ObjectOwnership::BUCKET_OWNER_ENFORCED.to_owned()),
            encryption: Some(ServerSideEncryptionConfiguration { rules: vec![encrypted] }),
            ..Self::default()
        }
    }
}

impl Fake {
    pub fn create_bucket(&self, name: &str, lock: bool) -> S3Result<()> {
        let mut state = self.state();
        if state.buckets.contains_key(name) {
            return Err(s3_error!(BucketAlreadyOwnedByYou, "the bucket {name} exists"));
        }
        let bucket = Bucket::new(state.now(), lock);
        state.commit(vec![Row::Bucket(name.to_owned(), Some(Box::new(bucket)))]);
        Ok(())
    }

    pub fn delete_bucket(&self, name: &str) -> S3Result<()> {
        let mut state = self.state();
        state.bucket(name)?;
        let is_used = state.keys_after(name, "", "").any(|(_, row)| !row.versions.is_empty());
        if is_used {
            return Err(s3_error!(BucketNotEmpty, "the bucket {name} is not empty"));
        }
        state.commit(vec![Row::Bucket(name.to_owned(), None)]);
        Ok(())
    }

    pub fn list_buckets(&self) -> ListBucketsOutput {
        let state = self.state();
        let line = |(name, bucket): (&String, &Bucket)| s3s::dto::Bucket {
            name: Some(name.clone()),
            creation_date: Some(timestamp(bucket.created)),
            ..s3s::dto::Bucket::default()
        };
        let buckets = Some(state.buckets.iter().map(line).collect());
        ListBucketsOutput { buckets, owner: Some(owner()), ..ListBucketsOutput::default() }
    }

    /// A setting of a bucket, or the error that says that it was never made.
    pub fn setting<T>(
        &self,
        bucket: &str,
        read: impl FnOnce(&Bucket) -> Option<T>,
        missing: &'static str,
    ) -> S3Result<T> {
        let state = self.state();
        read(state.bucket(bucket)?).ok_or_else(|| {
            let mut error = s3s::S3Error::new(missing.parse().expect("every text is a code"));
            error.set_message("it is not set");
            error.set_status_code(hyper::StatusCode::NOT_FOUND);
            error
        })
    }

    pub fn set(&self, bucket: &str, change: impl FnOnce(&mut Bucket)) -> S3Result<()> {
        self.state().change_bucket(bucket, change)
    }

    pub fn put_bucket_versioning(&self, input: PutBucketVersioningInput) -> S3Result<()> {
        let status = input.versioning_configuration.status;
        let status = status.ok_or_else(|| s3_error!(IllegalVersioningConfigurationException, "no status"))?;
        let mut state = self.state();
        if state.bucket(&input.bucket)?.lock.is_some() && status.as_str() != "Enabled" {
            return Err(s3_error!(InvalidBucketState, "versioning of a bucket with Object Lock cannot be suspended"));
        }
        state.change_bucket(&input.bucket, |bucket| bucket.versioning = Some(status.as_str().to_owned()))
    }

    pub fn put_object_lock_configuration(&self, input: PutObjectLockConfigurationInput) -> S3Result<()> {
        let lock = input.object_lock_configuration;
        let mut state = self.state();
        if !state.bucket(&input.bucket)?.is_versioned() {
            return Err(s3_error!(InvalidBucketState, "Object Lock needs versioning"));
        }
        state.change_bucket(&input.bucket, |bucket| bucket.lock = lock)
    }

    pub fn put_bucket_policy(&self, input: PutBucketPolicyInput) -> S3Result<()> {
        let policy: Value =
            serde_json::from_str(&input.policy).map_err(|_| s3_error!(MalformedPolicy, "the policy is no JSON"))?;
        check(&policy).map_err(|why| s3_error!(MalformedPolicy, "{why}"))?;
        let mut state = self.state();
        let block = state.bucket(&input.bucket)?.public_access_block.as_ref();
        if is_public(&policy) && block.is_some_and(|block| block.block_public_policy == Some(true)) {
            return Err(s3_error!(AccessDenied, "public policies are blocked by BlockPublicPolicy"));
        }
        state.change_bucket(&input.bucket, |bucket| bucket.policy = Some(input.policy))
    }

    pub fn policy_status(&self, bucket: &str) -> S3Result<GetBucketPolicyStatusOutput> {
        let text = self.setting(bucket, |bucket| bucket.policy.clone(), "NoSuchBucketPolicy")?;
        let policy: Value = serde_json::from_str(&text).expect("it was parsed when it was put");
        let policy_status = Some(PolicyStatus { is_public: Some(is_public(&policy)) });
        Ok(GetBucketPolicyStatusOutput { policy_status })
    }

    pub fn bucket_ownership(&self, bucket: &str) -> S3Result<GetBucketOwnershipControlsOutput> {
        let ownership = self.setting(bucket, |bucket| bucket.ownership.clone(), "OwnershipControlsNotFoundError")?;
        let rules = vec![OwnershipControlsRule { object_ownership: ownership.into() }];
        Ok(GetBucketOwnershipControlsOutput { ownership_controls: Some(OwnershipControls { rules }) })
    }

    pub fn put_bucket_ownership(&self, input: PutBucketOwnershipControlsInput) -> S3Result<()> {
        let rule = input.ownership_controls.rules.into_iter().next();
        let rule = rule.ok_or_else(|| s3_error!(MalformedXML, "there is no rule"))?;
        self.set(&input.bucket, |bucket| bucket.ownership = Some(rule.object_ownership.as_str().to_owned()))
    }

    pub fn bucket_acl(&self, bucket: &str) -> S3Result<GetBucketAclOutput> {
        let shared = self.state().bucket(bucket)?.grants.clone();
        let shared = shared.into_iter().map(|(group, permission)| grant(Some(group), &permission));
        let grants = std::iter::once(grant(None, Permission::FULL_CONTROL)).chain(shared).collect();
        Ok(GetBucketAclOutput { grants: Some(grants), owner: Some(owner()) })
    }

    pub fn put_bucket_acl(&self, input: PutBucketAclInput) -> S3Result<()> {
        let canned: &[&str] = match input.acl.as_ref().map(|acl| acl.as_str()) {
            None | Some("private") => &[],
            Some("public-read") => &["READ"],
            Some("public-read-write") => &["READ", "WRITE"],
            Some(other) => return Err(s3_error!(NotImplemented, "the ACL {other} is not known here")),
        };
        let canned = canned.iter().map(|permission| (EVERYBODY.to_owned(), (*permission).to_owned()));
        let given = input.access_control_policy.and_then(|policy| policy.grants).unwrap_or_default();
        let grants: Vec<_> = given.into_iter().filter_map(group_and_permission).chain(canned).collect();
        let mut state = self.state();
        let bucket = state.bucket(&input.bucket)?;
        if bucket.ownership.as_deref() == Some(ObjectOwnership::BUCKET_OWNER_ENFORCED) {
            return Err(s3_error!(AccessControlListNotSupported, "The bucket does not allow ACLs"));
        }
        let block = bucket.public_access_block.as_ref();
        if !grants.is_empty() && block.is_some_and(|block| block.block_public_acls == Some(true)) {
            return Err(s3_error!(AccessDenied, "public ACLs are blocked by BlockPublicAcls"));
        }
        state.change_bucket(&input.bucket, |bucket| bucket.grants = grants)
    }
}
