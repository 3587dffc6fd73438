//! Findings of what was tried: what whoever has these credentials can do to backups that are there.

use super::{Finding, Weight};
use crate::bucket::{Answer, Facts, Outcome, Tried, Versioning};

const TAKE_RIGHTS: &str = "Take the right away: `rozenctl target policy --for uploader` prints a policy for this machine that has none of it.";
const BUCKET_POLICY: &str = "Give the bucket the policy that `rozenctl target policy --for bucket` prints, so that nobody can replace anything.";
const POLICY_IGNORED: &str = "The bucket's policy forbids it already, and the server does not heed the condition in it (s3:if-none-match). Switch versioning \
                              on where the server has it; whoever has these credentials can still replace backups: keep a second copy \
                              elsewhere.";
const PUT_IGNORES: &str = "Write conditional=no into the URL of the target, so that objects are at least looked for first, and switch \
                           versioning on where the server has it. Whoever has these credentials can still replace \
                           backups: keep a second copy elsewhere.";
/// The same needs no option: where an endpoint is given, a completion is always preceded by a look.
const COMPLETION_IGNORES: &str = "Switch versioning on where the server has it. Backups look for an object before they complete its upload; whoever \
                                  else has these credentials can still replace backups: keep a second copy elsewhere.";

pub(super) fn judge(facts: &Facts, tried: &Tried) -> Vec<Finding> {
    if !tried.create.is_done() {
        return vec![cannot_store(&tried.create)];
    }
    let mut findings = Vec::new();
    findings.extend(anyone(tried));
    findings.extend(replacing(facts, tried));
    findings.extend(deleting(facts, tried));
    findings.extend(unclear(tried));
    findings
}

/// Whether what is replaced or deleted can be brought back by somebody with more rights.
pub(in crate::bucket) fn can_be_undone(facts: &Facts, tried: &Tried) -> bool {
    // that objects got versions shows it too, where the setting may not be read
    let keeps_versions = match facts.versioning.known() {
        Some(versioning) => *versioning == Versioning::On,
        None => tried.abilities.versioning == Answer::Yes,
    };
    keeps_versions && tried.delete_version.is_refused() && !tried.delete_past_lock.is_done()
}

fn cannot_store(outcome: &Outcome) -> Finding {
    let (why, remedy) = match outcome {
        Outcome::Unclear { why } => (why.clone(), "Mend that first, then check again."),
        Outcome::Forbidden => {
            ("these credentials may not".to_owned(), "Give them the policy of `rozenctl target policy --for uploader`.")
        }
        _ => ("the server does not take it".to_owned(), "Check the URL of the target."),
    };
    Finding::new(
        "cannot_store",
        Weight::Unclear,
        format!("no object could be stored ({why}), so nothing else could be tried"),
        remedy,
    )
}

fn anyone(tried: &Tried) -> Option<Finding> {
    tried.list_by_anyone.is_done().then(|| {
        Finding::new(
            "public_list",
            Weight::Danger,
            "anybody can list the bucket: it answered without any credentials",
            "Block public access: `rozenctl target create` does, or your provider's console.",
        )
    })
}

fn replacing(facts: &Facts, tried: &Tried) -> Vec<Finding> {
    let undone = can_be_undone(facts, tried);
    let weight = if undone { Weight::Weak } else { Weight::Danger };
    let after = if undone { "; the version before stays and can be brought back" } else { "; what was there is lost" };
    let mut findings = Vec::new();
    let ignored = [(&tried.create_again, "a put"), (&tried.complete_again, "completing an upload by parts")];
    let ignored: Vec<_> = ignored.iter().filter(|(outcome, _)| outcome.is_done()).map(|(_, what)| *what).collect();
    if !ignored.is_empty() {
        let what = format!(
            "the server ignores \"only if absent\" for {}: an object was replaced{after}. It is not append-only",
            ignored.join(" and for ")
        );
        let remedy = if tried.create_again.is_done() { PUT_IGNORES } else { COMPLETION_IGNORES };
        findings.push(Finding::new("condition_ignored", weight, what, remedy));
    }
    let replaced = tried.replace.is_done() || tried.replace_by_parts.is_done();
    if replaced && findings.is_empty() {
        findings.push(Finding::new(
            "can_replace",
            weight,
            format!("these credentials can replace objects{after}"),
            if forbids_replacing(facts) { POLICY_IGNORED } else { BUCKET_POLICY },
        ));
    }
    findings
}

/// By the words of its policy.
fn forbids_replacing(facts: &Facts) -> bool {
    facts.policy.is(|policy| policy.as_ref().is_some_and(|policy| policy.only_new_objects))
}

fn deleting(facts: &Facts, tried: &Tried) -> Vec<Finding> {
    let mut findings = Vec::new();
    if tried.delete_version.is_done() {
        let what = "these credentials can delete versions: what they delete is gone for good";
        findings.push(Finding::new("can_destroy_versions", Weight::Danger, what, TAKE_RIGHTS));
    }
    if tried.delete_past_lock.is_done() {
        let what = "these credentials can delete locked versions (bypass governance): the lock does not hold them";
        findings.push(Finding::new("can_bypass_lock", Weight::Danger, what, TAKE_RIGHTS));
    }
    if tried.delete.is_done() && findings.is_empty() {
        findings.push(match can_be_undone(facts, tried) {
            true => Finding::new(
                "can_hide",
                Weight::Weak,
                "these credentials can delete objects; versions stay, and an admin can bring them back",
                TAKE_RIGHTS,
            ),
            false => Finding::new(
                "can_delete",
                Weight::Danger,
                "these credentials can delete objects, and nothing brings them back",
                TAKE_RIGHTS,
            ),
        });
    }
    findings
}

