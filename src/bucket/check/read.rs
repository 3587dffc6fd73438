//! Reading all settings. Each question has its permission, and its own way to say "there is none".

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, ExpirationStatus, Grantee, LifecycleRule as SdkRule,
    ObjectLockRetentionMode, ObjectOwnership,
};

use super::{Ask, Refusal};
use crate::bucket::{
    Fact, Facts, Grant, LifecycleRule, Lock, Policy, PolicyFacts, PublicAccessBlock, Retention, Versioning,
};

pub(in crate::bucket) fn read(ask: &Ask<'_>) -> Facts {
    Facts {
        public_access_block: public_access_block(ask),
        policy: policy(ask),
        policy_is_public: policy_is_public(ask),
        grants: grants(ask),
        owner_enforced: owner_enforced(ask),
        encryption: encryption(ask),
        versioning: versioning(ask),
        lock: lock(ask),
        lifecycle: lifecycle(ask),
    }
}

/// From an answer: what it says, `none` for the code that says that there is nothing, or why it is not known.
fn fact<T, A>(
    answer: Result<A, Refusal>,
    permission: &'static str,
    none: (&str, T),
    known: impl FnOnce(A) -> Option<T>,
) -> Fact<T> {
    match answer {
        Ok(answer) => known(answer).map_or(Fact::NotSupported, Fact::Known),
        Err(refusal) if refusal.code == none.0 => Fact::Known(none.1),
        Err(refusal) => refusal.to_fact(permission),
    }
}

fn public_access_block(ask: &Ask<'_>) -> Fact<PublicAccessBlock> {
    let answer = ask.send(ask.s3().get_public_access_block().bucket(ask.bucket()).send());
    let none = ("NoSuchPublicAccessBlockConfiguration", PublicAccessBlock::default());
    fact(answer, "s3:GetBucketPublicAccessBlock", none, |answer| {
        let found = answer.public_access_block_configuration?;
        Some(PublicAccessBlock {
            block_public_acls: found.block_public_acls?,
            ignore_public_acls: found.ignore_public_acls?,
            block_public_policy: found.block_public_policy?,
            restrict_public_buckets: found.restrict_public_buckets?,
        })
    })
}

fn policy(ask: &Ask<'_>) -> Fact<Option<PolicyFacts>> {
    let answer = ask.send(ask.s3().get_bucket_policy().bucket(ask.bucket()).send());
    let text = fact(answer, "s3:GetBucketPolicy", ("NoSuchBucketPolicy", None), |answer| Some(answer.policy));
    match text {
        Fact::Known(None) => Fact::Known(None),
        Fact::Known(Some(text)) => match Policy::parse(&text) {
            Ok(policy) => Fact::Known(Some(PolicyFacts::of(&policy, &ask.place))),
            Err(error) => Fact::Failed { why: format!("the policy cannot be understood: {error}") },
        },
        Fact::NotReadable { permission } => Fact::NotReadable { permission },
        Fact::NotSupported => Fact::NotSupported,
        Fact::Failed { why } => Fact::Failed { why },
    }
}

fn policy_is_public(ask: &Ask<'_>) -> Fact<bool> {
    let answer = ask.send(ask.s3().get_bucket_policy_status().bucket(ask.bucket()).send());
    fact(answer, "s3:GetBucketPolicyStatus", ("NoSuchBucketPolicy", false), |answer| answer.policy_status?.is_public)
}

fn grants(ask: &Ask<'_>) -> Fact<Vec<Grant>> {
    let answer = ask.send(ask.s3().get_bucket_acl().bucket(ask.bucket()).send());
    fact(answer, "s3:GetBucketAcl", ("AccessControlListNotSupported", vec![]), |answer| {
        let owner = answer.owner.and_then(|owner| owner.id);
        let grants = answer.grants?.into_iter().filter_map(|grant| {
            let right = grant.permission.map(|right| right.as_str().to_owned()).unwrap_or_default();
            to_grant(grant.grantee?, right, owner.as_deref())
        });
        Some(grants.collect())
    })
}

/// `None` for the owner, whom servers with one user do not even name.
fn to_grant(to: Grantee, right: String, owner: Option<&str>) -> Option<Grant> {
    let unnamed = to.id.as_deref().is_none_or(str::is_empty) && to.display_name.is_none() && to.email_address.is_none();
    if to.uri.is_none() && (unnamed || to.id.as_deref() == owner) {
        return None;
    }
    let public =
        to.uri.as_deref().is_some_and(|uri| uri.ends_with("/AllUsers") || uri.ends_with("/AuthenticatedUsers"));
    let name = to.uri.or(to.display_name).or(to.email_address).or(to.id).unwrap_or_else(|| "somebody".to_owned());
    Some(Grant { to: name, right, public })
}

