//! The abilities of a target as the last check found them: a small file in the state directory.
//!
//! It is a cache: lost, it is found again by a check. It lies beside the journal and not in it, because a check may run
//! while the agent has the journal, and not in the target, because servers change and objects do not.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Abilities;

/// In the state directory.
const FILE: &str = "target.json";

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// URL of the target that it is true of.
    pub target: String,
    /// When it was found, for people.
    pub checked: String,
    pub abilities: Abilities,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot keep what was found out about the target in {path}")]
pub struct KeepError {
    pub path: PathBuf,
    pub source: io::Error,
}

impl Kept {
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
        let kept = Kept { target: "s3://b/p".into(), checked: "2026-11-21T08:00:00Z".into(), abilities };
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
}
