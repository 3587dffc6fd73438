//! What keeps the agent from starting, or ends it.

use std::io;

use crate::config::ConfigError;
use crate::config::exclude::PatternError;
use crate::control::ControlError;
use crate::crypto::KeyFileError;
use crate::journal::JournalError;
use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    MachineKey(#[from] KeyFileError),
    #[error("the repository in the configuration cannot be used")]
    Repository(#[source] StoreError),
    #[error("the excludes of root `{root}` cannot be used")]
    Excludes {
        root: String,
        #[source]
        source: PatternError,
    },
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    #[error("cannot prepare the state directory")]
    State(#[source] io::Error),
    #[error("a thread of the agent ended unexpectedly")]
    Broken,
}

impl DaemonError {
    /// What a person can do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Config(error) => error.remedy().to_owned(),
            Self::Journal(error) => error.remedy().to_owned(),
            Self::Control(error) => error.remedy(),
            Self::MachineKey(_) => "Bring the key file back, or set the machine up anew: `rozenctl init --recovery \
                                    FILE` with another --config."
                .to_owned(),
            Self::Repository(error) => error.remedy().to_owned(),
            Self::Excludes { .. } => "Mend the pattern in the configuration.".to_owned(),
            Self::Thread(_) => "The machine has no room for another thread: see its limits.".to_owned(),
            Self::State(_) => "Check that the state directory can be written and has free space.".to_owned(),
            Self::Broken => "This is a bug in Rozen: please report it with the log.".to_owned(),
        }
    }
}
