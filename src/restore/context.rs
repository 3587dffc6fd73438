//! What all threads that restore one root share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::bundles::Bundles;
use super::flushing::Flushing;
use super::later::Later;
use super::links::LinkGroups;
use super::outage::{self, Outage, Verdict};
use super::plan::PlannedRoot;
use super::progress::Progress;
use super::report::{Collector, Count};
use super::stages::Stages;
use super::{RestoreError, RestoreOptions, RestoreTo};
use crate::model::{Entry, EntryKind, Problem, ProblemCode, RelPath};
use crate::repo::{ContentError, Contents, Files, RepoError};
use crate::source::{CoarseTimes, Destination, DestinationError, MetadataWriter};
use crate::store::StoreError;

pub(super) struct Context<'a> {
    pub contents: &'a Contents,
    pub files: Files<'a>,
    /// Of the repository, for people.
    place: &'a str,
    pub bundles: Bundles,
    pub options: &'a RestoreOptions,
    pub root: &'a PlannedRoot,
    pub destination: Destination,
    pub links: LinkGroups,
    pub stages: Stages,
    /// Entries with inode flags, which come last.
    pub flagged: Mutex<Later>,
    pub collector: &'a Collector,
    pub progress: &'a Progress,
    pub flushing: Flushing,
    coarse_times: CoarseTimes,
    outage: Outage,
    stopped: AtomicBool,
    fatal: Mutex<Option<RestoreError>>,
}

/// Why one entry could not be restored.
#[derive(Debug, thiserror::Error)]
pub(super) enum ItemError {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Destination(#[from] DestinationError),
    #[error(transparent)]
    Fatal(#[from] RestoreError),
}

impl<'a> Context<'a> {
    pub fn new(
        contents: &'a Contents,
        options: &'a RestoreOptions,
        root: &'a PlannedRoot,
        destination: Destination,
        (collector, progress): (&'a Collector, &'a Progress),
    ) -> Self {
        Self {
            contents,
            files: Files::new(contents),
            place: contents.store().place(),
            bundles: Bundles::default(),
            options,
            root,
            destination,
            links: LinkGroups::default(),
            stages: Stages::default(),
            flagged: Mutex::new(Later::new()),
            collector,
            progress,
            flushing: Flushing::default(),
            coarse_times: CoarseTimes::default(),
            outage: Outage::default(),
            stopped: AtomicBool::new(false),
            fatal: Mutex::new(None),
        }
    }

    /// One for each thread.
    pub fn metadata_writer(&self) -> MetadataWriter {
        MetadataWriter::telling(self.options.owner, self.coarse_times.clone())
    }

    /// Ends the whole restore; the first reason counts.
    pub fn stop(&self, error: RestoreError) {
        self.stopped.store(true, Relaxed);
        let error = match error {
            RestoreError::Destination(source) if source.is_full() => {
                RestoreError::Full { place: self.root.place.clone(), source }
            }
            error => RestoreError::of_open_files(&error).unwrap_or(error),
        };
        self.fatal.lock().expect("nothing panics while it is held").get_or_insert(error);
    }

    /// Whether the restore ends, because the target gives nothing. Asks the target where that is not known.
    pub fn ends_with(&self, error: &RepoError) -> bool {
        let Some(error) = outage::not_given(error) else { return false };
        if let StoreError::TargetGone { .. } = error {
            self.stop(RestoreError::TargetGone { place: self.place.to_owned() });
            return true;
        }
        match self.outage.judge(self.contents, error) {
            Verdict::Target(error) => self.stop(RestoreError::TargetFails(error)),
            Verdict::Object => return false,
            Verdict::Over => {}
        }
        true
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed) || self.progress.is_stopped()
    }

    pub fn take_flagged(&self) -> Later {
        std::mem::replace(&mut *self.flagged.lock().expect("nothing panics while it is held"), Later::new())
    }

    /// What did not get to the disk comes first: whoever starts the restore again must know it.
    pub fn into_result(self) -> Result<(), RestoreError> {
        if let Some(error) = self.flushing.into_failure() {
            return Err(RestoreError::NotOnDisk(error));
        }
        match self.fatal.into_inner().expect("nothing panics while it is held") {
            Some(error) => Err(error),
            None if self.progress.is_stopped() => Err(RestoreError::Interrupted),
            None => Ok(()),
        }
    }

    pub fn count(&self, count: Count) {
        self.collector.count(count);
    }

    pub fn problem(&self, path: &RelPath, code: ProblemCode, message: impl Into<String>, remedy: &str) {
        self.report(Problem::new(code, &self.shown(path), message, remedy));
    }

    /// Problems of the room `source` name paths in the destination, ours those that people know from the snapshot.
    pub fn metadata_problems(&self, path: &RelPath, problems: Vec<Problem>) {
        for problem in problems {
            self.report(Problem::new(problem.code, &self.shown(path), problem.message, problem.remedy));
        }
    }

    /// What an earlier restore made, or somebody has had since, and is not to be changed: else what could not be set the first time
    /// would be right the second time.
    pub fn differs(&self, path: &RelPath, differences: &[&str]) {
        let message = format!("it is there already with another {}, which stays", differences.join(" and another "));
        let remedy = "--overwrite changed sets it, as far as the rights of whoever restores and the filesystem allow";
        self.problem(path, ProblemCode::Metadata, message, remedy);
    }

    /// One entry could not be restored: a problem, or the end of the restore where all others would fail as well.
    pub fn failed(&self, path: &RelPath, error: ItemError) {
        const OTHER_SNAPSHOT: &str = "look for it in another snapshot: rozenctl history PATH";
        const THAW: &str = "`rozenctl restore` thaws it, and tells before what that costs";
        if let Some(error) = RestoreError::of_open_files(&error) {
            return self.stop(error);
        }
        let (code, remedy) = match error {
            ItemError::Content(ContentError::Chunk(ref source)) if source.is_archived() => {
                if self.options.leave_archived {
                    return self.count(Count::Archived);
                }
                (ProblemCode::Target, THAW)
            }
            ItemError::Fatal(error) => return self.stop(error),
            ItemError::Destination(error) if error.is_full() => return self.stop(RestoreError::Destination(error)),
            ItemError::Content(ContentError::Chunk(ref source)) if self.ends_with(source) => return,
            ItemError::Destination(ref error) => (ProblemCode::Target, self.of_destination(error)),
            ItemError::Content(ContentError::NotStored) => (ProblemCode::Unreadable, OTHER_SNAPSHOT),
            ItemError::Content(ContentError::Chunk(ref source)) => {
                of_content(source).unwrap_or((ProblemCode::Damaged, OTHER_SNAPSHOT))
            }
            ItemError::Content(_) => (ProblemCode::Damaged, OTHER_SNAPSHOT),
        };
        self.report(Problem::of_error(code, &self.shown(path), &error, remedy));
    }

    /// A directory could not be made or opened.
    pub fn dir_failed(&self, path: &RelPath, error: DestinationError) {
        if let Some(error) = RestoreError::of_open_files(&error) {
            return self.stop(error);
        }
        if error.is_full() {
            return self.stop(RestoreError::Destination(error));
        }
        let problem = Problem::of_error(ProblemCode::Target, &self.shown(path), &error, self.of_destination(&error));
        let message = format!("{}; nothing that belongs into it was restored", problem.message);
        self.report(Problem { message, ..problem });
    }

    fn of_destination(&self, error: &DestinationError) -> &'static str {
        match (error, &self.options.to) {
            (error, _) if error.is_by_flags() => {
                "look for flags that forbid it (lsattr), take them away (chattr -i -a), then restore again"
            }
            (error, _) if error.is_read_only() => "mount it so that it can be written to, then restore again",
            (DestinationError::Permission { .. }, _) => "restore as root, or as the user that owns the files",
            (_, RestoreTo::Dir(_)) => "look at what stands there, or restore into another directory",
            (_, RestoreTo::InPlace) => "look at what stands there, or restore with --to",
        }
    }

