//! What the watcher sees and what it does not, for status: never overstated.

use std::path::PathBuf;

use super::hint::RootKey;
use crate::model::{Problem, ProblemCode, RelPath};

/// A snapshot of what is watched.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    pub roots: Vec<RootCoverage>,
    /// `fs.inotify.max_user_watches` as it is now, when it can be read.
    pub limit: Option<u64>,
    /// The thread has ended; nothing is watched.
    pub stopped: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootCoverage {
    pub root: RootKey,
    pub path: PathBuf,
    pub state: RootState,
    /// Directories that have a watch. One that two roots share counts for the root that saw it first.
    pub watched: u64,
    /// Directories of the root as far as they were seen; grows while `arming`.
    pub total: u64,
    /// Some subtree is still being walked.
    pub arming: bool,
    pub unwatched: Vec<Unwatched>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RootState {
    Watched,
    /// Not there: never found, moved away or removed.
    Gone,
    /// Its filesystem was unmounted.
    Unmounted,
}

/// A subtree that gives no events, or not all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unwatched {
    pub dir: RelPath,
    pub gap: Gap,
    /// How many directories it has, as far as they could be counted.
    pub directories: u64,
}

/// Why a subtree gives no events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Gap {
    /// No watch was left.
    Limit,
    /// It may not be read, or reading failed; the text of the error.
    Unreadable(String),
    /// Changes made by other hosts or by the filesystem itself give no events there; its type.
    NoEvents(&'static str),
    /// A bind mount of a directory that is watched under another path.
    Aliased,
    /// A bind mount of a directory within itself.
    Loop,
}

impl Coverage {
    pub fn is_complete(&self) -> bool {
        let whole = |root: &RootCoverage| root.state == RootState::Watched && !root.arming && root.unwatched.is_empty();
        !self.stopped && self.roots.iter().all(whole)
    }

    /// What raises the limit of watches, with room for growth, if the limit was met.
    pub fn limit_remedy(&self) -> Option<String> {
        let mut met = self.roots.iter().flat_map(|root| &root.unwatched).filter(|u| u.gap == Gap::Limit).peekable();
        met.peek()?;
        let directories: u64 = self.roots.iter().map(|root| root.total).sum();
        let beside_us = self.limit.unwrap_or(0).saturating_sub(self.roots.iter().map(|root| root.watched).sum());
        let needed = (directories + beside_us.min(directories)).next_power_of_two().max(65_536);
        Some(match self.limit {
            // the limit of the machine is not the one that was met
            Some(limit) if needed <= limit => OF_NAMESPACE.to_owned(),
            _ => format!("sysctl fs.inotify.max_user_watches={needed}"),
        })
    }

    /// For status: one problem for each root that is away and for each gap, at most [`Coverage::MAX_PROBLEMS`] gaps.
    pub fn problems(&self) -> Vec<Problem> {
        let mut out = Vec::new();
        for root in &self.roots {
            out.extend(root.unavailable());
            out.extend(root.unwatched.iter().take(Self::MAX_PROBLEMS).map(|u| self.problem(root, u)));
            if root.unwatched.len() > Self::MAX_PROBLEMS {
                let more = root.unwatched.len() - Self::MAX_PROBLEMS;
                out.push(root.incomplete(&RelPath::root(), format!("{more} more subtrees give no events"), AUDITED));
            }
        }
        out
    }

    pub const MAX_PROBLEMS: usize = 100;

    fn problem(&self, root: &RootCoverage, unwatched: &Unwatched) -> Problem {
        let Unwatched { dir, gap, directories } = unwatched;
        match gap {
            Gap::Limit => {
                let message = format!(
                    "{} of {} directories of the root are watched: the limit of watches was reached; {directories} \
                     directories from here on are not watched",
                    root.watched, root.total
                );
                root.incomplete(dir, message, self.limit_remedy().unwrap_or_default())
            }
            Gap::Unreadable(error) => {
                root.incomplete(dir, format!("the directory cannot be watched: {error}"), "let the agent read it")
            }
            Gap::NoEvents(kind) => {
                let message = format!("a filesystem of type {kind} does not report changes made elsewhere");
                root.incomplete(dir, message, AUDITED)
            }
            Gap::Aliased => {
                let message = "the same directory is watched under another path; changes in other mounts below it \
                               are not seen";
                root.incomplete(dir, message, AUDITED)
            }
            Gap::Loop => root.incomplete(dir, "the directory is mounted within itself", "exclude it"),
        }
    }
}

/// A user namespace has a limit of its own, and shares that of the user who made it with everything of that user.
const OF_NAMESPACE: &str = "raise user.max_inotify_watches in the container and outside of it \
                            (fs.inotify.max_user_watches is large enough for the agent alone)";
const AUDITED: &str = "nothing: audits find these changes; shorten their interval if that is too late";

impl RootCoverage {
    fn unavailable(&self) -> Option<Problem> {
        let message = match self.state {
            RootState::Watched => return None,
            RootState::Gone => "the root is not there",
            RootState::Unmounted => "the filesystem of the root was unmounted",
        };
        let path = self.path.as_os_str().as_encoded_bytes();
        Some(Problem::new(ProblemCode::RootUnavailable, path, message, "mount it or bring it back"))
    }

    fn incomplete(&self, dir: &RelPath, message: impl Into<String>, remedy: impl Into<String>) -> Problem {
        let path = dir.under(&self.path);
        Problem::new(ProblemCode::WatchIncomplete, path.as_os_str().as_encoded_bytes(), message, remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(limit: u64, total: u64) -> String {
        let unwatched = vec![Unwatched { dir: RelPath::root(), gap: Gap::Limit, directories: total }];
        let (root, path, state) = (RootKey(0), PathBuf::from("/r"), RootState::Watched);
        let root = RootCoverage { root, path, state, watched: 0, total, arming: false, unwatched };
        Coverage { roots: vec![root], limit: Some(limit), stopped: false }.limit_remedy().unwrap()
    }

    #[test]
    fn no_limit_is_advised_that_the_machine_has_already() {
        assert_eq!(met(8_192, 100_000), "sysctl fs.inotify.max_user_watches=131072");
        assert_eq!(met(65_536, 60_000), "sysctl fs.inotify.max_user_watches=131072");
        for limit in [65_536, 524_288] {
            let remedy = met(limit, 1_000);
            assert!(remedy.contains("user.max_inotify_watches") && !remedy.contains('='), "{remedy}");
        }
        assert_eq!(Coverage::default().limit_remedy(), None);
    }
}
