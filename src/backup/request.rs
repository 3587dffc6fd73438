//! What a run is asked to do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::exclude::Rules;
use crate::model::{Problem, StorageClass};

pub struct RunRequest {
    pub roots: Vec<RootPlan>,
    /// A longer run commits a partial snapshot so often.
    pub partial_every: Duration,
    /// Our own directories, wherever they lie: never stored.
    pub own_dirs: Vec<PathBuf>,
}

pub struct RootPlan {
    pub id: String,
    pub path: PathBuf,
    pub rules: Rules,
    pub scope: RootScope,
    /// In which its content is kept; small amounts wait where they read at once.
    pub class: StorageClass,
    /// Asked when the view is open, before anything is read: is this still the folder that was stored?
    pub guard: Option<RootGuard>,
}

/// Gives the identity of the folder, or why it must not be read now.
pub type RootGuard = Arc<dyn Fn() -> Result<String, Problem> + Send + Sync>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RootScope {
    /// What the journal's hints name.
    Hints,
    /// Everything.
    Full,
}
