//! How a wish for a backup ended.

use serde::{Deserialize, Serialize};

use crate::model::{Problem, RootId, Seq};

/// Every request for a backup gets exactly one of these.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum BackupAnswer {
    /// A run that began after the request has stored all it could read.
    Done {
        /// `null`: nothing had changed.
        snapshot: Option<Seq>,
        /// What of the asked roots could not be stored.
        problems: Vec<Problem>,
    },
    /// Nothing was stored. The agent will try again by itself; this request is over.
    Failed {
        problem: Problem,
    },
    /// The agent is, or was meanwhile, paused.
    Paused,
    Stopping,
    UnknownRoot {
        root: RootId,
    },
    /// Too many requests wait already.
    Busy,
}
