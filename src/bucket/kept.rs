//! The abilities of a target as the last check found them: a small file in the state directory.
//!
//! It is a cache: lost, it is found again by a check. It lies beside the journal and not in it, because a check may run
//! while the agent has the journal, and not in the target, because servers change and objects do not.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Abilities, Report, Weight};

/// In the state directory.
const FILE: &str = "target.json";

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// URL of the target that it is true of.
    pub target: String,
    /// When it was found, for people.
    pub checked: String,
    pub abilities: Abilities,
    /// The first of what it called a danger to backups, in its words.
    #[serde(default)]
    pub danger: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot keep what was found out about the target in {path}")]
pub struct KeepError {
    pub path: PathBuf,
    pub source: io::Error,
}

impl Kept {
    pub fn of(report: &Report, checked: String) -> Self {
        let danger = report.findings.iter().find(|finding| finding.weight == Weight::Danger);
        Self {
            target: report.target.clone(),
            checked,
            abilities: report.tried.abilities.clone(),
            danger: danger.map(|finding| finding.what.clone()),
        }
    }

    /// `None` when nothing is known of this target: never checked, another one, or a file that makes no sense.
    pub fn load(state: &Path, target: &str) -> Option<Self> {
        let text = fs::read(state.join(FILE)).ok()?;
        let kept: Self = serde_json::from_slice(&text).ok()?;
        (kept.target == target).then_some(kept)
    }

    /// In the place of what was known before.
    pub fn store(&self, state: &Path) -> Result<(), KeepError> {
        let path = state.join(FILE);
        let failed = |source| KeepError { path: path.clone(), source };
        let mut file = tempfile::NamedTempFile::new_in(state).map_err(failed)?;
        let text = serde_json::to_vec_pretty(self).expect("texts and lists of texts");
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&path).map(drop).map_err(|error| failed(error.error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::Answer;

    #[test]
    fn what_was_found_is_known_of_that_target_alone() {
        let dir = tempfile::tempdir().unwrap();
        let abilities = Abilities { conditional_put: Answer::No, ..Abilities::default() };
        let kept = Kept { target: "s3://b/p".into(), checked: "2026-11-21T08:00:00Z".into(), abilities, danger: None };
        assert_eq!(Kept::load(dir.path(), "s3://b/p"), None);
        kept.store(dir.path()).unwrap();
        kept.store(dir.path()).unwrap();
        assert_eq!(Kept::load(dir.path(), "s3://b/p"), Some(kept));
        assert_eq!(Kept::load(dir.path(), "s3://other"), None);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_as_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert_eq!(Kept::load(dir.path(), "s3://b/p"), None);
    }

    #[test]
    fn a_file_of_an_older_program_says_nothing_of_what_it_did_not_try() {
        let text = r#"{ "target": "t", "checked": "then", "abilities": { "conditional_put": "yes", "conditional_complete": "yes",
            "repeated_complete": "yes", "checksums": [], "list_uploads": "none", "versioning": "no", "lock": "no", "classes": [] } }"#;
        let kept: Kept = serde_json::from_str(text).unwrap();
        assert_eq!((kept.abilities.replaces_unasked, kept.danger), (Answer::Unknown, None));
    }

    #[test]
    fn the_worst_of_a_check_is_kept_where_it_is_a_danger() {
        use crate::bucket::findings::testing::{right_facts, right_tries};
        use crate::bucket::{Fact, Outcome, Place, Versioning};
        let danger = |facts, tried| {
            let report = Report::new("s3://b/p", facts, tried, &Place::new("b", "p", None));
            Kept::of(&report, "then".into()).danger
        };
        let unversioned = || crate::bucket::Facts { versioning: Fact::Known(Versioning::Off), ..right_facts() };
        assert_eq!(danger(unversioned(), right_tries()), None);
        let tried = crate::bucket::Tried { delete: Outcome::Done, ..right_tries() };
        assert!(danger(unversioned(), tried).is_some_and(|what| what.contains("can delete objects")));
    }
}
