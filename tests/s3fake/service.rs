//! The operations that the server knows, each handed to the file that does it. All others are answered NotImplemented.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::store::Fake;

pub struct Service(pub Arc<Fake>);

type Answer<T> = S3Result<S3Response<T>>;

fn done<T>(output: T) -> Answer<T> {
    Ok(S3Response::new(output))
}

/// Operations that need their input only and do not wait.
macro_rules! operations {
    ($($name:ident($input:ident) -> $output:ident = |$fake:ident, $req:ident| $body:expr;)*) => {
        #[async_trait::async_trait]
        impl S3 for Service {
            $(
                async fn $name(&self, $req: S3Request<$input>) -> Answer<$output> {
                    let $fake = &self.0;
                    $body
                }
            )*

            async fn put_object(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
                done(self.0.put_object(req).await?)
            }

            async fn upload_part(&self, req: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
                done(self.0.upload_part(req).await?)
            }
        }
    };
}

operations! {
    get_object(GetObjectInput) -> GetObjectOutput = |fake, req| {
        let output = fake.get_object(&req.input);
        done(output.map_err(|error| fake.hide_missing(req.credentials.as_ref(), &req.input.bucket, error))?)
    };
    head_object(HeadObjectInput) -> HeadObjectOutput = |fake, req| {
        let output = fake.head_object(&req.input);
        done(output.map_err(|error| fake.hide_missing(req.credentials.as_ref(), &req.input.bucket, error))?)
    };
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = |fake, req| done(fake.delete_object(&req)?);
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = |fake, req| done(fake.delete_objects(&req)?);
    copy_object(CopyObjectInput) -> CopyObjectOutput = |fake, req| done(fake.copy_object(&req)?);
    restore_object(RestoreObjectInput) -> RestoreObjectOutput = |fake, req| fake.restore_object(&req.input);
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = |fake, req| done(fake.list_objects_v2(&req.input)?);
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput = |fake, req| {
        done(fake.list_object_versions(&req.input)?)
    };
    get_object_retention(GetObjectRetentionInput) -> GetObjectRetentionOutput = |fake, req| {
        done(fake.get_object_retention(&req.input)?)
    };
    put_object_retention(PutObjectRetentionInput) -> PutObjectRetentionOutput = |fake, req| {
        done(fake.put_object_retention(&req)?)
    };
    get_object_legal_hold(GetObjectLegalHoldInput) -> GetObjectLegalHoldOutput = |fake, req| {
        done(fake.get_object_legal_hold(&req.input)?)
    };
    put_object_legal_hold(PutObjectLegalHoldInput) -> PutObjectLegalHoldOutput = |fake, req| {
        done(fake.put_object_legal_hold(&req.input)?)
    };

    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = |fake, req| {
        done(fake.create_multipart_upload(req.input)?)
    };
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = |fake, req| {
        done(fake.complete_multipart_upload(&req.input)?)
    };
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = |fake, req| {
        done(fake.abort_multipart_upload(&req.input)?)
    };
    list_parts(ListPartsInput) -> ListPartsOutput = |fake, req| done(fake.list_parts(&req.input)?);
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = |fake, req| {
        done(fake.list_multipart_uploads(&req.input)?)
    };

    create_bucket(CreateBucketInput) -> CreateBucketOutput = |fake, req| {
        fake.create_bucket(&req.input.bucket, req.input.object_lock_enabled_for_bucket == Some(true))?;
        done(CreateBucketOutput { location: Some(format!("/{}", req.input.bucket)) })
    };
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = |fake, req| {
        fake.delete_bucket(&req.input.bucket)?;
        done(DeleteBucketOutput::default())
    };
    head_bucket(HeadBucketInput) -> HeadBucketOutput = |fake, req| {
        fake.state().bucket(&req.input.bucket)?;
        done(HeadBucketOutput::default())
    };
    list_buckets(ListBucketsInput) -> ListBucketsOutput = |fake, _req| done(fake.list_buckets());
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = |fake, req| {
        fake.state().bucket(&req.input.bucket)?;
        done(GetBucketLocationOutput::default())
    };
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = |fake, req| {
        let status = fake.state().bucket(&req.input.bucket)?.versioning.clone().map(Into::into);
        done(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() })
    };
    put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput = |fake, req| {
        fake.put_bucket_versioning(req.input)?;
        done(PutBucketVersioningOutput::default())
    };
    get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput = |fake, req| {
        let missing = "ObjectLockConfigurationNotFoundError";
        let object_lock_configuration = Some(fake.setting(&req.input.bucket, |bucket| bucket.lock.clone(), missing)?);
        done(GetObjectLockConfigurationOutput { object_lock_configuration })
    };
    put_object_lock_configuration(PutObjectLockConfigurationInput) -> PutObjectLockConfigurationOutput = |fake, req| {
        fake.put_object_lock_configuration(req.input)?;
        done(PutObjectLockConfigurationOutput::default())
    };
    get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput = |fake, req| {
        let policy = fake.setting(&req.input.bucket, |bucket| bucket.policy.clone(), "NoSuchBucketPolicy")?;
        done(GetBucketPolicyOutput { policy: Some(policy) })
    };
    put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput = |fake, req| {
        fake.put_bucket_policy(req.input)?;
        done(PutBucketPolicyOutput::default())
    };
    delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput = |fake, req| {
        fake.set(&req.input.bucket, |bucket| bucket.policy = None)?;
        done(DeleteBucketPolicyOutput::default())
    };
    get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput = |fake, req| {
        done(fake.policy_status(&req.input.bucket)?)
    };
    get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput = |fake, req| {
        let missing = "NoSuchPublicAccessBlockConfiguration";
        let block = fake.setting(&req.input.bucket, |bucket| bucket.public_access_block.clone(), missing)?;
        done(GetPublicAccessBlockOutput { public_access_block_configuration: Some(block) })
    };
    put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput = |fake, req| {
        let block = req.input.public_access_block_configuration;
        fake.set(&req.input.bucket, |bucket| bucket.public_access_block = Some(block))?;
        done(PutPublicAccessBlockOutput::default())
    };
    delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput = |fake, req| {
        fake.set(&req.input.bucket, |bucket| bucket.public_access_block = None)?;
        done(DeletePublicAccessBlockOutput::default())
    };
    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput = |fake, req| done(fake.bucket_acl(&req.input.bucket)?);
    put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput = |fake, req| {
        fake.put_bucket_acl(req.input)?;
        done(PutBucketAclOutput::default())
    };
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput = |fake, req| {
        done(fake.bucket_ownership(&req.input.bucket)?)
    };
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput = |fake, req| {
        fake.put_bucket_ownership(req.input)?;
        done(PutBucketOwnershipControlsOutput::default())
    };
    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput) -> DeleteBucketOwnershipControlsOutput =
        |fake, req| {
            fake.set(&req.input.bucket, |bucket| bucket.ownership = None)?;
            done(DeleteBucketOwnershipControlsOutput::default())
        };
    get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput = |fake, req| {
        let missing = "ServerSideEncryptionConfigurationNotFoundError";
        let encryption = fake.setting(&req.input.bucket, |bucket| bucket.encryption.clone(), missing)?;
        done(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(encryption) })
    };
    put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput = |fake, req| {
        let encryption = req.input.server_side_encryption_configuration;
        fake.set(&req.input.bucket, |bucket| bucket.encryption = Some(encryption))?;
        done(PutBucketEncryptionOutput::default())
    };
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput =
        |fake, req| {
            let missing = "NoSuchLifecycleConfiguration";
            let rules = Some(fake.setting(&req.input.bucket, |bucket| bucket.lifecycle.clone(), missing)?);
            done(GetBucketLifecycleConfigurationOutput { rules, ..GetBucketLifecycleConfigurationOutput::default() })
        };
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput) -> PutBucketLifecycleConfigurationOutput =
        |fake, req| {
            let rules = req.input.lifecycle_configuration.map(|configuration| configuration.rules);
            fake.set(&req.input.bucket, |bucket| bucket.lifecycle = rules)?;
            done(PutBucketLifecycleConfigurationOutput::default())
        };
    delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput = |fake, req| {
        fake.set(&req.input.bucket, |bucket| bucket.lifecycle = None)?;
        done(DeleteBucketLifecycleOutput::default())
    };
}
