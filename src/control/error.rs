//! What can go wrong between a client and the agent.

use std::path::PathBuf;

use super::WireError;

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Exit code 4.
    #[error("the agent is not running (nothing answers at {})", socket.display())]
    NotRunning { socket: PathBuf },
    /// Exit code 5.
    #[error("you may not use the control socket {}", socket.display())]
    NotPermitted { socket: PathBuf },
    /// Exit code 11.
    #[error("another agent{} uses {} already", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), lock.display())]
    InUse { lock: PathBuf, pid: Option<u32> },
    #[error("the directory {} belongs to another user", dir.display())]
    ForeignDirectory { dir: PathBuf },
    #[error("the path {} is too long for a socket", socket.display())]
    PathTooLong { socket: PathBuf },
    #[error("cannot {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the agent speaks protocol {found}, this program {known}")]
    Protocol { found: u32, known: u32 },
    #[error("the agent answered something that cannot be understood: {reason}")]
    Garbled { reason: String },
    #[error("the agent has gone")]
    Gone,
    /// Exit code 130.
    #[error("interrupted; what the agent was asked for goes on")]
    Interrupted,
    #[error("the agent refused: {}", .0.message)]
    Refused(WireError),
}

impl ControlError {
    pub fn remedy(&self) -> String {
        match self {
            Self::NotRunning { .. } => {
                "start it with `systemctl --user start rozend` (as root without --user), `rozenctl up` or `rozend`; \
                 `--state DIR` must be the same for both"
                    .into()
            }
            Self::NotPermitted { .. } => "use the user that runs the agent, or root".into(),
            Self::InUse { .. } => {
                "stop the other agent, or give this one a directory of its own with `--state DIR`".into()
            }
            Self::ForeignDirectory { .. } => "give another one with `--state DIR`, or have its owner remove it".into(),
            Self::PathTooLong { .. } => "give a shorter one with `--state DIR`; sockets allow about 100 bytes".into(),
            Self::Io { .. } => "check that the directory can be written and is not full".into(),
            Self::Protocol { .. } => "restart the agent after an update, or update this program".into(),
            Self::Garbled { .. } => "check that both programs have the same version".into(),
            Self::Gone => "see the log of the agent for the reason; start it again if it has stopped".into(),
            Self::Interrupted => String::new(),
            Self::Refused(error) => error.hint.clone(),
        }
    }
}
