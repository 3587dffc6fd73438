//! What ends a check. Damage does not: it is what a check is for.

use crate::repo::RepoError;

#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("the repository cannot be read")]
    Repository(#[from] RepoError),
    #[error("the check was interrupted")]
    Interrupted,
}

impl CheckError {
    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            CheckError::Repository(error) => error.remedy(),
            CheckError::Interrupted => "Run it again; `--read-data=10%` reads a random part of the data.",
        }
    }
}
