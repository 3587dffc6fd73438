//! What ends a command: one enum over the errors of the rooms, with exit code and remedy of each.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use super::exit::Exit;
use crate::backup::RunError;
use crate::bucket::CreateError;
use crate::check::CheckError;
use crate::config::{ConfigError, PlacesError};
use crate::control::{ControlError, ErrorCode};
use crate::cost::CostError;
use crate::crypto::KeyFileError;
use crate::daemon::DaemonError;
use crate::history::HistoryError;
use crate::journal::JournalError;
use crate::repo::RepoError;
use crate::restore::RestoreError;
use crate::source::DestinationError;
use crate::store::{Disposition, S3Refusal, StoreError};
use crate::upload::UploadError;

/// What a person can do where the machine key is not there.
pub(super) const MACHINE_KEY_IS_LOST: &str = "Bring the file back, or set the machine up again: rozenctl recover";

#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Places(#[from] PlacesError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Repository(#[from] RepoError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Cost(#[from] CostError),
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// Named as the file with the secret, or with its passphrase: there is none.
    #[error(transparent)]
    NotRecovery(KeyFileError),
    /// That of this machine, which the configuration names.
    #[error("the key of this machine cannot be read")]
    MachineKey(#[source] KeyFileError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Agent(#[from] DaemonError),
    #[error(transparent)]
    Bucket(#[from] CreateError),
    /// The command line asks for something that cannot be.
    #[error("{what}")]
    Usage { what: String, remedy: String },
    #[error("{what}")]
    Refused { what: String, remedy: String },
    #[error("{what}")]
    NoRepository { what: String, remedy: String },
    #[error("this machine cannot read its own backups: its key can only add to them")]
    NoRecovery,
    #[error("no recovery code was given")]
    NoCode,
    #[error("cannot {doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    #[error("cannot read from the terminal")]
    Input(#[source] io::Error),
    #[error("interrupted")]
    Interrupted,
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
}

impl CliError {
    pub(super) fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn refused(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => of_store(error),
            Self::Repository(error) => of_repository(error),
            Self::Journal(error) => of_journal(error),
            Self::Run(error) => of_run(error),
            Self::Restore(error) => of_restore(error),
            Self::History(error) => of_history(error),
            Self::Check(CheckError::Repository(error)) => of_repository(error),
            Self::Check(CheckError::Interrupted) | Self::Interrupted => Exit::Interrupted,
            Self::Cost(error) => of_cost(error),
            Self::KeyFile(error) | Self::MachineKey(error) => of_key_file(error),
            Self::Control(error) => of_control(error),
            Self::Agent(error) => of_agent(error),
            Self::Usage { .. } => Exit::Usage,
            Self::NoRepository { .. } => Exit::NoRepository,
            Self::NoRecovery | Self::NoCode | Self::NotRecovery(_) => Exit::WrongKey,
            Self::File { source, .. } => of_io(source),
            Self::Config(ConfigError::Read { source, .. }) => of_io(source),
            Self::Places(_) | Self::Config(_) | Self::Refused { .. } | Self::Bucket(_) => Exit::Failed,
            Self::Output(_) | Self::Input(_) | Self::Signals(_) => Exit::Failed,
        }
    }

    /// What a person can do; empty when the message says it all.
    pub(super) fn remedy(&self) -> Cow<'static, str> {
        match self {
            Self::Config(error) => error.remedy().into(),
            Self::Store(error) => error.remedy().into(),
            Self::Repository(error) => error.remedy().into(),
            Self::Journal(error) => error.remedy().into(),
            Self::Run(error) => error.remedy().into(),
            Self::Restore(error) => error.remedy().into(),
            Self::History(error) => error.remedy().into(),
            Self::Check(error) => error.remedy().into(),
            Self::Cost(error) => error.remedy().into(),
            Self::KeyFile(error) | Self::NotRecovery(error) => key_file_remedy(error).into(),
            Self::MachineKey(error) => machine_key_remedy(error).into(),
            Self::Control(error) => error.remedy().into(),
            Self::Agent(error) => error.remedy().into(),
            Self::Bucket(error) => error.remedy().into(),
            Self::Usage { remedy, .. } | Self::Refused { remedy, .. } | Self::NoRepository { remedy, .. } => {
                remedy.clone().into()
            }
            Self::NoRecovery => "Give the recovery file with --recovery FILE (or ROZEN_RECOVERY_FILE), or type the \
                                 recovery code: --recovery -"
                .into(),
            Self::NoCode => {
                "Type it when asked, or hand it over through a pipe; --recovery FILE reads it from a file.".into()
            }
            Self::File { .. } => "Check the path, its permissions and the free space.".into(),
            Self::Places(_) | Self::Output(_) | Self::Input(_) | Self::Signals(_) | Self::Interrupted => "".into(),
        }
    }
}

fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::TargetGone { .. } | StoreError::S3 { source: S3Refusal::NoSuchBucket, .. } => Exit::NoRepository,
        StoreError::Stopped => Exit::Interrupted,
        StoreError::BadUrl { .. } | StoreError::NotYetSupported { .. } => Exit::Usage,
        _ if error.disposition() == Disposition::Denied => Exit::NotPermitted,
        _ => Exit::Failed,
    }
}

fn of_repository(error: &RepoError) -> Exit {
    match error {
        RepoError::NoRepository { .. } | RepoError::Hidden { .. } => Exit::NoRepository,
        RepoError::Replaced { source, .. } => of_repository(source),
        RepoError::WrongKey { .. } | RepoError::WrongRepository { .. } => Exit::WrongKey,
        RepoError::Store(error) => of_store(error),
        RepoError::Upload(error) => of_upload(error),
        RepoError::Journal(error) => of_journal(error),
        _ => Exit::Failed,
    }
}

fn of_upload(error: &UploadError) -> Exit {
    match error {
        UploadError::Target { source, .. } => of_store(source),
        UploadError::Journal { source, .. } => of_journal(source),
        _ => Exit::Failed,
    }
}

fn of_journal(error: &JournalError) -> Exit {
    match error {
        JournalError::InUse { .. } => Exit::InUse,
        JournalError::Io { source, .. } => of_io(source),
        _ => Exit::Failed,
    }
}

