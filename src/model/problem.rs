//! What went wrong with one thing while the rest went on: shown to people, counted in manifests.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Stable codes: scripts may match on them. The text of a problem may change, its code not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// A file or directory could not be read (permission, I/O error).
    Unreadable,
    /// A file kept changing while it was read; stored as it was read, marked `fuzzy`.
    ChangedWhileRead,
    /// A nested subvolume or mount is not part of the snapshot.
    NotCovered,
    /// The root is missing, unmounted or another filesystem than before.
    RootUnavailable,
    /// The watcher does not see all directories (limit, unsupported filesystem).
    WatchIncomplete,
    /// No freeze was possible; files were read live.
    NotFrozen,
    /// Some metadata could not be read or restored.
    Metadata,
    /// An object of the repository is damaged or missing.
    Damaged,
    /// The target could not be reached or refused to store.
    Target,
    /// A run failed.
    RunFailed,
    /// Leftovers of an earlier run could not be removed.
    Leftover,
    /// The target has snapshots of this machine that its journal did not know.
    AnotherCopy,
    /// The target does not hold the last snapshot of this machine any more.
    WentBack,
    /// The configuration is not the one that the agent was started with.
    ConfigChanged,
}

impl ProblemCode {
    pub fn as_str(self) -> &'static str {
        use ProblemCode::*;
        match self {
            Unreadable => "unreadable",
            ChangedWhileRead => "changed_while_read",
            NotCovered => "not_covered",
            RootUnavailable => "root_unavailable",
            WatchIncomplete => "watch_incomplete",
            NotFrozen => "not_frozen",
            Metadata => "metadata",
            Damaged => "damaged",
            Target => "target",
            RunFailed => "run_failed",
            Leftover => "leftover",
            AnotherCopy => "another_copy",
            WentBack => "went_back",
            ConfigChanged => "config_changed",
        }
    }
}

/// One problem: what, where, and what a person can do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Problem {
    pub code: ProblemCode,
    /// For people: not UTF-8 bytes are shown replaced. `path_b64` carries the exact bytes then.
    pub path: String,
    /// Base64 of the exact bytes, only where `path` could not hold them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    pub message: String,
    pub remedy: String,
}

impl Problem {
    pub fn new(code: ProblemCode, path: &[u8], message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            path: String::from_utf8_lossy(path).into_owned(),
            path_b64: std::str::from_utf8(path).is_err().then(|| super::base64_encode(path)),
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// The content is all there; something about it is not as it was.
    pub fn is_metadata(&self) -> bool {
        self.code == ProblemCode::Metadata
    }

    /// From an error with all its causes.
    pub fn of_error(code: ProblemCode, path: &[u8], error: &dyn std::error::Error, remedy: impl Into<String>) -> Self {
        Self::new(code, path, super::with_causes(error), remedy)
    }

    /// The same with a path that was relative to `root`.
    pub fn below(mut self, root: &Path) -> Self {
        let exact = self.path_b64.as_deref().and_then(super::base64_decode);
        let relative = exact.unwrap_or_else(|| self.path.clone().into_bytes());
        let mut path = root.as_os_str().as_bytes().to_vec();
        if !relative.is_empty() {
            if path.last() != Some(&b'/') {
                path.push(b'/');
            }
            path.extend_from_slice(&relative);
        }
        let Self { code, message, remedy, .. } = &mut self;
        Self::new(*code, &path, std::mem::take(message), std::mem::take(remedy))
    }
}
