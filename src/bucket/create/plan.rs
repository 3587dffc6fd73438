//! What is missing of a right bucket, step by step. Pure.

use std::fmt;

use serde::Serialize;

use crate::bucket::facts::{Fact, Facts, PublicAccessBlock, Retention, Versioning};
use crate::bucket::{LONGEST_UPLOAD_DAYS, Place, Policy, Role, in_days, policy};

/// Unfinished uploads are ended after so many days: well behind the longest of ours.
pub const UNFINISHED_DAYS: u32 = 30;
const _: () = assert!(UNFINISHED_DAYS > LONGEST_UPLOAD_DAYS);

/// Said with every lock: a snapshot of today is made of packs of long ago.
const LOCK_ENDS: &str =
    "It ends so long after an object was stored and is not renewed, while new snapshots go on using old objects";

/// What a person wants beyond the usual.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wish {
    pub lock: Option<Retention>,
    /// ARNs of users that back up.
    pub uploaders: Vec<String>,
}

/// One change. Done in this order: nothing is public for a moment, and a lock comes after the versions that it needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    MakeBucket {
        region: String,
        lockable: bool,
    },
    BlockPublicAccess,
    SwitchGrantsOff,
    KeepVersions,
    Lock(Retention),
    /// Added to the rules that are there.
    EndUnfinishedUploads {
        days: u32,
    },
    SetPolicy(Policy),
}

/// What is to be done, and what a person must do.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// What would need to change what others have set, or could not be seen.
    pub by_hand: Vec<String>,
}

impl Plan {
    /// `facts`: `None` when there is no such bucket.
    pub fn make(facts: Option<&Facts>, wish: &Wish, place: &Place, region: &str) -> Self {
        let mut plan = Self::default();
        if facts.is_none() {
            plan.steps.push(Step::MakeBucket { region: region.to_owned(), lockable: wish.lock.is_some() });
        }
        plan.settle(facts.map(|f| &f.public_access_block), "public access block", Step::BlockPublicAccess, |block| {
            *block == PublicAccessBlock::ALL
        });
        plan.settle(facts.map(|f| &f.owner_enforced), "ownership of objects", Step::SwitchGrantsOff, |enforced| {
            *enforced
        });
        plan.settle(facts.map(|f| &f.versioning), "versioning", Step::KeepVersions, |found| *found == Versioning::On);
        if let Some(wanted) = wish.lock {
            plan.settle(facts.map(|f| &f.lock), "object lock", Step::Lock(wanted), |lock| {
                lock.as_ref().and_then(|lock| lock.default).is_some_and(|found| found.is_no_weaker_than(wanted))
            });
        }
        let step = Step::EndUnfinishedUploads { days: UNFINISHED_DAYS };
        plan.settle(facts.map(|f| &f.lifecycle), "lifecycle", step, |rules| {
            rules.iter().any(|rule| rule.covers(place) && rule.abort_uploads_days.is_some())
        });
        plan.set_policy(facts, wish, place);
        plan
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.by_hand.is_empty()
    }

    /// A setting that is right stays; one that cannot be seen is not overwritten.
    fn settle<T>(&mut self, fact: Option<&Fact<T>>, what: &str, step: Step, is_right: impl FnOnce(&T) -> bool) {
        match fact {
            Some(Fact::Known(found)) if is_right(found) => {}
            None | Some(Fact::Known(_)) => self.steps.push(step),
            Some(Fact::NotReadable { permission }) => {
                self.by_hand
                    .push(format!("{what}: these credentials may not see it ({permission}), so it is left as it is"));
            }
            Some(Fact::NotSupported) => self.by_hand.push(format!("{what}: this server does not know it")),
            Some(Fact::Failed { why }) => self.by_hand.push(format!("{what}: it could not be read ({why})")),
        }
    }

    /// A policy of others is never replaced.
    fn set_policy(&mut self, facts: Option<&Facts>, wish: &Wish, place: &Place) {
        let step = Step::SetPolicy(policy(&Role::Bucket { uploaders: wish.uploaders.clone() }, place));
        match facts.map(|facts| &facts.policy) {
            Some(Fact::Known(Some(found))) => {
                let demands_tls = found.tls_only || !place.can_demand_tls();
                if !(demands_tls && found.only_new_objects) {
                    self.by_hand.push(
                        "policy: the bucket has one already; add the statements that `rozenctl target policy --for bucket` prints"
                            .to_owned(),
                    );
                }
            }
            fact => self.settle(fact, "policy", step, |_| false),
        }
    }
}