fn of_run(error: &RunError) -> Exit {
    match error {
        RunError::Upload(error) => of_upload(error),
        RunError::Repository(error) => of_repository(error),
        RunError::Journal(error) => of_journal(error),
        RunError::Stopped => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

fn of_control(error: &ControlError) -> Exit {
    match error {
        ControlError::NotRunning { .. } | ControlError::Gone => Exit::NotRunning,
        ControlError::NotPermitted { .. } | ControlError::ForeignDirectory { .. } => Exit::NotPermitted,
        ControlError::Refused(refusal) if refusal.code == ErrorCode::NotPermitted => Exit::NotPermitted,
        ControlError::InUse { .. } => Exit::InUse,
        ControlError::Interrupted => Exit::Interrupted,
        ControlError::Io { source, .. } => of_io(source),
        _ => Exit::Failed,
    }
}

fn of_agent(error: &DaemonError) -> Exit {
    match error {
        DaemonError::Journal(error) => of_journal(error),
        DaemonError::Control(error) => of_control(error),
        DaemonError::MachineKey(error) => of_key_file(error),
        DaemonError::Repository(error) => of_store(error),
        _ => Exit::Failed,
    }
}

fn of_restore(error: &RestoreError) -> Exit {
    match error {
        RestoreError::Repository(error) => of_repository(error),
        RestoreError::Target(error) | RestoreError::TargetFails(error) => of_store(error),
        RestoreError::Path(_) | RestoreError::InRepository { .. } => Exit::Usage,
        RestoreError::Destination(DestinationError::InUse { .. }) => Exit::InUse,
        RestoreError::Destination(error) if error.is_denied() => Exit::NotPermitted,
        RestoreError::Interrupted => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

fn of_history(error: &HistoryError) -> Exit {
    match error {
        HistoryError::Repository(error) | HistoryError::Snapshot { source: error, .. } => of_repository(error),
        HistoryError::Spec(_) | HistoryError::Path(_) => Exit::Usage,
        HistoryError::NoSuchMachine(_) | HistoryError::WhichMachine(_) => Exit::Usage,
        _ => Exit::Failed,
    }
}

fn of_cost(error: &CostError) -> Exit {
    match error {
        CostError::Read { source, .. } | CostError::ReadOffer { source, .. } | CostError::Save { source, .. } => {
            of_io(source)
        }
        _ => Exit::Failed,
    }
}

fn of_key_file(error: &KeyFileError) -> Exit {
    match error {
        KeyFileError::InFile { source, .. } => of_key_file(source),
        KeyFileError::Io { source, .. } => of_io(source),
        _ if error.is_wrong_key() => Exit::WrongKey,
        _ => Exit::Failed,
    }
}

fn of_io(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Exit::NotPermitted,
        _ => Exit::Failed,
    }
}

fn machine_key_remedy(error: &KeyFileError) -> &'static str {
    match error {
        KeyFileError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => MACHINE_KEY_IS_LOST,
        error => key_file_remedy(error),
    }
}

fn key_file_remedy(error: &KeyFileError) -> &'static str {
    match error {
        KeyFileError::InFile { source, .. } => key_file_remedy(source),
        KeyFileError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "Check the path: nothing is there."
        }
        KeyFileError::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
            "Give another path: an existing key file is never replaced."
        }
        KeyFileError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
            "Free space on its disk, or give another path."
        }
        KeyFileError::Io { source, .. } if source.kind() == io::ErrorKind::IsADirectory => {
            "Give the path of a file: this is a folder."
        }
        KeyFileError::Io { .. } => "Check the path and its permissions.",
        KeyFileError::Unfit { .. } => "Check the path: this is another file.",
        KeyFileError::NotKeyFile(_) => "Give the file that `rozenctl init` wrote, or a file with the recovery code.",
        KeyFileError::Newer { .. } | KeyFileError::CodeVersion { .. } => "Install the newest version of Rozen.",
        KeyFileError::Damaged { .. } => "Use another copy of the file, or type the recovery code: --recovery -",
        KeyFileError::CodeCharacter { .. }
        | KeyFileError::CodeLength { .. }
        | KeyFileError::CodeGroups { .. }
        | KeyFileError::CodeWhole => "Compare it with what you wrote down: 14 groups of 5 letters and digits.",
        KeyFileError::PassphraseNeeded => "Give it with --passphrase-file FILE (or ROZEN_PASSPHRASE_FILE).",
        KeyFileError::WrongPassphrase => {
            "Try again: capital letters, the layout of the keyboard, spaces at the end; an accented letter is not the same bytes on \
             every system."
        }
        KeyFileError::PassphraseEmpty => "Put the passphrase into the first line of the file.",
        KeyFileError::PassphraseLines => {
            "Remove all lines but the first: earlier versions of Rozen used that one and never looked at the others."
        }
        KeyFileError::PassphraseCost { .. } => "Use another copy of the file: this one was altered.",
        KeyFileError::NotEnoughMemory { .. } => "Close other programs, or use a machine with more memory.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_that_may_not_be_written_to_is_a_matter_of_permission() {
        let root = |source: io::ErrorKind| {
            let error = DestinationError::Root { path: "/x".into(), source: source.into() };
            of_restore(&RestoreError::Destination(error))
        };
        assert_eq!(root(io::ErrorKind::PermissionDenied), Exit::NotPermitted);
        assert_eq!(root(io::ErrorKind::NotFound), Exit::Failed);
    }
}