fn owner_enforced(ask: &Ask<'_>) -> Fact<bool> {
    let answer = ask.send(ask.s3().get_bucket_ownership_controls().bucket(ask.bucket()).send());
    fact(answer, "s3:GetBucketOwnershipControls", ("OwnershipControlsNotFoundError", false), |answer| {
        let rules = answer.ownership_controls?.rules;
        Some(rules.iter().any(|rule| rule.object_ownership == ObjectOwnership::BucketOwnerEnforced))
    })
}

fn encryption(ask: &Ask<'_>) -> Fact<Option<String>> {
    let answer = ask.send(ask.s3().get_bucket_encryption().bucket(ask.bucket()).send());
    let none = ("ServerSideEncryptionConfigurationNotFoundError", None);
    fact(answer, "s3:GetEncryptionConfiguration", none, |answer| {
        let rules = answer.server_side_encryption_configuration?.rules;
        let default = rules.into_iter().find_map(|rule| rule.apply_server_side_encryption_by_default);
        Some(default.map(|default| default.sse_algorithm.as_str().to_owned()))
    })
}

fn versioning(ask: &Ask<'_>) -> Fact<Versioning> {
    let answer = ask.send(ask.s3().get_bucket_versioning().bucket(ask.bucket()).send());
    match answer.map(|answer| answer.status) {
        Ok(Some(BucketVersioningStatus::Enabled)) => Fact::Known(Versioning::On),
        Ok(Some(BucketVersioningStatus::Suspended)) => Fact::Known(Versioning::Suspended),
        Ok(_) => Fact::Known(Versioning::Off),
        // a page of somebody who stands before the server, or a list of the bucket: neither says that there are no versions
        Err(refusal) if refusal.code.is_empty() && !refusal.is_forbidden() => Fact::Failed { why: refusal.why },
        Err(refusal) => refusal.to_fact("s3:GetBucketVersioning"),
    }
}

fn lock(ask: &Ask<'_>) -> Fact<Option<Lock>> {
    let answer = ask.send(ask.s3().get_object_lock_configuration().bucket(ask.bucket()).send());
    let none = ("ObjectLockConfigurationNotFoundError", None);
    fact(answer, "s3:GetBucketObjectLockConfiguration", none, |answer| {
        let default = answer.object_lock_configuration?.rule.and_then(|rule| rule.default_retention);
        Some(Some(Lock {
            default: default.map(|retention| Retention {
                compliance: retention.mode == Some(ObjectLockRetentionMode::Compliance),
                days: days(retention.days).or(days(retention.years).map(|years| years * 365)).unwrap_or_default(),
            }),
        }))
    })
}

fn days(number: Option<i32>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

fn lifecycle(ask: &Ask<'_>) -> Fact<Vec<LifecycleRule>> {
    let answer = ask.send(ask.s3().get_bucket_lifecycle_configuration().bucket(ask.bucket()).send());
    fact(answer, "s3:GetLifecycleConfiguration", ("NoSuchLifecycleConfiguration", vec![]), |answer| {
        let rules = answer.rules.unwrap_or_default();
        Some(rules.iter().filter(|rule| rule.status == ExpirationStatus::Enabled).map(to_rule).collect())
    })
}

fn to_rule(rule: &SdkRule) -> LifecycleRule {
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|filter| filter.and.as_ref());
    let prefix = and.and_then(|and| and.prefix.clone()).or_else(|| filter?.prefix.clone());
    #[allow(deprecated, reason = "older rules have it there, and servers give it back")]
    let prefix = prefix.or_else(|| rule.prefix.clone());
    let expiration = rule.expiration.as_ref();
    let moves = rule.transitions().iter().filter_map(|transition| transition.storage_class());
    LifecycleRule {
        id: rule.id.clone().unwrap_or_else(|| "without a name".to_owned()),
        prefix: prefix.unwrap_or_default(),
        narrower: and.is_some() || filter.is_some_and(|filter| filter.prefix.is_none() && narrows(filter)),
        tagged: and.is_some_and(|and| !and.tags().is_empty()) || filter.is_some_and(|filter| filter.tag.is_some()),
        abort_uploads_days: days(
            rule.abort_incomplete_multipart_upload.as_ref().and_then(|abort| abort.days_after_initiation),
        ),
        // a rule that only takes away delete markers without versions takes nothing away
        expires: expiration.is_some_and(|expiration| expiration.days.is_some() || expiration.date.is_some()),
        expire_noncurrent_days: days(
            rule.noncurrent_version_expiration.as_ref().and_then(|expiry| expiry.noncurrent_days),
        ),
        moves_to: moves.map(|class| class.as_str().to_owned()).collect(),
    }
}

