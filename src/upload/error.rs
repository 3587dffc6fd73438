//! Why an object is not durable.

use std::io;
use std::path::PathBuf;

use crate::journal::JournalError;
use crate::store::{Disposition, ObjectName, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The caller forgets it and stores its content anew.
    #[error("the spooled object {name} is lost or damaged, and the target does not hold it")]
    Lost { name: ObjectName },
    #[error("the target already holds another object as {name}: a second writer uses the identity of this machine")]
    Taken { name: ObjectName },
    #[error("the target holds other bytes as {name} than this name stands for")]
    Damaged { name: ObjectName },
    /// It may be called again: the spool file and what the target acknowledged since are kept.
    #[error("the target undid the upload of {name} again and again")]
    Unsettled { name: ObjectName },
    #[error("cannot upload {name}")]
    Target { name: ObjectName, source: StoreError },
    #[error("cannot read the spooled file {path}")]
    Spool { path: PathBuf, source: io::Error },
    #[error("cannot record the upload of {name}")]
    Journal { name: ObjectName, source: Box<JournalError> },
}

impl UploadError {
    pub(super) fn of_target(name: &ObjectName, error: StoreError) -> Self {
        match error {
            StoreError::Spool { path, source } => UploadError::Spool { path, source },
            source => UploadError::Target { name: name.clone(), source },
        }
    }

    pub(super) fn of_journal(name: &ObjectName, error: JournalError) -> Self {
        UploadError::Journal { name: name.clone(), source: Box::new(error) }
    }

    /// No repetition of the same request changes it.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, UploadError::Target { source, .. } if source.is_refusal())
    }

    /// The target has no room for it.
    pub fn is_target_full(&self) -> bool {
        matches!(self, UploadError::Target { source, .. } if source.disposition() == Disposition::Full)
    }

    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            UploadError::Lost { .. } => "The next backup reads and stores this content again.",
            UploadError::Taken { .. } => {
                "Stop the other machine or copy that uses this machine's key, then set one of them up anew."
            }
            UploadError::Damaged { .. } => {
                "The next run stores this content anew. Something else writes to the target or damages it: run `rozenctl check`."
            }
            UploadError::Unsettled { .. } => {
                "The next backup tries it again. Look for a lifecycle rule or another program that ends uploads too soon."
            }
            UploadError::Target { source, .. } => source.remedy(),
            UploadError::Spool { .. } => "Check the disk of the state directory.",
            UploadError::Journal { source, .. } => source.remedy(),
        }
    }
}