impl Retention {
    fn is_no_weaker_than(self, wanted: Self) -> bool {
        self.days >= wanted.days && (self.compliance || !wanted.compliance)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::MakeBucket { region, lockable } => {
                let lockable = if *lockable { ", with locks possible" } else { "" };
                write!(f, "make the bucket in {region}{lockable}")
            }
            Step::BlockPublicAccess => f.write_str("block public access altogether"),
            Step::SwitchGrantsOff => {
                f.write_str("switch lists of grants off: only policies count, the owner owns every object")
            }
            Step::KeepVersions => f.write_str("keep versions: what is replaced or deleted can be brought back"),
            Step::Lock(Retention { compliance: true, days }) => write!(
                f,
                "lock every new object for {}; NOBODY can delete it before, not even you, and it is paid for so long. {LOCK_ENDS}",
                in_days(*days)
            ),
            Step::Lock(Retention { compliance: false, days }) => {
                let days = in_days(*days);
                write!(
                    f,
                    "lock every new object for {days}; only who may bypass governance can delete it before. {LOCK_ENDS}"
                )
            }
            Step::EndUnfinishedUploads { days } => write!(f, "end unfinished uploads after {}", in_days(*days)),
            Step::SetPolicy(policy) => {
                let names: Vec<&str> = policy.statement.iter().map(|statement| statement.sid.as_str()).collect();
                write!(f, "set the bucket's policy: {}", names.join(", "))
            }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {}. {step}", number + 1)?;
        }
        self.by_hand.iter().try_for_each(|what| writeln!(f, "  by hand: {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::findings::testing::right_facts;

    fn place() -> Place {
        Place::new("b", "p", None)
    }

    fn made(facts: Option<&Facts>, wish: &Wish) -> Plan {
        Plan::make(facts, wish, &place(), "eu-central-1")
    }

    #[test]
    fn a_new_bucket_gets_everything_and_a_lock_only_when_it_is_wanted() {
        let plan = made(None, &Wish::default());
        assert!(plan.by_hand.is_empty());
        let text = plan.to_string();
        assert!(text.starts_with("  1. make the bucket in eu-central-1\n  2. block public access"), "{text}");
        assert!(text.contains("6. set the bucket's policy: TlsOnly, OnlyNewObjects, NoReplicationInto"), "{text}");
        let lock = Some(Retention { compliance: true, days: 90 });
        let plan = made(None, &Wish { lock, ..Wish::default() });
        assert_eq!(plan.steps[0], Step::MakeBucket { region: "eu-central-1".into(), lockable: true });
        assert!(plan.to_string().contains("90 days; NOBODY") && plan.to_string().contains("is not renewed"), "{plan}");
    }

    #[test]
    fn a_right_bucket_is_left_alone() {
        let lock = Some(Retention { compliance: false, days: 30 });
        assert!(made(Some(&right_facts()), &Wish { lock, ..Wish::default() }).is_empty());
        let longer = Retention { compliance: true, days: 91 };
        let plan = made(Some(&right_facts()), &Wish { lock: Some(longer), ..Wish::default() });
        assert_eq!(plan.steps, [Step::Lock(longer)]);
    }

    #[test]
    fn only_what_is_missing_is_done() {
        let facts =
            Facts { versioning: Fact::Known(Versioning::Suspended), lifecycle: Fact::Known(vec![]), ..right_facts() };
        let plan = made(Some(&facts), &Wish::default());
        assert_eq!(plan.steps, [Step::KeepVersions, Step::EndUnfinishedUploads { days: 30 }]);
    }

    #[test]
    fn through_plain_http_no_policy_demands_tls() {
        let plain = place().through(Some("http://nas:9000"));
        let text = Plan::make(None, &Wish::default(), &plain, "us-east-1").to_string();
        assert!(text.contains("set the bucket's policy: OnlyNewObjects, NoReplicationInto"), "{text}");
        let mut policy = right_facts().policy.known().unwrap().unwrap();
        policy.tls_only = false;
        let facts = Facts { policy: Fact::Known(Some(policy)), ..right_facts() };
        assert!(Plan::make(Some(&facts), &Wish::default(), &plain, "us-east-1").is_empty());
        assert_eq!(made(Some(&facts), &Wish::default()).by_hand.len(), 1);
    }

    #[test]
    fn what_others_have_set_or_nobody_can_see_is_left_to_a_person() {
        let mut policy = right_facts().policy.known().unwrap().unwrap();
        policy.only_new_objects = false;
        let facts = Facts {
            policy: Fact::Known(Some(policy)),
            versioning: Fact::NotReadable { permission: "s3:GetBucketVersioning" },
            owner_enforced: Fact::NotSupported,
            ..right_facts()
        };
        let plan = made(Some(&facts), &Wish::default());
        assert_eq!((plan.steps.len(), plan.by_hand.len()), (0, 3));
        assert!(plan.to_string().contains("by hand: policy: the bucket has one already"), "{plan}");
    }
}
