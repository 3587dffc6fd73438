//! Looking what is there, and doing the steps of a plan. Every step may be repeated.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketVersioningStatus, CreateBucketConfiguration,
    DefaultRetention, ExpirationStatus, LifecycleRule, LifecycleRuleFilter, ObjectLockConfiguration, ObjectLockEnabled,
    ObjectLockRetentionMode, ObjectLockRule, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, VersioningConfiguration,
};

use super::{Plan, Step, Wish};
use crate::bucket::check::{Ask, Refusal, is_there, location, read};
use crate::bucket::{Policy, Retention};
use crate::store::S3Client;

/// The name of the rule that we add.
const RULE: &str = "rozen-unfinished-uploads";

#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("cannot look at the bucket: {why}")]
    Look { why: String },
    #[error("cannot {step}: {why}")]
    Step { step: String, why: String },
}

impl CreateError {
    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            CreateError::Look { .. } => "Check the URL, the keys and the connection.",
            CreateError::Step { .. } => {
                "What was done before stays. Use an admin's credentials (`rozenctl target policy --for admin`); what the \
                 server does not know can be left out by doing the rest by hand."
            }
        }
    }
}

/// What is missing. Changes nothing.
pub fn plan(client: &S3Client, wish: &Wish) -> Result<Plan, CreateError> {
    let ask = Ask::new(client);
    let facts = match is_there(&ask) {
        Ok(false) => None,
        Ok(true) => Some(read(&ask)),
        Err(refusal) if refusal.is_forbidden() => Some(read(&ask)),
        Err(refusal) => return Err(CreateError::Look { why: refusal.why }),
    };
    Ok(Plan::make(facts.as_ref(), wish, &ask.place, client.region()))
}

/// Does what the plan says; what is left for a person. What was done before an error stays done.
///
/// What a new bucket has by itself, and what its server knows, is seen only when it is there: then it is planned again.
pub fn create(
    client: &S3Client,
    plan: &Plan,
    wish: &Wish,
    mut done: impl FnMut(&Step),
) -> Result<Vec<String>, CreateError> {
    let ask = Ask::new(client);
    let mut plan = plan.clone();
    if let Some(step @ Step::MakeBucket { .. }) = plan.steps.first() {
        act(&ask, step).map_err(|refusal| CreateError::Step { step: step.to_string(), why: refusal.why })?;
        done(step);
        plan = Plan::make(Some(&read(&ask)), wish, &ask.place, client.region());
    }
    for step in &plan.steps {
        match act(&ask, step) {
            Ok(()) => done(step),
            // also of a policy whose conditions a server does not know: it would protect from nothing there
            Err(refusal) if refusal.is_not_supported() || (is_policy(step) && refusal.status == 400) => {
                plan.by_hand.push(format!("{step}: this server does not take it ({})", refusal.why));
            }
            Err(refusal) => return Err(CreateError::Step { step: step.to_string(), why: refusal.why }),
        }
    }
    Ok(plan.by_hand)
}

fn is_policy(step: &Step) -> bool {
    matches!(step, Step::SetPolicy(_))
}

fn act(ask: &Ask<'_>, step: &Step) -> Result<(), Refusal> {
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

fn make_bucket(ask: &Ask<'_>, region: &str, lockable: bool) -> Result<(), Refusal> {
    let place = location(region).map(|place| CreateBucketConfiguration::builder().location_constraint(place).build());
    let request = ask.s3().create_bucket().bucket(ask.bucket()).set_create_bucket_configuration(place);
    let request = request.set_object_lock_enabled_for_bucket(lockable.then_some(true));
    ask.send(request.send()).map(drop)
}

fn block_public_access(ask: &Ask<'_>) -> Result<(), Refusal> {
    let all = PublicAccessBlockConfiguration::builder().block_public_acls(true).ignore_public_acls(true);
    let all = all.block_public_policy(true).restrict_public_buckets(true).build();
    ask.send(ask.s3().put_public_access_block().bucket(ask.bucket()).public_access_block_configuration(all).send())
        .map(drop)
}

fn switch_grants_off(ask: &Ask<'_>) -> Result<(), Refusal> {
    let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced).build();
    let controls = OwnershipControls::builder().rules(rule.expect("it has its one field")).build();
    let controls = controls.expect("it has a rule");
    ask.send(ask.s3().put_bucket_ownership_controls().bucket(ask.bucket()).ownership_controls(controls).send())
        .map(drop)
}

fn keep_versions(ask: &Ask<'_>) -> Result<(), Refusal> {
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    ask.send(ask.s3().put_bucket_versioning().bucket(ask.bucket()).versioning_configuration(on).send()).map(drop)
}

fn lock(ask: &Ask<'_>, retention: Retention) -> Result<(), Refusal> {
    let mode =
        if retention.compliance { ObjectLockRetentionMode::Compliance } else { ObjectLockRetentionMode::Governance };
    let days = i32::try_from(retention.days).unwrap_or(i32::MAX);
    let rule =
        ObjectLockRule::builder().default_retention(DefaultRetention::builder().mode(mode).days(days).build()).build();
    let config = ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).rule(rule).build();
    ask.send(ask.s3().put_object_lock_configuration().bucket(ask.bucket()).object_lock_configuration(config).send())
        .map(drop)
}

/// One request sets all rules, so those that are there are sent along.
fn end_unfinished_uploads(ask: &Ask<'_>, days: u32) -> Result<(), Refusal> {
    let found = rules_before(ask)?;
    let others = found.into_iter().filter(|rule| rule.id() != Some(RULE));
    let abort =
        AbortIncompleteMultipartUpload::builder().days_after_initiation(i32::try_from(days).unwrap_or(i32::MAX));
    let filter = LifecycleRuleFilter::builder().prefix(&ask.place.prefix).build();
    let ours = LifecycleRule::builder().id(RULE).status(ExpirationStatus::Enabled).filter(filter);
    let ours = ours.abort_incomplete_multipart_upload(abort.build()).build().expect("it has its status");
    let rules: Vec<LifecycleRule> = others.chain([ours]).collect();
    let config = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().expect("it has rules");
    let request = ask.s3().put_bucket_lifecycle_configuration().bucket(ask.bucket());
    ask.send(request.lifecycle_configuration(config).send()).map(drop)
}

fn rules_before(ask: &Ask<'_>) -> Result<Vec<LifecycleRule>, Refusal> {
    match ask.send(ask.s3().get_bucket_lifecycle_configuration().bucket(ask.bucket()).send()) {
        Ok(answer) => Ok(answer.rules.unwrap_or_default()),
        Err(refusal) if refusal.code == "NoSuchLifecycleConfiguration" => Ok(Vec::new()),
        Err(refusal) => Err(refusal),
    }
}

fn set_policy(ask: &Ask<'_>, policy: &Policy) -> Result<(), Refusal> {
    ask.send(ask.s3().put_bucket_policy().bucket(ask.bucket()).policy(policy.to_json()).send()).map(drop)
}
