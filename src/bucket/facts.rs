//! What a bucket's settings are, as far as they could be read.

use serde::Serialize;

use super::policy::{Call, Decision, Policy, decide};
use super::{PROBES, Place};
use crate::model::StorageClass;

/// One setting: known, or why not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact<T> {
    Known(T),
    /// These credentials may not see it; the permission that is missing.
    NotReadable {
        permission: &'static str,
    },
    /// The server does not know the question.
    NotSupported,
    /// The question failed in another way.
    Failed {
        why: String,
    },
}

impl<T> Fact<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Fact::Known(value) => Some(value),
            Fact::NotReadable { .. } | Fact::NotSupported | Fact::Failed { .. } => None,
        }
    }

    /// Known, and so.
    pub fn is(&self, test: impl FnOnce(&T) -> bool) -> bool {
        self.known().is_some_and(test)
    }
}

/// All that is read. Nothing here was tried: see [`super::Tried`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Facts {
    /// How many of the four blocks are on; the whole account may block more.
    pub public_access_block: Fact<PublicAccessBlock>,
    /// `None`: the bucket has no policy.
    pub policy: Fact<Option<PolicyFacts>>,
    /// The server's own word on whether the policy makes the bucket public.
    pub policy_is_public: Fact<bool>,
    /// Grants to others than the owner.
    pub grants: Fact<Vec<Grant>>,
    /// Lists of grants are switched off ("bucket owner enforced").
    pub owner_enforced: Fact<bool>,
    /// The algorithm that the bucket encrypts with by itself.
    pub encryption: Fact<Option<String>>,
    pub versioning: Fact<Versioning>,
    /// `None`: the bucket has no lock.
    pub lock: Fact<Option<Lock>>,
    pub lifecycle: Fact<Vec<LifecycleRule>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct PublicAccessBlock {
    pub block_public_acls: bool,
    pub ignore_public_acls: bool,
    pub block_public_policy: bool,
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

/// What the bucket's policy says about calls that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct PolicyFacts {
    /// Calls without TLS are refused, whoever makes them.
    pub tls_only: bool,
    /// An object of ours is never replaced: making one without `If-None-Match` is refused, whoever does it.
    pub only_new_objects: bool,
    /// Nobody in particular may read.
    pub anyone_reads: bool,
    /// Nobody in particular may list.
    pub anyone_lists: bool,
    /// Nobody in particular may store or delete.
    pub anyone_writes: bool,
}

impl PolicyFacts {
    /// Pessimistic where the policy cannot be understood: then nothing counts as forbidden.
    pub fn of(policy: &Policy, place: &Place) -> Self {
        let object = || place.object_arn("machines/any/packs/any");
        let says = |call: &Call| decide(&[policy], call);
        let plain = |action: &str, resource: String| {
            says(&Call::new(action, resource).with("aws:SecureTransport", "false")) == Decision::Denied
        };
        let anyone = |action: &str, resource: String| says(&Call::new(action, resource)) == Decision::Allowed;
        Self {
            tls_only: plain("s3:GetObject", object()) && plain("s3:PutObject", object()),
            only_new_objects: says(&Call::create_object(object(), false)) == Decision::Denied
                && says(&Call::create_object(object(), true)) != Decision::Denied,
            anyone_reads: anyone("s3:GetObject", object()),
            anyone_lists: anyone("s3:ListBucket", place.bucket_arn()),
            anyone_writes: says(&Call::create_object(object(), true)) == Decision::Allowed
                || anyone("s3:DeleteObject", object()),
        }
    }
}

/// A right given to somebody by a list of grants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Grant {
    pub to: String,
    pub right: String,
    /// To everybody, or to everybody with an account anywhere.
    pub public: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Versioning {
    On,
    /// Versions that are there stay, new objects replace.
    Suspended,
    Off,
}

/// The lock that new objects get by themselves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Lock {
    /// `None`: locks are possible, none is put by default.
    pub default: Option<Retention>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Retention {
    /// Nobody can shorten it; otherwise whoever may bypass governance can.
    pub compliance: bool,
    pub days: u32,
}

