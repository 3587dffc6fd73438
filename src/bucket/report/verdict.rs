//! "What a thief with this machine's credentials could do", in sentences that need no words of S3.

use serde::Serialize;

use crate::bucket::facts::PolicyFacts;
use crate::bucket::findings::can_be_undone;
use crate::bucket::in_days;
use crate::bucket::{Facts, LifecycleRule, Outcome, Tried};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Can {
    No,
    Yes,
    Unknown,
}

/// One thing that a thief could do, or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Sentence {
    pub can: Can,
    pub text: String,
}

pub fn verdict(facts: &Facts, tried: &Tried) -> Vec<Sentence> {
    let mut sentences = vec![reading(facts, tried)];
    if tried.create.is_done() {
        sentences.extend([deleting(facts, tried), replacing(facts, tried), adding()]);
    } else {
        sentences.push(Sentence::new(
            Can::Unknown,
            "Delete or replace backups: nothing could be stored, so nothing was tried.",
        ));
    }
    sentences.push(settings());
    sentences
}

impl Sentence {
    fn new(can: Can, text: impl Into<String>) -> Self {
        Self { can, text: text.into() }
    }
}

/// Encryption holds whatever the bucket does.
fn reading(facts: &Facts, tried: &Tried) -> Sentence {
    let policy = facts.policy.known().copied().flatten();
    let by_policy = |so: fn(&PolicyFacts) -> bool| policy.as_ref().is_some_and(so);
    let anybody = if by_policy(|policy| policy.anyone_reads) {
        " Anybody at all can fetch them as they are, encrypted."
    } else if tried.list_by_anyone.is_done() || by_policy(|policy| policy.anyone_lists) {
        " So can anybody at all."
    } else {
        ""
    };
    Sentence::new(
        Can::No,
        format!(
            "Read backups: no. They are encrypted with a key that is not on this machine. A thief can see how many objects there are, how large, and when they came.{anybody}"
        ),
    )
}

fn deleting(facts: &Facts, tried: &Tried) -> Sentence {
    if tried.delete_version.is_done() || tried.delete_past_lock.is_done() {
        return Sentence::new(Can::Yes, "Delete backups: yes, all of them, at once and for good.");
    }
    if tried.delete.is_done() {
        return match can_be_undone(facts, tried) {
            true => Sentence::new(
                Can::Yes,
                format!(
                    "Delete backups: only in appearance. The bucket keeps what is deleted{}; somebody with an admin's credentials can bring it back.",
                    for_how_long(facts)
                ),
            ),
            false => Sentence::new(Can::Yes, "Delete backups: yes, all of them, at once; nothing brings them back."),
        };
    }
    if tried.delete.is_refused() && (tried.delete_version.is_refused() || not_versioned(&tried.delete_version)) {
        return Sentence::new(Can::No, "Delete backups: no. It was tried and refused.");
    }
    Sentence::new(Can::Unknown, "Delete backups: it could not be found out.")
}

/// There was no version to delete.
fn not_versioned(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotTried { .. })
}

fn replacing(facts: &Facts, tried: &Tried) -> Sentence {
    let tries = [&tried.replace, &tried.replace_by_parts, &tried.create_again, &tried.complete_again];
    if tries.iter().any(|outcome| outcome.is_done()) {
        return match can_be_undone(facts, tried) {
            true => Sentence::new(
                Can::Yes,
                format!(
                    "Replace backups by rubbish: only in appearance. The bucket keeps what was there before{}; somebody with an admin's credentials can bring it back. A restore notices what was replaced.",
                    for_how_long(facts)
                ),
            ),
            false => Sentence::new(
                Can::Yes,
                "Replace backups by rubbish: yes, and what was there is lost. A restore notices it, but cannot help it.",
            ),
        };
    }
    if tries.iter().all(|outcome| outcome.is_refused()) {
        return Sentence::new(Can::No, "Replace backups by something else: no. It was tried and refused.");
    }
    Sentence::new(Can::Unknown, "Replace backups by something else: it could not be found out.")
}

