//! What a server turned out to do, beyond what it says: kept with the state of a machine, so that nothing is claimed
//! that was not seen.

use serde::{Deserialize, Serialize};

use crate::model::StorageClass;

/// Whether a server does something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Yes,
    No,
    /// It was not tried, or trying told nothing.
    #[default]
    Unknown,
}

/// Which begun uploads a list shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadList {
    /// All below a prefix.
    ByPrefix,
    /// Only those of one exact key.
    ByName,
    None,
    #[default]
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Abilities {
    /// A put with `If-None-Match: *` never replaces.
    pub conditional_put: Answer,
    /// The same for completing an upload by parts.
    pub conditional_complete: Answer,
    /// The credentials of the check replaced an object when they did not ask for "only if absent", whole or by parts.
    #[serde(default)]
    pub replaces_unasked: Answer,
    /// An identical completion may be sent again.
    pub repeated_complete: Answer,
    /// Checksums that it verifies, by the names of S3: a wrong one was refused, a right one taken.
    pub checksums: Vec<String>,
    pub list_uploads: UploadList,
    pub versioning: Answer,
    pub lock: Answer,
    /// Storage classes that it took; empty when they were not tried.
    pub classes: Vec<String>,
}

impl Abilities {
    /// What is there can be replaced neither by mistake nor on purpose: only then may anybody call the target append-only.
    pub fn refuses_to_replace(&self) -> bool {
        self.heeds_if_absent() == Answer::Yes && self.replaces_unasked == Answer::No
    }

    /// What is there cannot be replaced by mistake.
    pub fn heeds_if_absent(&self) -> Answer {
        match (self.conditional_put, self.conditional_complete) {
            (Answer::Yes, Answer::Yes) => Answer::Yes,
            (Answer::No, _) | (_, Answer::No) => Answer::No,
            _ => Answer::Unknown,
        }
    }

    /// `None` when classes were not tried.
    pub fn takes(&self, class: StorageClass) -> Option<bool> {
        (!self.classes.is_empty()).then(|| self.classes.iter().any(|name| name == class.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ignored_condition_is_enough_to_claim_nothing() {
        let with = |conditional_put, conditional_complete| {
            Abilities { conditional_put, conditional_complete, ..Abilities::default() }.heeds_if_absent()
        };
        assert_eq!(with(Answer::Yes, Answer::Yes), Answer::Yes);
        assert_eq!(with(Answer::Yes, Answer::No), Answer::No);
        assert_eq!(with(Answer::No, Answer::Unknown), Answer::No);
        assert_eq!(with(Answer::Yes, Answer::Unknown), Answer::Unknown);
    }

    #[test]
    fn append_only_is_only_what_refused_a_replacement_on_purpose() {
        let heeds =
            Abilities { conditional_put: Answer::Yes, conditional_complete: Answer::Yes, ..Abilities::default() };
        let with = |replaces_unasked| Abilities { replaces_unasked, ..heeds.clone() }.refuses_to_replace();
        assert!(with(Answer::No) && !with(Answer::Yes) && !with(Answer::Unknown));
        let ignores = Abilities { conditional_put: Answer::No, replaces_unasked: Answer::No, ..heeds.clone() };
        assert!(!ignores.refuses_to_replace());
    }
}
