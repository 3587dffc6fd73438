//! What was tried on probe objects, and what came of it. Only trying tells: some servers take a condition and ignore it.

use serde::Serialize;

use super::Abilities;

/// How one try ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// These credentials may not.
    Forbidden,
    /// The condition or a lock prevented it.
    Prevented,
    /// It was done.
    Done,
    /// The server does not know it.
    NotSupported,
    NotTried {
        why: &'static str,
    },
    /// Failed in a way that says nothing.
    Unclear {
        why: String,
    },
}

impl Outcome {
    pub fn is_done(&self) -> bool {
        *self == Outcome::Done
    }

    /// Surely not possible.
    pub fn is_refused(&self) -> bool {
        matches!(self, Outcome::Forbidden | Outcome::Prevented | Outcome::NotSupported)
    }
}

/// All tries. Those that should succeed stand first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Tried {
    /// A new object, only if absent: backups need it.
    pub create: Outcome,
    /// The same name again, only if absent.
    pub create_again: Outcome,
    /// The same name by parts, completed only if absent.
    pub complete_again: Outcome,
    /// The same name without a condition.
    pub replace: Outcome,
    /// The same name by parts, completed without a condition.
    pub replace_by_parts: Outcome,
    pub delete: Outcome,
    pub delete_version: Outcome,
    /// The same, past a lock.
    pub delete_past_lock: Outcome,
    /// A list without any credentials.
    pub list_by_anyone: Outcome,
    /// Keys of probe objects that stay, because nobody here may delete them.
    pub left_behind: Vec<String>,
    pub abilities: Abilities,
}