fn for_how_long(facts: &Facts) -> String {
    let rules = facts.lifecycle.known().map(Vec::as_slice).unwrap_or_default();
    let days = rules.iter().filter_map(|rule: &LifecycleRule| rule.expire_noncurrent_days).min();
    days.map_or(String::new(), |count| format!(" for {}", in_days(count)))
}

fn adding() -> Sentence {
    Sentence::new(
        Can::Yes,
        "Add objects: yes, that is what the machine does. It costs storage; snapshots of before stay as they were. \
         Rubbish under the name of the next snapshot stops the backups of this machine, which its status says, until a person looks.",
    )
}

/// Trying it could break what it tries.
fn settings() -> Sentence {
    Sentence::new(
        Can::Unknown,
        "Change the bucket's settings (lifecycle, versioning, policy): not tried, because trying changes them. Who may do \
         that can empty the bucket; the policy of `rozenctl target policy --for uploader` forbids it.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::findings::testing::{right_facts, right_tries};
    use crate::bucket::{Fact, Versioning};

    fn says(facts: &Facts, tried: &Tried, beginning: &str) -> Sentence {
        let found = verdict(facts, tried).into_iter().find(|sentence| sentence.text.starts_with(beginning));
        found.unwrap_or_else(|| panic!("{beginning} is not in {:#?}", verdict(facts, tried)))
    }

    #[test]
    fn a_right_bucket_lets_a_thief_only_add() {
        let sentences = verdict(&right_facts(), &right_tries());
        let can: Vec<Can> = sentences.iter().map(|sentence| sentence.can).collect();
        assert_eq!(can, [Can::No, Can::No, Can::No, Can::Yes, Can::Unknown]);
        assert!(says(&right_facts(), &right_tries(), "Add").text.contains("stops the backups of this machine"));
    }

    #[test]
    fn deleting_is_told_for_what_it_is() {
        let tried = Tried { delete: Outcome::Done, ..right_tries() };
        assert!(says(&right_facts(), &tried, "Delete").text.contains("only in appearance"));
        let unversioned = Facts { versioning: Fact::Known(Versioning::Off), ..right_facts() };
        assert!(says(&unversioned, &tried, "Delete").text.contains("nothing brings them back"));
        let tried = Tried { delete_version: Outcome::Done, ..tried };
        assert!(says(&right_facts(), &tried, "Delete").text.contains("for good"));
    }

    #[test]
    fn how_long_it_can_be_undone_is_told() {
        let rule = LifecycleRule { expire_noncurrent_days: Some(40), ..LifecycleRule::default() };
        let facts = Facts { lifecycle: Fact::Known(vec![rule]), ..right_facts() };
        let tried = Tried { replace: Outcome::Done, ..right_tries() };
        assert!(says(&facts, &tried, "Replace").text.contains("for 40 days"));
    }

    #[test]
    fn an_ignored_condition_counts_as_replacing() {
        let unversioned = Facts { versioning: Fact::NotSupported, ..right_facts() };
        let tried = Tried { complete_again: Outcome::Done, ..right_tries() };
        assert_eq!(says(&unversioned, &tried, "Replace").can, Can::Yes);
    }

    #[test]
    fn what_was_not_found_out_is_not_called_impossible() {
        let unclear = || Outcome::Unclear { why: "500".into() };
        let tried = Tried { delete: unclear(), replace: unclear(), ..right_tries() };
        assert_eq!(says(&right_facts(), &tried, "Delete").can, Can::Unknown);
        assert_eq!(says(&right_facts(), &tried, "Replace").can, Can::Unknown);
        let nothing = Tried { create: Outcome::Forbidden, ..right_tries() };
        assert_eq!(says(&right_facts(), &nothing, "Delete").can, Can::Unknown);
    }
}
