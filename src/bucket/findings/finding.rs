//! What a finding is, and all of them in the order of their weight.

use serde::Serialize;

use super::{settings, tries};
use crate::bucket::{Facts, Place, Tried};

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Good to know.
    Note,
    /// A protection is missing that another one stands in for, or it costs money.
    Weak,
    /// Whether it is dangerous cannot be told.
    Unclear,
    /// Backups can be lost, or anybody can reach them.
    Danger,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// Stable: scripts may match on it.
    pub code: &'static str,
    pub weight: Weight,
    pub what: String,
    pub remedy: &'static str,
}

impl Finding {
    pub(in crate::bucket) fn new(
        code: &'static str,
        weight: Weight,
        what: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self { code, weight, what: what.into(), remedy }
    }
}

/// The most important first.
pub fn judge(facts: &Facts, tried: &Tried, place: &Place) -> Vec<Finding> {
    let mut findings = tries::judge(facts, tried);
    findings.extend(settings::judge(facts, tried, place));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    findings
}

#[cfg(test)]
mod tests {
    use super::super::testing::{right_facts, right_tries};
    use super::*;

    #[test]
    fn a_right_bucket_has_no_findings_but_notes() {
        let found = judge(&right_facts(), &right_tries(), &Place::new("b", "p", None));
        assert!(found.iter().all(|finding| finding.weight == Weight::Note), "{found:#?}");
    }

    #[test]
    fn the_worst_stands_first() {
        let tried = Tried { delete_version: crate::bucket::Outcome::Done, ..right_tries() };
        let facts = Facts { owner_enforced: crate::bucket::Fact::Known(false), ..right_facts() };
        let found = judge(&facts, &tried, &Place::new("b", "p", None));
        assert_eq!((found[0].code, found[0].weight), ("can_destroy_versions", Weight::Danger));
        assert!(found.iter().any(|finding| finding.code == "acls_in_use"));
    }
}
