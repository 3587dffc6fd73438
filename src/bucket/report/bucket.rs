//! The report of a bucket, for people and as JSON.

use std::fmt;

use serde::Serialize;

use super::lines::{block, conclusion, findings, thief};
use super::table;
use super::{Sentence, verdict};
use crate::bucket::findings::{Finding, Weight, judge};
use crate::bucket::{Facts, Place, Tried};

/// Everything that a check found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// The target, for people.
    pub target: String,
    pub conclusion: Conclusion,
    pub facts: Facts,
    pub tried: Tried,
    /// The most important first.
    pub findings: Vec<Finding>,
    /// What a thief with these credentials could do.
    pub thief: Vec<Sentence>,
}

/// What it comes to; decides the exit code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    Right,
    /// Something could be better.
    Findings,
    /// Backups are in danger, or that could not be told.
    Danger,
}

impl Conclusion {
    pub(in crate::bucket) fn of(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.weight).max() {
            None | Some(Weight::Note) => Self::Right,
            Some(Weight::Weak) => Self::Findings,
            Some(Weight::Unclear | Weight::Danger) => Self::Danger,
        }
    }
}

impl Report {
    pub fn new(target: impl Into<String>, facts: Facts, tried: Tried, place: &Place) -> Self {
        let findings = judge(&facts, &tried, place);
        let thief = verdict(&facts, &tried);
        Self { target: target.into(), conclusion: Conclusion::of(&findings), facts, tried, findings, thief }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "target {}", self.target)?;
        block(f, "Settings", table::settings(&self.facts))?;
        block(f, "Tried on probe objects", table::tries(&self.tried))?;
        block(f, "The server", table::abilities(&self.tried.abilities))?;
        left_behind(f, &self.tried.left_behind)?;
        findings(f, &self.findings)?;
        thief(f, &self.thief)?;
        writeln!(f, "\n{}", conclusion(self.conclusion, &self.findings))
    }
}

fn left_behind(f: &mut fmt::Formatter<'_>, keys: &[String]) -> fmt::Result {
    match keys {
        [] => Ok(()),
        [first, ..] => writeln!(
            f,
            "  {:<32}{} of some bytes, such as {first}: they could not be deleted, which is right",
            "probe objects that stay",
            keys.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::findings::testing::{right_facts, right_tries};
    use crate::bucket::{Fact, Outcome, Versioning};

    fn report(facts: Facts, tried: Tried) -> Report {
        Report::new("s3://b/p", facts, tried, &Place::new("b", "p", None))
    }

    #[test]
    fn a_right_bucket_reads_as_right() {
        let report = report(right_facts(), right_tries());
        assert_eq!(report.conclusion, Conclusion::Right);
        let text = report.to_string();
        for line in [
            "  policy                          demands TLS, lets nobody replace objects",
            "  object lock                     90 days, compliance",
            "  store it again, if absent       refused: prevented by a condition or lock",
            "  heeds \"only if absent\"          yes",
            "  - Delete backups: no. It was tried and refused.",
            "The target is right.",
        ] {
            assert!(text.contains(line), "{line:?} is missing in:\n{text}");
        }
        assert!(!text.contains("Findings"), "{text}");
    }

    #[test]
    fn what_is_dangerous_stands_out() {
        let facts = Facts { versioning: Fact::Known(Versioning::Off), ..right_facts() };
        let report = report(facts, Tried { delete: Outcome::Done, ..right_tries() });
        assert_eq!(report.conclusion, Conclusion::Danger);
        let text = report.to_string();
        assert!(
            text.contains("\n  DANGER   these credentials can delete objects, and nothing brings them back"),
            "{text}"
        );
        assert!(text.contains("\n  ! Delete backups: yes, all of them"), "{text}");
        assert!(text.contains("  delete it                       done, which should have been refused"), "{text}");
        assert!(text.contains("The target is NOT safe"), "{text}");
    }

    #[test]
    fn a_remedy_of_several_findings_is_said_once() {
        let facts =
            Facts { versioning: Fact::Known(Versioning::Off), owner_enforced: Fact::Known(false), ..right_facts() };
        let text = report(facts, right_tries()).to_string();
        assert_eq!(text.matches("`rozenctl target create` sets it").count(), 1, "{text}");
    }

    #[test]
    fn weak_findings_are_no_danger_and_what_cannot_be_told_is_no_success() {
        let weak = Facts { owner_enforced: Fact::Known(false), ..right_facts() };
        assert_eq!(report(weak, right_tries()).conclusion, Conclusion::Findings);
        let unclear = Tried { delete: Outcome::Unclear { why: "500".into() }, ..right_tries() };
        let unclear = report(right_facts(), unclear);
        assert_eq!(unclear.conclusion, Conclusion::Danger);
        assert!(unclear.to_string().contains("could NOT be told"), "{unclear}");
    }

    #[test]
    fn every_kind_of_not_known_is_told_apart() {
        let facts = Facts {
            lock: Fact::NotSupported,
            lifecycle: Fact::NotReadable { permission: "s3:GetLifecycleConfiguration" },
            versioning: Fact::Failed { why: "the server answered 500".into() },
            ..right_facts()
        };
        let text = report(facts, right_tries()).to_string();
        for line in [
            "object lock                     not known to this server",
            "lifecycle                       not readable: s3:GetLifecycleConfiguration is missing",
            "versioning                      not known: the server answered 500",
        ] {
            assert!(text.contains(line), "{line:?} is missing in:\n{text}");
        }
    }
}
