//! Settings and tries as lines of two columns.

use crate::bucket::facts::{Fact, Facts, Lock, PolicyFacts, PublicAccessBlock, Versioning};
use crate::bucket::in_days;
use crate::bucket::{Abilities, Answer, LifecycleRule, Outcome, Tried, UploadList};

/// What, and how it is.
pub(super) type Line = (&'static str, String);

pub(super) fn settings(facts: &Facts) -> Vec<Line> {
    vec![
        ("public access block", text(&facts.public_access_block, block)),
        ("policy", text(&facts.policy, |policy| policy.as_ref().map_or("none".into(), policy_text))),
        ("public by its policy", text(&facts.policy_is_public, |public| yes_no(*public))),
        (
            "grants to others",
            text(&facts.grants, |grants| match grants.len() {
                0 => "none".into(),
                _ => {
                    grants.iter().map(|grant| format!("{} to {}", grant.right, grant.to)).collect::<Vec<_>>().join(", ")
                }
            }),
        ),
        ("grants switched off", text(&facts.owner_enforced, |enforced| yes_no(*enforced))),
        ("encryption by the bucket", text(&facts.encryption, |kind| kind.clone().unwrap_or("none".into()))),
        ("versioning", text(&facts.versioning, |versioning| versioning_text(*versioning).into())),
        ("object lock", text(&facts.lock, |lock| lock.as_ref().map_or("none".into(), lock_text))),
        ("lifecycle", text(&facts.lifecycle, |rules| rules_text(rules))),
    ]
}

fn text<T>(fact: &Fact<T>, known: impl FnOnce(&T) -> String) -> String {
    match fact {
        Fact::Known(value) => known(value),
        Fact::NotReadable { permission } => format!("not readable: {permission} is missing"),
        Fact::NotSupported => "not known to this server".to_owned(),
        Fact::Failed { why } => format!("not known: {why}"),
    }
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn block(block: &PublicAccessBlock) -> String {
    let all =
        [block.block_public_acls, block.ignore_public_acls, block.block_public_policy, block.restrict_public_buckets];
    match all.iter().filter(|on| **on).count() {
        4 => "on".to_owned(),
        0 => "off".to_owned(),
        on => format!("{on} of 4 on"),
    }
}

fn policy_text(policy: &PolicyFacts) -> String {
    let demands = [(policy.tls_only, "demands TLS"), (policy.only_new_objects, "lets nobody replace objects")];
    let allows = [
        (policy.anyone_reads, "lets ANYBODY read"),
        (policy.anyone_lists, "lets ANYBODY list"),
        (policy.anyone_writes, "lets ANYBODY write"),
    ];
    let said: Vec<&str> = demands.into_iter().chain(allows).filter(|(so, _)| *so).map(|(_, text)| text).collect();
    if said.is_empty() { "nothing of what is looked for here".to_owned() } else { said.join(", ") }
}

fn versioning_text(versioning: Versioning) -> &'static str {
    match versioning {
        Versioning::On => "on",
        Versioning::Suspended => "suspended",
        Versioning::Off => "off",
    }
}

fn lock_text(lock: &Lock) -> String {
    match lock.default {
        None => "possible, none by default".to_owned(),
        Some(retention) => {
            let mode = if retention.compliance { "compliance" } else { "governance" };
            format!("{}, {mode}, from when an object was stored", in_days(retention.days))
        }
    }
}

fn rules_text(rules: &[LifecycleRule]) -> String {
    if rules.is_empty() {
        return "no rules".to_owned();
    }
    rules.iter().map(rule_text).collect::<Vec<_>>().join("; ")
}

fn rule_text(rule: &LifecycleRule) -> String {
    let mut does = Vec::new();
    does.extend(rule.expires.then(|| "deletes objects".to_owned()));
    does.extend(rule.expire_noncurrent_days.map(|days| format!("removes old versions after {}", in_days(days))));
    does.extend(rule.abort_uploads_days.map(|days| format!("ends unfinished uploads after {}", in_days(days))));
    does.extend((!rule.moves_to.is_empty()).then(|| format!("moves objects to {}", rule.moves_to.join(" and "))));
    let does = if does.is_empty() { "nothing that matters here".to_owned() } else { does.join(", ") };
    let on = if rule.prefix.is_empty() { String::new() } else { format!(" below {}", rule.prefix) };
    format!("{:?}{on}: {does}", rule.id)
}

pub(super) fn tries(tried: &Tried) -> Vec<Line> {
    vec![
        ("store a new object", outcome(&tried.create)),
        ("store it again, if absent", better_refused(&tried.create_again)),
        ("the same by parts", better_refused(&tried.complete_again)),
        ("replace it", better_refused(&tried.replace)),
        ("replace it by parts", better_refused(&tried.replace_by_parts)),
        ("delete it", better_refused(&tried.delete)),
        ("delete its version", better_refused(&tried.delete_version)),
        ("delete it past a lock", better_refused(&tried.delete_past_lock)),
        ("list without credentials", better_refused(&tried.list_by_anyone)),
    ]
}

/// Success is bad news here.
fn better_refused(tried: &Outcome) -> String {
    match tried {
        Outcome::Done => "done, which should have been refused".to_owned(),
        other => outcome(other),
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Forbidden => "refused: not permitted".to_owned(),
        Outcome::Prevented => "refused: prevented by a condition or lock".to_owned(),
        Outcome::Done => "done".to_owned(),
        Outcome::NotSupported => "not known to this server".to_owned(),
        Outcome::NotTried { why } => format!("not tried: {why}"),
        Outcome::Unclear { why } => format!("cannot be told: {why}"),
    }
}

pub(super) fn abilities(found: &Abilities) -> Vec<Line> {
    let uploads = match found.list_uploads {
        UploadList::ByPrefix => "by prefix",
        UploadList::ByName => "only by the exact name",
        UploadList::None => "no",
        UploadList::Unknown => "not known",
    };
    let mut lines = vec![
        ("heeds \"only if absent\"", answer(found.heeds_if_absent())),
        ("completes an upload twice", answer(found.repeated_complete)),
        ("checksums that it verifies", list(&found.checksums, "none")),
        ("lists unfinished uploads", uploads.to_owned()),
    ];
    if !found.classes.is_empty() {
        lines.push(("storage classes", list(&found.classes, "")));
    }
    lines
}

fn answer(answer: Answer) -> String {
    match answer {
        Answer::Yes => "yes",
        Answer::No => "no",
        Answer::Unknown => "not known",
    }
    .to_owned()
}

fn list(names: &[String], none: &str) -> String {
    if names.is_empty() { none.to_owned() } else { names.join(", ") }
}
