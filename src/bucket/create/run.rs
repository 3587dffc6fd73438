//! Looking what is there, and doing the steps of a plan. Every step may be repeated.

use std::error::Error;
use std::future::Future;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketVersioningStatus, CreateBucketConfiguration,
    DefaultRetention, ExpirationStatus, LifecycleRule, LifecycleRuleFilter, ObjectLockConfiguration, ObjectLockEnabled,
    ObjectLockRetentionMode, ObjectLockRule, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, VersioningConfiguration,
};

use super::{Plan, Step, Wish};
use crate::bucket::check::{Ask, location, read};
use crate::bucket::{Policy, Retention};
use crate::store::{S3Client, StoreError, Verb};

/// The name of the rule that we add.
const RULE: &str = "rozen-unfinished-uploads";

#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("cannot look at the bucket")]
    Look(#[source] StoreError),
    #[error("cannot {step}")]
    Step { step: String, source: StoreError },
}

impl CreateError {
    pub fn store(&self) -> &StoreError {
        match self {
            CreateError::Look(error) | CreateError::Step { source: error, .. } => error,
        }
    }
}

/// What is missing. Changes nothing.
pub fn plan(client: &S3Client, wish: &Wish) -> Result<Plan, CreateError> {
    let ask = Ask::new(client);
    let facts = match ask.send(ask.s3().get_bucket_versioning().bucket(ask.bucket()).send()) {
        Err(refusal) if refusal.code == "NoSuchBucket" => None,
        Err(refusal) if !(refusal.is_forbidden() || refusal.is_not_supported()) => {
            let again = ask.s3().get_bucket_versioning().bucket(ask.bucket()).send();
            finish(&ask, again).map_err(CreateError::Look)?;
            Some(read(&ask))
        }
        _ => Some(read(&ask)),
    };
    Ok(Plan::make(facts.as_ref(), wish, &ask.place, client.region()))
}

/// Does what the plan says. What was done before an error stays done.
pub fn create(client: &S3Client, plan: &Plan, mut done: impl FnMut(&Step)) -> Result<(), CreateError> {
    let ask = Ask::new(client);
    for step in &plan.steps {
        act(&ask, step).map_err(|source| CreateError::Step { step: step.to_string(), source })?;
        done(step);
    }
    Ok(())
}

fn act(ask: &Ask<'_>, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::MakeBucket { region, lockable } => make_bucket(ask, region, *lockable),
        Step::BlockPublicAccess => block_public_access(ask),
        Step::SwitchGrantsOff => switch_grants_off(ask),
        Step::KeepVersions => keep_versions(ask),
        Step::Lock(retention) => lock(ask, *retention),
        Step::EndUnfinishedUploads { days } => end_unfinished_uploads(ask, *days),
        Step::SetPolicy(policy) => set_policy(ask, policy),
    }
}

fn finish<T, E>(
    ask: &Ask<'_>,
    request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, StoreError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    ask.client.run(request).map_err(|error| ask.client.error(Verb::Open, "the bucket", error))
}

fn make_bucket(ask: &Ask<'_>, region: &str, lockable: bool) -> Result<(), StoreError> {
    let place = location(region).map(|place| CreateBucketConfiguration::builder().location_constraint(place).build());
    let request = ask.s3().create_bucket().bucket(ask.bucket()).set_create_bucket_configuration(place);
    let request = request.set_object_lock_enabled_for_bucket(lockable.then_some(true));
    finish(ask, request.send()).map(drop)
}

fn block_public_access(ask: &Ask<'_>) -> Result<(), StoreError> {
    let all = PublicAccessBlockConfiguration::builder().block_public_acls(true).ignore_public_acls(true);
    let all = all.block_public_policy(true).restrict_public_buckets(true).build();
    finish(ask, ask.s3().put_public_access_block().bucket(ask.bucket()).public_access_block_configuration(all).send())
        .map(drop)
}

fn switch_grants_off(ask: &Ask<'_>) -> Result<(), StoreError> {
    let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced).build();
    let controls = OwnershipControls::builder().rules(rule.expect("it has its one field")).build();
    let controls = controls.expect("it has a rule");
    finish(ask, ask.s3().put_bucket_ownership_controls().bucket(ask.bucket()).ownership_controls(controls).send())
        .map(drop)
}

fn keep_versions(ask: &Ask<'_>) -> Result<(), StoreError> {
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    finish(ask, ask.s3().put_bucket_versioning().bucket(ask.bucket()).versioning_configuration(on).send()).map(drop)
}

fn lock(ask: &Ask<'_>, retention: Retention) -> Result<(), StoreError> {
    let mode =
        if retention.compliance { ObjectLockRetentionMode::Compliance } else { ObjectLockRetentionMode::Governance };
    let days = i32::try_from(retention.days).unwrap_or(i32::MAX);
    let rule =
        ObjectLockRule::builder().default_retention(DefaultRetention::builder().mode(mode).days(days).build()).build();
    let config = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).rule(rule).build();
    finish(ask, ask.s3().put_object_lock_configuration().bucket(ask.bucket()).object_lock_configuration(config).send())
        .map(drop)
}

/// One request sets all rules, so those that are there are sent along.
fn end_unfinished_uploads(ask: &Ask<'_>, days: u32) -> Result<(), StoreError> {
    let found = finish_lifecycle(ask)?;
    let others = found.into_iter().filter(|rule| rule.id() != Some(RULE));
    let abort =
        AbortIncompleteMultipartUpload::builder().days_after_initiation(i32::try_from(days).unwrap_or(i32::MAX));
    let filter = LifecycleRuleFilter::builder().prefix(&ask.place.prefix).build();
    let ours = LifecycleRule::builder().id(RULE).status(ExpirationStatus::Enabled).filter(filter);
    let ours = ours.abort_incomplete_multipart_upload(abort.build()).build().expect("it has its status");
    let rules: Vec<LifecycleRule> = others.chain([ours]).collect();
    let config = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().expect("it has rules");
    let request = ask.s3().put_bucket_lifecycle_configuration().bucket(ask.bucket());
    finish(ask, request.lifecycle_configuration(config).send()).map(drop)
}

fn finish_lifecycle(ask: &Ask<'_>) -> Result<Vec<LifecycleRule>, StoreError> {
    let request = || ask.s3().get_bucket_lifecycle_configuration().bucket(ask.bucket()).send();
    match ask.send(request()) {
        Ok(answer) => Ok(answer.rules.unwrap_or_default()),
        Err(refusal) if refusal.code == "NoSuchLifecycleConfiguration" => Ok(Vec::new()),
        Err(_) => finish(ask, request()).map(|answer| answer.rules.unwrap_or_default()),
    }
}

fn set_policy(ask: &Ask<'_>, policy: &Policy) -> Result<(), StoreError> {
    finish(ask, ask.s3().put_bucket_policy().bucket(ask.bucket()).policy(policy.to_json()).send()).map(drop)
}
