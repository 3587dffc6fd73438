//! Findings of what was read: settings that protect less than they could, cost money, or remove backups by themselves.

use super::{Finding, Weight};
use crate::bucket::facts::{Fact, Facts, Grant, LifecycleRule, PolicyFacts, PublicAccessBlock, Versioning};
use crate::bucket::{Place, Tried, in_days};

/// An upload of ours may take so long: a machine that sleeps over a weekend goes on where it stopped.
pub const LONGEST_UPLOAD_DAYS: u32 = 7;
/// Who comes back from a holiday must still find what a thief has deleted meanwhile.
pub const SHORTEST_UNDO_DAYS: u32 = 30;

const CREATE: &str = "`rozenctl target create` sets it, with an admin's credentials.";
const BLOCK_PUBLIC: &str = "Block public access: `rozenctl target create` does, with an admin's credentials.";

pub(super) fn judge(facts: &Facts, tried: &Tried, place: &Place) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(public(facts));
    findings.extend(line(place));
    findings.extend(policy(facts, tried, place));
    findings.extend(versions(facts));
    findings.extend(lifecycle(facts, place));
    findings.extend(small(facts));
    findings.extend(not_readable(facts));
    findings
}

fn public(facts: &Facts) -> Vec<Finding> {
    let block = facts.public_access_block.known().copied();
    let mut findings = Vec::new();
    if block.is_some_and(|block| block != PublicAccessBlock::ALL) {
        let what = "public access is not blocked altogether: one wrong policy or grant makes the bucket public";
        findings.push(Finding::new("public_access_not_blocked", Weight::Weak, what, BLOCK_PUBLIC));
    }
    let by_policy = facts.policy_is_public.is(|public| *public)
        || facts.policy.is(|policy| policy.is_some_and(|p| p.anyone_reads || p.anyone_lists || p.anyone_writes));
    if by_policy {
        let blocked = block.is_some_and(|block| block.restrict_public_buckets);
        findings.push(public_by("public_policy", "its policy", blocked));
    }
    if facts.grants.is(|grants| grants.iter().any(|grant| grant.public)) {
        let blocked = block.is_some_and(|block| block.ignore_public_acls);
        findings.push(public_by("public_grant", "its list of grants", blocked));
    }
    findings
}

fn public_by(code: &'static str, what: &str, blocked: bool) -> Finding {
    let (weight, text) = match blocked {
        true => (Weight::Weak, format!("{what} would make the bucket public, if public access were not blocked")),
        false => (Weight::Danger, format!("{what} makes the bucket public: anybody can reach what it allows")),
    };
    Finding::new(code, weight, text, "Take what allows \"*\" or everybody out of it, and block public access.")
}

fn line(place: &Place) -> Option<Finding> {
    place.is_in_clear().then(|| {
        let what = "the endpoint is plain http: on its way everybody can read the names of objects, and what is in them as it is \
                    stored, encrypted";
        let remedy = "Use an https:// endpoint where the server has one.";
        Finding::new("line_not_encrypted", Weight::Weak, what, remedy)
    })
}

fn policy(facts: &Facts, tried: &Tried, place: &Place) -> Vec<Finding> {
    let Some(policy) = facts.policy.known() else { return Vec::new() };
    let (tls_only, only_new) =
        policy.map_or((false, false), |PolicyFacts { tls_only, only_new_objects, .. }| (tls_only, only_new_objects));
    let mut findings = Vec::new();
    if !tls_only && place.can_demand_tls() {
        let what = "the bucket's policy does not refuse calls without TLS";
        findings.push(Finding::new("tls_not_demanded", Weight::Weak, what, CREATE));
    }
    if !only_new {
        // what it would prevent was tried; a refusal then comes from the policy of these credentials alone
        let weight = if tried.replace.is_refused() { Weight::Note } else { Weight::Weak };
        let what = "the bucket's policy does not demand \"only if absent\": other credentials may replace objects";
        findings.push(Finding::new("replacing_not_denied", weight, what, CREATE));
    }
    findings
}

fn versions(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    match facts.versioning.known() {
        Some(Versioning::Off) => findings.push(Finding::new(
            "no_versions",
            Weight::Weak,
            "the bucket keeps no versions: what is replaced or deleted, by whomever, cannot be brought back",
            CREATE,
        )),
        Some(Versioning::Suspended) => findings.push(Finding::new(
            "versions_suspended",
            Weight::Weak,
            "versioning is suspended: what is replaced or deleted from now on cannot be brought back",
            CREATE,
        )),
        Some(Versioning::On) | None => {}
    }
    if facts.lock.is(|lock| lock.as_ref().is_none_or(|lock| lock.default.is_none())) {
        let what = "no lock: an admin's credentials can delete everything at once";
        findings.push(Finding::new(
            "no_lock",
            Weight::Note,
            what,
            "A lock is decided when a bucket is made: `rozenctl target create --lock DAYS`. It holds each object for so long after it was stored, \
             and is not renewed while newer snapshots go on using it.",
        ));
    }
    findings
}