/// A try that told nothing must not look like one that was refused.
fn unclear(tried: &Tried) -> Vec<Finding> {
    let tries = [
        ("storing an object again", &tried.create_again),
        ("completing an upload again", &tried.complete_again),
        ("replacing an object", &tried.replace),
        ("replacing an object by parts", &tried.replace_by_parts),
        ("deleting", &tried.delete),
        ("deleting a version", &tried.delete_version),
        ("deleting past a lock", &tried.delete_past_lock),
        ("listing without credentials", &tried.list_by_anyone),
    ];
    let why = |outcome: &Outcome| match outcome {
        Outcome::Unclear { why } => Some(why.clone()),
        _ => None,
    };
    let findings = tries.into_iter().filter_map(|(what, outcome)| {
        let what = format!("{what} could not be tried: {}", why(outcome)?);
        Some(Finding::new("try_unclear", Weight::Unclear, what, "Check again; if it stays, the server is at fault."))
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{right_facts, right_tries};
    use super::*;
    use crate::bucket::{Abilities, Fact};

    fn codes(facts: &Facts, tried: &Tried) -> Vec<(&'static str, Weight)> {
        judge(facts, tried).iter().map(|finding| (finding.code, finding.weight)).collect()
    }

    fn unversioned() -> Facts {
        Facts { versioning: Fact::Known(Versioning::Off), ..right_facts() }
    }

    #[test]
    fn what_versions_can_undo_is_weak_and_without_them_dangerous() {
        let cases: [(&str, fn(&mut Tried)); 4] = [
            ("can_replace", |tried| tried.replace = Outcome::Done),
            ("can_replace", |tried| tried.replace_by_parts = Outcome::Done),
            ("condition_ignored", |tried| tried.create_again = Outcome::Done),
            ("condition_ignored", |tried| tried.complete_again = Outcome::Done),
        ];
        for (code, change) in cases {
            let mut tried = right_tries();
            change(&mut tried);
            assert_eq!(codes(&right_facts(), &tried), [(code, Weight::Weak)]);
            assert_eq!(codes(&unversioned(), &tried), [(code, Weight::Danger)]);
        }
    }

    #[test]
    fn an_option_of_the_url_is_advised_only_where_it_changes_anything() {
        let advised = |change: fn(&mut Tried)| {
            let mut tried = right_tries();
            change(&mut tried);
            judge(&unversioned(), &tried).iter().any(|finding| finding.remedy.contains("conditional=no"))
        };
        assert!(advised(|tried| tried.create_again = Outcome::Done));
        assert!(!advised(|tried| tried.complete_again = Outcome::Done));
    }

    #[test]
    fn the_policy_that_is_there_already_is_not_advised() {
        let remedy = |facts: &Facts| judge(facts, &Tried { replace: Outcome::Done, ..right_tries() })[0].remedy;
        assert!(remedy(&right_facts()).contains("does not heed"), "{}", remedy(&right_facts()));
        let without = Facts { policy: Fact::Known(None), ..right_facts() };
        assert!(remedy(&without).contains("target policy --for bucket"));
    }

    #[test]
    fn deleting_is_hiding_only_where_versions_stay() {
        let tried = Tried { delete: Outcome::Done, ..right_tries() };
        assert_eq!(codes(&right_facts(), &tried), [("can_hide", Weight::Weak)]);
        assert_eq!(codes(&unversioned(), &tried), [("can_delete", Weight::Danger)]);
        let unknown = Facts { versioning: Fact::NotReadable { permission: "p" }, ..right_facts() };
        assert_eq!(codes(&unknown, &tried), [("can_hide", Weight::Weak)], "objects got versions");
        let seen = |versioning| Abilities { versioning, ..right_tries().abilities };
        let without = Tried { abilities: seen(Answer::No), ..tried.clone() };
        assert_eq!(codes(&unknown, &without), [("can_delete", Weight::Danger)]);
        assert_eq!(codes(&unversioned(), &tried), [("can_delete", Weight::Danger)]);
        let tried = Tried { delete_version: Outcome::Done, ..tried };
        assert_eq!(codes(&right_facts(), &tried), [("can_destroy_versions", Weight::Danger)]);
    }

    #[test]
    fn a_lock_that_can_be_bypassed_and_a_bucket_that_answers_anybody_are_dangerous() {
        let tried = Tried { delete_past_lock: Outcome::Done, list_by_anyone: Outcome::Done, ..right_tries() };
        assert_eq!(
            codes(&right_facts(), &tried),
            [("public_list", Weight::Danger), ("can_bypass_lock", Weight::Danger)]
        );
    }

    #[test]
    fn what_could_not_be_tried_is_never_taken_for_refused() {
        let unclear = Outcome::Unclear { why: "500".into() };
        let tried = Tried { delete: unclear.clone(), ..right_tries() };
        assert_eq!(codes(&right_facts(), &tried), [("try_unclear", Weight::Unclear)]);
        let tried = Tried { create: unclear, ..right_tries() };
        assert_eq!(codes(&right_facts(), &tried), [("cannot_store", Weight::Unclear)]);
        let unclear_version = Tried {
            delete: Outcome::Done,
            delete_version: Outcome::Unclear { why: "timeout".into() },
            ..right_tries()
        };
        assert_eq!(codes(&right_facts(), &unclear_version)[0], ("can_delete", Weight::Danger));
    }
}