/// One rule of the lifecycle that is switched on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct LifecycleRule {
    pub id: String,
    /// Keys that it speaks of, by how they begin; empty: all.
    pub prefix: String,
    /// It speaks only of some of these (tags, sizes).
    pub narrower: bool,
    /// It speaks only of objects with a tag; ours have none.
    pub tagged: bool,
    /// Uploads that were begun so many days ago are ended.
    pub abort_uploads_days: Option<u32>,
    /// Objects are deleted (in a versioned bucket: hidden) by age or at a date.
    pub expires: bool,
    /// Versions that are not the current one are removed so many days later.
    pub expire_noncurrent_days: Option<u32>,
    /// Classes that it moves objects to, some time after they came. What it does to versions that are not current does not matter.
    pub moves_to: Vec<String>,
}

impl LifecycleRule {
    /// Whether it speaks of an object of the repository, or may. What a check tries things on is none.
    pub fn touches(&self, place: &Place) -> bool {
        let is_there = self.prefix.starts_with(&place.prefix) || place.prefix.starts_with(&self.prefix);
        is_there && !self.tagged && !self.prefix.starts_with(&place.key(&format!("{PROBES}/")))
    }

    /// The first class of those that it moves objects to which must be thawed before it can be read.
    pub fn archive(&self) -> Option<&str> {
        let is_archive = |name: &&String| name.parse().is_ok_and(|class: StorageClass| !class.reads_at_once());
        self.moves_to.iter().find(is_archive).map(String::as_str)
    }

    /// Whether it speaks of all objects of the repository.
    pub fn covers(&self, place: &Place) -> bool {
        place.prefix.starts_with(&self.prefix) && !self.narrower
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::policy::{Role, policy};

    fn place() -> Place {
        Place::new("b", "backups", None)
    }

    #[test]
    fn a_rule_touches_what_it_may_speak_of() {
        let rule = |prefix: &str, tagged| LifecycleRule { prefix: prefix.into(), tagged, ..LifecycleRule::default() };
        for (prefix, expected) in [
            ("", true),
            ("back", true),
            ("backups/machines/ab/packs/", true),
            ("photos", false),
            ("backups/probe/", false),
        ] {
            assert_eq!(rule(prefix, false).touches(&place()), expected, "{prefix}");
            assert!(!rule(prefix, true).touches(&place()), "{prefix}");
        }
    }

    #[test]
    fn our_own_bucket_policy_is_seen_for_what_it_does() {
        let facts = PolicyFacts::of(&policy(&Role::Bucket { uploaders: vec![] }, &place()), &place());
        assert!(facts.tls_only && facts.only_new_objects);
        assert!(!facts.anyone_reads && !facts.anyone_lists && !facts.anyone_writes);
    }

    #[test]
    fn a_policy_for_another_folder_does_nothing_for_ours() {
        let elsewhere = Place::new("b", "photos", None);
        let facts = PolicyFacts::of(&policy(&Role::Bucket { uploaders: vec![] }, &elsewhere), &place());
        assert!(facts.tls_only && !facts.only_new_objects);
    }

    #[test]
    fn what_anybody_may_do_is_seen() {
        let text = r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": "arn:aws:s3:::b/*"}]}"#;
        let facts = PolicyFacts::of(&Policy::parse(text).unwrap(), &place());
        assert!(facts.anyone_reads && facts.anyone_writes && !facts.anyone_lists && !facts.tls_only);
    }

    #[test]
    fn a_rule_touches_what_lies_below_or_above_it() {
        let rule = |prefix: &str| LifecycleRule { prefix: prefix.to_owned(), ..LifecycleRule::default() };
        for (prefix, touches, covers) in [
            ("", true, true),
            ("backups/", true, true),
            ("back", true, true),
            ("backups/machines/", true, false),
            ("photos/", false, false),
        ] {
            assert_eq!((rule(prefix).touches(&place()), rule(prefix).covers(&place())), (touches, covers), "{prefix}");
        }
    }
}