fn lifecycle(facts: &Facts, place: &Place) -> Vec<Finding> {
    let Some(rules) = facts.lifecycle.known() else { return Vec::new() };
    let touching: Vec<&LifecycleRule> = rules.iter().filter(|rule| rule.touches(place)).collect();
    let mut findings = Vec::new();
    for rule in touching.iter().filter(|rule| rule.expires) {
        let what = format!("the lifecycle rule {:?} deletes objects of the repository by age", rule.id);
        let remedy = "Take the rule off these objects: a backup needs old objects as much as new ones.";
        findings.push(Finding::new("objects_expire", Weight::Danger, what, remedy));
    }
    findings.extend(touching.iter().filter_map(|rule| Some(objects_move(rule, rule.archive()?))));
    for (rule, days) in with_days(&touching, |rule| rule.expire_noncurrent_days, SHORTEST_UNDO_DAYS) {
        let what = format!("the lifecycle rule {:?} keeps deleted versions for only {}", rule.id, in_days(days));
        findings.push(Finding::new("versions_go_early", Weight::Weak, what, "Let it keep them for 30 days or more."));
    }
    for (rule, days) in with_days(&touching, |rule| rule.abort_uploads_days, LONGEST_UPLOAD_DAYS) {
        let what = format!(
            "the lifecycle rule {:?} ends unfinished uploads after {}; ours may take longer",
            rule.id,
            in_days(days)
        );
        findings.push(Finding::new("uploads_end_early", Weight::Weak, what, "Let it wait for 7 days or more."));
    }
    if !rules.iter().any(|rule| rule.covers(place) && rule.abort_uploads_days.is_some()) {
        let what = "no lifecycle rule ends unfinished uploads: parts that nothing claims any more cost money for ever";
        findings.push(Finding::new("uploads_stay", Weight::Weak, what, CREATE));
    }
    findings
}

/// Whichever objects it speaks of: without indexes, manifests and trees nothing can be looked at, restored or stored again.
fn objects_move(rule: &LifecycleRule, class: &str) -> Finding {
    let what = format!(
        "the lifecycle rule {:?} moves objects of the repository to {class}, where they must be thawed before they can be read: \
         the repository's record, indexes, manifests and trees must read at once",
        rule.id
    );
    let remedy = "Take the rule off these objects. `class` of a folder in the configuration keeps its content in an archive, and the \
                  rest where it reads at once.";
    Finding::new("objects_move_to_archive", Weight::Danger, what, remedy)
}

/// Rules whose number of days is below `least`.
fn with_days<'a>(
    rules: &[&'a LifecycleRule],
    days: fn(&LifecycleRule) -> Option<u32>,
    least: u32,
) -> Vec<(&'a LifecycleRule, u32)> {
    rules.iter().filter_map(|rule| Some((*rule, days(rule).filter(|days| *days < least)?))).collect()
}

fn small(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.owner_enforced.is(|enforced| !enforced) {
        let what = "lists of grants (ACLs) are in use: besides policies they can make objects public";
        findings.push(Finding::new("acls_in_use", Weight::Weak, what, CREATE));
    }
    let others: Vec<&Grant> = facts.grants.known().into_iter().flatten().filter(|grant| !grant.public).collect();
    if !others.is_empty() {
        let whom: Vec<&str> = others.iter().map(|grant| grant.to.as_str()).collect();
        let what = format!("others than the owner have rights by grants: {}", whom.join(", "));
        findings.push(Finding::new("granted_to_others", Weight::Weak, what, CREATE));
    }
    if facts.encryption.is(Option::is_none) {
        let what = "the bucket does not encrypt by itself; backups are encrypted before they leave the machine";
        findings.push(Finding::new("not_encrypted_again", Weight::Note, what, "Nothing to do."));
    }
    findings
}