fn narrows(filter: &aws_sdk_s3::types::LifecycleRuleFilter) -> bool {
    filter.tag.is_some() || filter.object_size_greater_than.is_some() || filter.object_size_less_than.is_some()
}

/// Regions have one name for requests and, in one case, none for making a bucket.
pub(in crate::bucket) fn location(region: &str) -> Option<BucketLocationConstraint> {
    (region != "us-east-1").then(|| BucketLocationConstraint::from(region))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{LifecycleExpiration, LifecycleRuleAndOperator, LifecycleRuleFilter, Tag};

    use super::*;

    fn sdk_rule(filter: LifecycleRuleFilter) -> LifecycleRule {
        let rule = SdkRule::builder().id("r").status(ExpirationStatus::Enabled).filter(filter);
        to_rule(&rule.expiration(LifecycleExpiration::builder().days(3).build()).build().unwrap())
    }

    #[test]
    fn a_rule_is_read_in_each_of_its_forms() {
        let plain = sdk_rule(LifecycleRuleFilter::builder().prefix("a/").build());
        assert_eq!((plain.prefix.as_str(), plain.narrower, plain.expires), ("a/", false, true));
        assert!(!plain.tagged);
        let tag = Tag::builder().key("k").value("v").build().unwrap();
        let tagged = sdk_rule(LifecycleRuleFilter::builder().tag(tag.clone()).build());
        assert_eq!((tagged.prefix.as_str(), tagged.narrower, tagged.tagged), ("", true, true));
        let both = LifecycleRuleAndOperator::builder().prefix("b/").tags(tag).build();
        let both = sdk_rule(LifecycleRuleFilter::builder().and(both).build());
        assert_eq!((both.prefix.as_str(), both.narrower, both.tagged), ("b/", true, true));
    }

    #[test]
    fn a_rule_for_delete_markers_alone_expires_nothing() {
        let markers = LifecycleExpiration::builder().expired_object_delete_marker(true).build();
        let rule = SdkRule::builder().status(ExpirationStatus::Enabled).expiration(markers).build().unwrap();
        assert!(!to_rule(&rule).expires);
    }

    #[test]
    fn classes_that_a_rule_moves_objects_to_are_read_and_those_of_old_versions_are_not() {
        use aws_sdk_s3::types::{NoncurrentVersionTransition, Transition, TransitionStorageClass};
        let to = |class| Transition::builder().days(1).storage_class(class).build();
        let rule = SdkRule::builder().status(ExpirationStatus::Enabled);
        let rule =
            rule.transitions(to(TransitionStorageClass::StandardIa)).transitions(to(TransitionStorageClass::Glacier));
        let old = NoncurrentVersionTransition::builder().storage_class(TransitionStorageClass::DeepArchive).build();
        let rule = to_rule(&rule.noncurrent_version_transitions(old).build().unwrap());
        assert_eq!(rule.moves_to, ["STANDARD_IA", "GLACIER"]);
    }

    #[test]
    fn the_owner_is_nobody_else() {
        use aws_sdk_s3::types::Type;
        let owner = Grantee::builder().id("me").r#type(Type::CanonicalUser).build().unwrap();
        assert_eq!(to_grant(owner.clone(), "FULL_CONTROL".into(), Some("me")), None);
        let unnamed = Grantee::builder().id("").r#type(Type::CanonicalUser).build().unwrap();
        assert_eq!(to_grant(unnamed, "FULL_CONTROL".into(), Some("me")), None);
        assert!(to_grant(owner, "READ".into(), Some("you")).is_some_and(|grant| !grant.public));
        let all = "http://acs.amazonaws.com/groups/global/AllUsers";
        let everybody = Grantee::builder().uri(all).r#type(Type::Group).build().unwrap();
        assert!(to_grant(everybody, "READ".into(), Some("me")).is_some_and(|grant| grant.public));
    }
}
