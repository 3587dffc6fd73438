//! What can be wrong with a repository.

use crate::crypto::{CryptoError, Serial};
use crate::format::FormatError;
use crate::journal::JournalError;
use crate::model::{ChunkId, MachineId, RepoId, Seq};
use crate::seal::SealError;
use crate::store::{Hidden, ObjectName, StoreError};
use crate::upload::UploadError;

#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    #[error("there is no repository in {place}")]
    NoRepository { place: String },
    #[error("the repository in {place} was {hidden}; older versions of it are kept")]
    Hidden { place: String, hidden: Hidden },
    /// The source says what is wrong with what stands there now.
    #[error("rozen.json in {place} was {hidden}; what was there before is kept")]
    Replaced { place: String, hidden: Hidden, source: Box<RepoError> },
    #[error("there already is a repository in {place}")]
    AlreadyThere { place: String },
    #[error("the recovery secret does not belong to the repository in {place}")]
    WrongKey { place: String },
    #[error("the machine key belongs to repository {key}, but {place} holds repository {found}")]
    WrongRepository { place: String, key: RepoId, found: String },
    #[error("object {name} cannot be used")]
    Object {
        name: ObjectName,
        #[source]
        source: FormatError,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("no pack holds chunk {0}")]
    MissingChunk(ChunkId),
    #[error("chunk {id} in {pack} is damaged")]
    DamagedChunk {
        id: ChunkId,
        pack: ObjectName,
        #[source]
        source: SealError,
    },
    #[error("none of the keys in {pack} can be opened")]
    PackKey {
        pack: ObjectName,
        #[source]
        source: CryptoError,
    },
    #[error(
        "snapshot {seq} of machine {machine} exists already, and no key of this machine has signed it, or it is damaged"
    )]
    SequenceTaken { machine: MachineId, seq: Seq },
    #[error("the target does not hold the last snapshot of machine {machine} any more")]
    WentBack { machine: MachineId },
    #[error("no certificate of machine {machine} can be read: what it stored cannot be verified")]
    NoCertificate { machine: MachineId },
    #[error("{name} is missing; the certificate was found in a manifest")]
    NoCertificateObject { name: ObjectName },
    #[error(
        "machine {machine} was recovered elsewhere: it signs with key {found} now, and the key of this machine is {own}"
    )]
    Superseded { machine: MachineId, own: Serial, found: Serial },
    #[error("machine {machine} was recovered by somebody else at the same time")]
    SerialTaken { machine: MachineId },
}

impl RepoError {
    /// The one object that it concerns.
    pub fn object(&self) -> Option<&ObjectName> {
        match self {
            RepoError::Object { name, .. }
            | RepoError::NoCertificateObject { name }
            | RepoError::Store(
                StoreError::NotFound { name }
                | StoreError::TooLarge { name, .. }
                | StoreError::OutOfRange { name, .. }
                | StoreError::NotAFile { name },
            ) => Some(name),
            _ => None,
        }
    }

    /// Whether it can be read when it has been thawed.
    pub fn is_archived(&self) -> bool {
        matches!(self, RepoError::Store(StoreError::Archived { .. }))
    }

    /// Whether it was read, and is not what it should be; so nothing is to be hoped from reading it again.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, RepoError::DamagedChunk { .. } | RepoError::PackKey { .. } | RepoError::Object { .. })
            || matches!(self, RepoError::Store(StoreError::NotFound { .. } | StoreError::OutOfRange { .. }))
    }

    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            RepoError::NoRepository { .. } => {
                "Check the path or URL (--repo, or `repository` in the configuration). `rozenctl init` makes a new one in an empty place, or says \
                 what must be moved away first; where a repository is and only its rozen.json is gone, bring that back from a copy (docs/disaster.md). Whether it was deleted in a bucket that \
                 keeps versions tells `rozenctl target undelete --dry-run`, with an administrator's credentials."
            }
            RepoError::Hidden { .. } | RepoError::Replaced { .. } => {
                "Find out who did, and make nothing new there. `rozenctl target undelete --dry-run`, with an administrator's credentials, tells \
                 what can be brought back; docs/disaster.md says step by step how (\"Somebody deleted or replaced the backups\")."
            }
            RepoError::AlreadyThere { .. } => "Choose an empty place for a new repository.",
            RepoError::Object { source, .. } if source.is_newer() => {
                "Install the newest version of Rozen. Where no newer one was ever used here, it is damaged: `rozenctl check` says what that costs."
            }
            RepoError::WrongKey { .. } => "Use the recovery file or code that was made together with this repository.",
            RepoError::WrongRepository { .. } => {
                "Point `repository` at the place that this machine backed up to, or set the machine up anew with `rozenctl init`."
            }
            RepoError::Store(error) => error.remedy(),
            RepoError::Upload(error) => error.remedy(),
            RepoError::Superseded { .. } => {
                "Back up from the machine that took over. To use both, set this one up anew with `rozenctl init`."
            }
            RepoError::SerialTaken { .. } => "Find out who did. To do it nevertheless, run it again.",
            RepoError::SequenceTaken { .. } => {
                "Find out what else writes to the target. To go on behind it, remove the state directory: nothing that is stored is uploaded again."
            }
            RepoError::WentBack { .. } => "The next run stores again what is missing. `rozenctl check` names it.",
            RepoError::Journal(error) => error.remedy(),
            _ => {
                "`rozenctl check --read-data` lists all that is damaged and which files it costs; everything else restores."
            }
        }
    }
}