/// One finding for all: they are given with one policy.
fn not_readable(facts: &Facts) -> Vec<Finding> {
    let Facts {
        public_access_block,
        policy,
        policy_is_public,
        grants,
        owner_enforced,
        encryption,
        versioning,
        lock,
        lifecycle,
    } = facts;
    let states = [
        ("the public access block", state(public_access_block)),
        ("the policy", state(policy)),
        ("whether the policy is public", state(policy_is_public)),
        ("the grants", state(grants)),
        ("the ownership of objects", state(owner_enforced)),
        ("the encryption", state(encryption)),
        ("versioning", state(versioning)),
        ("the lock", state(lock)),
        ("the lifecycle", state(lifecycle)),
    ];
    let (mut missing, mut findings) = (Vec::new(), Vec::new());
    for (name, state) in states {
        match state {
            State::Settled => {}
            State::Missing(permission) => missing.push(permission),
            State::Failed(why) => {
                let what = format!("{name} could not be read: {why}");
                findings.push(Finding::new("setting_not_read", Weight::Weak, what, "Check again."));
            }
        }
    }
    if !missing.is_empty() {
        let what = format!("these credentials may not see some settings; missing: {}", missing.join(", "));
        let remedy =
            "Add them (`rozenctl target policy --for uploader` has them), or check with an admin's credentials.";
        findings.push(Finding::new("settings_not_readable", Weight::Weak, what, remedy));
    }
    findings
}