    /// A part of the tree cannot be read. `source`: what the repository said, where it was asked.
    pub fn lost(&self, path: &RelPath, what: String, error: &dyn std::error::Error, source: Option<&RepoError>) {
        const OTHER_SNAPSHOT: &str = "look for them in another snapshot; rozenctl check";
        let (code, remedy) = source.and_then(of_content).unwrap_or((ProblemCode::Damaged, OTHER_SNAPSHOT));
        let problem = Problem::of_error(code, &self.shown(path), error, remedy);
        self.report(Problem { message: format!("{what}: {}", problem.message), ..problem });
    }

    /// Content that is older than the snapshot.
    pub fn note_unreadable(&self, path: &RelPath, entry: &Entry) {
        if entry.flags.has(crate::model::EntryFlags::UNREADABLE) {
            let message = match entry.kind {
                EntryKind::Dir => {
                    "it could not be listed when it was backed up: what is in it is of an earlier snapshot, or missing"
                }
                _ => "it could not be read when it was backed up; what was restored is of an earlier snapshot",
            };
            self.problem(path, ProblemCode::Unreadable, message, "check whether it is what you need");
        }
    }

    fn report(&self, problem: Problem) {
        self.progress.problem();
        self.collector.problem(problem);
    }

    /// The path that people know: as it was on the machine.
    fn shown(&self, path: &RelPath) -> Vec<u8> {
        let root = self.root.path.strip_suffix(b"/").unwrap_or(&self.root.path);
        match path.is_root() {
            true => self.root.path.clone(),
            false => [root, b"/", path.as_bytes()].concat(),
        }
    }
}

/// What the target or this machine failed to give, which may be there and right. `None`: it is lost or damaged.
fn of_content(error: &RepoError) -> Option<(ProblemCode, &'static str)> {
    let remedy = match (outage::not_given(error), error) {
        (Some(error), _) => outage::remedy(error),
        (None, RepoError::Store(error)) if error.is_of_medium() => {
            "copy the disk of the target (ddrescue) or check its filesystem (fsck), then run the same command again; or look for it in another \
             snapshot: rozenctl history PATH"
        }
        (None, RepoError::Journal(_)) => {
            "free space in the directory for temporary files (TMPDIR), then run the same command again"
        }
        (None, _) => return None,
    };
    Some((ProblemCode::Target, remedy))
}
