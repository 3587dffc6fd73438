//! What a target bills for, counted: no prices are in it. The field names are the JSON of the control socket.

use serde::{Deserialize, Serialize};

use super::rfc3339;
use crate::model::{StorageClass, Timestamp};

/// What this machine has stored, and what it has asked of the target.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// All of it, in groups of objects of about the same size.
    pub stored: Vec<StoredUsage>,
    /// Of the last 30 days, as far as they were counted.
    pub requests: Vec<RequestUsage>,
    /// `null`: too few days have passed since the first backup to say how it goes on.
    pub recent: Option<RecentUsage>,
    pub last_run: Option<RunUsage>,
    #[serde(default)]
    pub arena: Vec<ArenaUsage>,
}

/// Small packs of one archive class that wait to be merged into one of that class; until then they are in another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ArenaUsage {
    /// That they are meant for.
    pub class: StorageClass,
    pub packs: u64,
    pub bytes: u64,
    /// They are merged when they hold this much …
    pub merge_at_bytes: u64,
    /// … or by the first run from then on; `null`: they are too little for that.
    #[serde(with = "rfc3339::option")]
    pub merge_from: Option<Timestamp>,
}

/// How it went on after the first backup, for at most 30 days.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecentUsage {
    /// At least 2.
    pub days: u32,
    /// A part of what is stored.
    pub added: Vec<StoredUsage>,
    pub requests: Vec<RequestUsage>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoredUsage {
    pub class: StorageClass,
    pub kind: KindOfUse,
    pub objects: u64,
    pub bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KindOfUse {
    Content,
    /// Trees.
    Metadata,
    /// Index objects and manifests: their sizes are estimated.
    Estimated,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestUsage {
    /// A word of the room `store`.
    pub verb: String,
    pub class: StorageClass,
    pub count: u64,
}

/// The last run that asked for anything.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunUsage {
    #[serde(with = "rfc3339")]
    pub started: Timestamp,
    pub requests: Vec<RequestUsage>,
    /// What it has stored.
    pub added: Vec<StoredUsage>,
}