enum State {
    Settled,
    /// The permission that is missing.
    Missing(&'static str),
    Failed(String),
}

fn state<T>(fact: &Fact<T>) -> State {
    match fact {
        Fact::Known(_) | Fact::NotSupported => State::Settled,
        Fact::NotReadable { permission } => State::Missing(permission),
        Fact::Failed { why } => State::Failed(why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{right_facts, right_tries};
    use super::*;
    use crate::bucket::Outcome;

    fn codes(change: impl FnOnce(&mut Facts)) -> Vec<(&'static str, Weight)> {
        let mut facts = right_facts();
        change(&mut facts);
        let found = judge(&facts, &right_tries(), &Place::new("b", "backups", None));
        found.iter().map(|finding| (finding.code, finding.weight)).collect()
    }

    fn rule(change: impl FnOnce(&mut LifecycleRule)) -> LifecycleRule {
        let mut rule = LifecycleRule { id: "r".into(), abort_uploads_days: Some(30), ..LifecycleRule::default() };
        change(&mut rule);
        rule
    }

    fn with_rules(rules: Vec<LifecycleRule>) -> Vec<(&'static str, Weight)> {
        codes(|facts| facts.lifecycle = Fact::Known(rules))
    }

    #[test]
    fn a_public_policy_is_dangerous_unless_public_access_is_blocked() {
        let public = |facts: &mut Facts| facts.policy_is_public = Fact::Known(true);
        assert_eq!(codes(public), [("public_policy", Weight::Weak)]);
        let open = |facts: &mut Facts| {
            public(facts);
            facts.public_access_block = Fact::Known(PublicAccessBlock::default());
        };
        assert_eq!(codes(open), [("public_access_not_blocked", Weight::Weak), ("public_policy", Weight::Danger)]);
        let not_known = |facts: &mut Facts| {
            public(facts);
            facts.public_access_block = Fact::NotSupported;
        };
        assert_eq!(codes(not_known), [("public_policy", Weight::Danger)]);
    }

    #[test]
    fn the_policy_is_judged_by_what_it_allows_where_the_server_has_no_word() {
        let found = codes(|facts| {
            facts.policy_is_public = Fact::NotSupported;
            facts.public_access_block = Fact::NotSupported;
            let policy = PolicyFacts { anyone_reads: true, ..facts.policy.known().unwrap().unwrap() };
            facts.policy = Fact::Known(Some(policy));
        });
        assert_eq!(found, [("public_policy", Weight::Danger)]);
    }

    #[test]
    fn grants_to_everybody_are_worse_than_to_somebody() {
        let grant = |public| Fact::Known(vec![Grant { to: "x".into(), right: "READ".into(), public }]);
        assert_eq!(codes(|facts| facts.grants = grant(false)), [("granted_to_others", Weight::Weak)]);
        let open = |facts: &mut Facts| {
            facts.grants = grant(true);
            facts.public_access_block = Fact::NotSupported;
        };
        assert_eq!(codes(open), [("public_grant", Weight::Danger)]);
    }

    #[test]
    fn rules_that_delete_what_we_need_are_dangerous_and_others_not() {
        assert_eq!(with_rules(vec![rule(|rule| rule.expires = true)]), [("objects_expire", Weight::Danger)]);
        let elsewhere = rule(|rule| (rule.prefix, rule.expires) = ("photos/".into(), true));
        assert_eq!(with_rules(vec![rule(|_| ()), elsewhere]), []);
        let tagged = rule(|rule| (rule.narrower, rule.expires) = (true, true));
        assert_eq!(with_rules(vec![rule(|_| ()), tagged]), [("objects_expire", Weight::Danger)]);
    }

    #[test]
    fn rules_that_move_what_must_read_at_once_to_an_archive_are_dangerous() {
        let moving =
            |classes: &[&str]| rule(|rule| rule.moves_to = classes.iter().map(|&class| class.into()).collect());
        let danger = [("objects_move_to_archive", Weight::Danger)];
        assert_eq!(with_rules(vec![moving(&["GLACIER"])]), danger);
        assert_eq!(with_rules(vec![moving(&["STANDARD_IA", "DEEP_ARCHIVE"])]), danger);
        for at_once in ["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"] {
            assert_eq!(with_rules(vec![moving(&[at_once])]), [], "{at_once}");
        }
        let elsewhere = rule(|rule| (rule.prefix, rule.moves_to) = ("photos/".into(), vec!["GLACIER".into()]));
        assert_eq!(with_rules(vec![rule(|_| ()), elsewhere]), []);
    }

    #[test]
    fn unfinished_uploads_must_end_but_not_before_ours_are_done() {
        assert_eq!(with_rules(vec![]), [("uploads_stay", Weight::Weak)]);
        let early = rule(|rule| rule.abort_uploads_days = Some(1));
        assert_eq!(with_rules(vec![early]), [("uploads_end_early", Weight::Weak)]);
        let partly = rule(|rule| rule.prefix = "backups/machines/".into());
        assert_eq!(with_rules(vec![partly]), [("uploads_stay", Weight::Weak)]);
        let soon_gone = rule(|rule| rule.expire_noncurrent_days = Some(3));
        assert_eq!(with_rules(vec![soon_gone]), [("versions_go_early", Weight::Weak)]);
    }

    #[test]
    fn missing_protections_are_named_one_by_one() {
        assert_eq!(codes(|facts| facts.versioning = Fact::Known(Versioning::Off)), [("no_versions", Weight::Weak)]);
        let suspended = codes(|facts| facts.versioning = Fact::Known(Versioning::Suspended));
        assert_eq!(suspended, [("versions_suspended", Weight::Weak)]);
        assert_eq!(codes(|facts| facts.lock = Fact::Known(None)), [("no_lock", Weight::Note)]);
        assert_eq!(codes(|facts| facts.encryption = Fact::Known(None)), [("not_encrypted_again", Weight::Note)]);
        assert_eq!(codes(|facts| facts.owner_enforced = Fact::Known(false)), [("acls_in_use", Weight::Weak)]);
        let without = codes(|facts| facts.policy = Fact::Known(None));
        assert_eq!(without, [("tls_not_demanded", Weight::Weak), ("replacing_not_denied", Weight::Note)]);
    }

    #[test]
    fn a_line_in_clear_is_told_and_no_policy_is_advised_that_would_lock_everybody_out() {
        let facts = Facts { policy: Fact::Known(None), ..right_facts() };
        let found = |endpoint| -> Vec<&'static str> {
            let place = Place::new("b", "", None).through(Some(endpoint));
            judge(&facts, &right_tries(), &place).iter().map(|finding| finding.code).collect()
        };
        assert_eq!(found("http://nas:9000"), ["line_not_encrypted", "replacing_not_denied"]);
        assert_eq!(found("http://127.0.0.1:9000"), ["replacing_not_denied"]);
        assert_eq!(found("https://nas:9000"), ["tls_not_demanded", "replacing_not_denied"]);
    }

    #[test]
    fn replacing_that_was_not_refused_makes_the_missing_policy_weigh_more() {
        let facts = Facts { policy: Fact::Known(None), ..right_facts() };
        let tried = Tried { replace: Outcome::Done, ..right_tries() };
        let found = judge(&facts, &tried, &Place::new("b", "", None));
        assert!(found.iter().any(|finding| finding.code == "replacing_not_denied" && finding.weight == Weight::Weak));
    }

    #[test]
    fn what_may_not_be_seen_is_named_by_its_permission() {
        let mut facts = right_facts();
        facts.lifecycle = Fact::NotReadable { permission: "s3:GetLifecycleConfiguration" };
        facts.versioning = Fact::NotReadable { permission: "s3:GetBucketVersioning" };
        let found = judge(&facts, &right_tries(), &Place::new("b", "", None));
        assert_eq!(found.len(), 1);
        assert!(found[0].what.ends_with("s3:GetBucketVersioning, s3:GetLifecycleConfiguration"), "{}", found[0].what);
        assert_eq!(
            codes(|facts| facts.lock = Fact::Failed { why: "500".into() }),
            [("setting_not_read", Weight::Weak)]
        );
        assert_eq!(codes(|facts| facts.lock = Fact::NotSupported), []);
    }
}
