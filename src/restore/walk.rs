//! The thread that walks the tree: makes directories, hands out everything else.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::batch::{BatchBuilder, Item, Job};
use super::context::Context;
use super::later::Later;
use super::links::LinkKey;
use super::report::Count;
use super::shares::Shares;
use super::worker::Worker;
use super::{Overwrite, RestoreError, large};
use crate::model::{Entry, EntryKind, ProblemCode, RelPath};
use crate::repo::RepoError;
use crate::source::{DestDir, DestinationError, Stat};
use crate::tree::{Lost, Seen, TreeError, TreeKey, TreeReader};

pub(super) struct Walk<'c, 'a> {
    context: &'c Context<'a>,
    /// For large files, which this thread creates.
    worker: Worker<'c, 'a>,
    jobs: SyncSender<Job>,
    batch: BatchBuilder,
    /// Directories that were made and whose content comes soon.
    open: BTreeMap<Vec<u8>, Arc<DestDir>>,
    shares: Shares,
    /// The directory whose names are being walked; `None` when it cannot be opened.
    current: Option<(Vec<u8>, Option<Arc<DestDir>>)>,
    linked: HashSet<LinkKey>,
    waiting: Waiting,
    /// Directories that cannot be filled; none lies in another.
    blocked: HashSet<Vec<u8>>,
    /// The root's own directory was seen to.
    has_root: bool,
    /// Directories above what is wanted that were seen to.
    above: HashSet<RelPath>,
}

/// What comes after all files.
pub(super) struct Waiting {
    /// Further names of files.
    pub links: Later,
    /// Directories in the order in which they were made: what lies within another comes later.
    pub dirs: Later,
    /// Directories above what was wanted, and the flags that were taken from them.
    pub unprotected: Vec<(RelPath, u32)>,
}

/// What became of a directory.
enum Made {
    /// Made now.
    Open(DestDir),
    /// It was there, and gets its metadata at the end.
    ToFinish,
    /// It was there, and stays as it is.
    Left,
    /// The same, though its owner or mode is another one.
    Kept,
    /// The same, but it has the time of the snapshot: an earlier restore made it and could not set the rest, or somebody changed that.
    Differs(Vec<&'static str>),
}

impl<'c, 'a> Walk<'c, 'a> {
    pub fn new(context: &'c Context<'a>, jobs: SyncSender<Job>, shares: Shares) -> Self {
        Self {
            context,
            worker: Worker::new(context),
            jobs,
            batch: BatchBuilder::new(context.contents.is_far(), shares.batch),
            open: BTreeMap::new(),
            shares,
            current: None,
            linked: HashSet::new(),
            waiting: Waiting { links: Later::new(), dirs: Later::new(), unprotected: vec![] },
            blocked: HashSet::new(),
            has_root: false,
            above: HashSet::new(),
        }
    }

    /// Returns when everything was handed out. What ends the restore is noted in the context.
    pub fn run(mut self) -> Waiting {
        let reader = TreeReader::new(self.context.contents, self.context.root.tree);
        for wanted in &self.context.root.wanted {
            if let Err(error) = self.wanted(&reader, wanted) {
                self.context.stop(error);
            }
            if self.context.is_stopped() {
                break;
            }
        }
        if let Some(items) = self.batch.take() {
            self.send(Job::Batch(items));
        }
        self.keep_lost_root();
        self.waiting
    }

    fn wanted(&mut self, reader: &TreeReader<&crate::repo::Contents>, path: &RelPath) -> Result<(), RestoreError> {
        if !path.is_root() {
            self.new_root(reader)?;
            self.ancestors(reader, path)?;
            match reader.entry(path) {
                Ok(Some(entry)) => self.entry(&TreeKey::of(path), &entry)?,
                Ok(None) => return Err(RestoreError::NotInSnapshot(String::from_utf8_lossy(path.as_bytes()).into())),
                // what is below it may still be readable
                Err(error) => {
                    self.lost(&Lost { first: Some(&TreeKey::of(path)), next: None, entries: Some(1), error: &error })
                }
            }
        }
        let mut failure = None;
        let _ = reader.visit_below(path, &mut |seen| {
            let walked = match seen {
                Seen::Entry(key, entry) => self.entry(key, entry),
                Seen::Lost(lost) => {
                    self.lost(&lost);
                    Ok(())
                }
            };
            failure = walked.err();
            if failure.is_some() || self.context.is_stopped() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        failure.map_or(Ok(()), Err)
    }

    /// Parts of a root go to a directory that was made for them: it is the root's, closed to whom the root was closed. One that was
    /// there is left as it is.
    fn new_root(&mut self, reader: &TreeReader<&crate::repo::Contents>) -> Result<(), RestoreError> {
        let destination = &self.context.destination;
        let entry = reader.entry(&RelPath::root()).ok().flatten().filter(|entry| entry.kind == EntryKind::Dir);
        match entry {
            _ if std::mem::replace(&mut self.has_root, true) => Ok(()),
            Some(entry) if destination.is_new() || self.is_unfinished(destination.found(), &entry) => {
                self.waiting.dirs.push(&RelPath::root(), &entry)
            }
            None => {
                self.has_root = false;
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    /// One that was made here and of which nothing is known stays its owner's alone.
    fn keep_lost_root(&self) {
        let destination = &self.context.destination;
        if self.has_root || !destination.is_new() || self.context.is_stopped() {
            return;
        }
        if let Err(error) = destination.open_dir(&RelPath::root()).and_then(|root| root.keep_without_metadata()) {
            self.context.failed(&RelPath::root(), error.into());
        }
    }

    /// Directories above what is wanted: made where they are missing, and left as they are where they are not, but for those that an
    /// earlier restore made and did not end.
    fn ancestors(&mut self, reader: &TreeReader<&crate::repo::Contents>, path: &RelPath) -> Result<(), RestoreError> {
        let mut dir = self.context.destination.open_dir(&RelPath::root()).map_err(RestoreError::Destination)?;
        self.unprotect_above(&dir);
        let (parent, _) = path.split();
        for name in parent.components() {
            let child = dir.path().join(name);
            let is_first = self.above.insert(child.clone());
            let entry = || reader.entry(&child).ok().flatten().filter(|entry| entry.kind == EntryKind::Dir);
            dir = match dir.create_dir(name) {
                Ok(made) => {
                    match entry() {
                        Some(entry) => self.waiting.dirs.push(&child, &entry)?,
                        None => made.keep_without_metadata().map_err(RestoreError::Destination)?,
                    }
                    made
                }
                Err(DestinationError::Exists { .. }) => {
                    let found = dir.stat(name).ok().flatten().filter(|_| is_first);
                    if let Some((found, entry)) = found.zip(entry())
                        && self.is_unfinished(&found, &entry)
                    {
                        self.waiting.dirs.push(&child, &entry)?;
                    }
                    match dir.open_child(name) {
                        Ok(there) => {
                            self.unprotect_above(&there);
                            there
                        }
                        // whatever stands there, `entry` meets it and says so
                        Err(_) => return Ok(()),
                    }
                }
                Err(error) => return Err(RestoreError::Destination(error)),
            };
        }
        Ok(())
    }

    fn is_unfinished(&mut self, found: &Stat, entry: &Entry) -> bool {
        let uid = self.worker.metadata.uid_of(entry);
        self.context.destination.is_unfinished_dir(found, entry, uid)
    }

    fn entry(&mut self, key: &TreeKey, entry: &Entry) -> Result<(), RestoreError> {
        if key.name.is_empty() {
            return self.root(entry);
        }
        let Some(dir) = self.dir(&key.dir) else {
            self.context.progress.entry();
            return Ok(());
        };
        if entry.kind == EntryKind::Dir {
            return self.make_dir(&dir, &key.name, entry);
        }
        if let Some(link) = LinkKey::of(entry)
            && !self.linked.insert(link)
        {
            return self.waiting.links.push(&dir.path().join(&key.name), entry);
        }
        let item = Item { dir, name: key.name.clone(), entry: entry.clone() };
        if large::is_large(entry) {
            self.large(item);
        } else if let Some(items) = self.batch.push(item) {
            self.send(Job::Batch(items));
        }
        Ok(())
    }

    /// The root's own entry. An empty directory is taken for it; of another the metadata stays.
    fn root(&mut self, entry: &Entry) -> Result<(), RestoreError> {
        self.has_root = true;
        self.context.note_unreadable(&RelPath::root(), entry);
        self.context.progress.entry();
        if entry.kind != EntryKind::Dir {
            return Ok(());
        }
        let (destination, path) = (&self.context.destination, RelPath::root());
        let found = destination.found();
        let made = if destination.was_empty() { Made::ToFinish } else { self.existing(found, entry) };
        match made {
            Made::ToFinish | Made::Open(_) => {}
            Made::Left => return Ok(()),
            Made::Kept | Made::Differs(_) => {
                self.stays(&path, &made);
                return Ok(());
            }
        }
        let opened = self.unprotect(found, || destination.open_dir(&path)).and_then(|()| destination.open_up_root());
        if let Err(error) = opened {
            self.context.failed(&path, error.into());
        }
        if destination.was_empty() {
            destination.begin_root();
        }
        self.waiting.dirs.push(&path, entry)?;
        self.context.count(Count::Dir);
        Ok(())
    }

    /// Counts a directory that was there and gets no metadata.
    fn stays(&self, path: &RelPath, made: &Made) {
        if let Made::Differs(differences) = made {
            self.context.differs(path, differences);
        }
        self.context.count(if matches!(made, Made::Kept) { Count::Kept } else { Count::Skipped });
    }

    fn make_dir(&mut self, parent: &Arc<DestDir>, name: &[u8], entry: &Entry) -> Result<(), RestoreError> {
        let path = parent.path().join(name);
        match self.made(parent, name, entry) {
            Ok(made @ (Made::Kept | Made::Left | Made::Differs(_))) => self.stays(&path, &made),
            Ok(Made::Open(dir)) => {
                if self.open.len() < self.shares.walk {
                    self.open.insert(path.as_bytes().to_vec(), Arc::new(dir));
                }
                self.waiting.dirs.push(&path, entry)?;
                self.context.count(Count::Dir);
            }
            Ok(Made::ToFinish) => {
                self.waiting.dirs.push(&path, entry)?;
                self.context.count(Count::Dir);
            }
            Err(error) => self.blocked(&path, error),
        }
        self.context.note_unreadable(&path, entry);
        self.context.progress.entry();
        Ok(())
    }

    fn made(&mut self, parent: &DestDir, name: &[u8], entry: &Entry) -> Result<Made, DestinationError> {
        let path = match parent.create_dir(name) {
            Err(DestinationError::Exists { path }) => path,
            made => return made.map(Made::Open),
        };
        let Some(found) = parent.stat(name)? else { return parent.create_dir(name).map(Made::Open) };
        if found.kind == EntryKind::Dir {
            self.unprotect(&found, || parent.open_child(name))?;
            let made = self.existing(&found, entry);
            if matches!(made, Made::ToFinish) {
                parent.open_up(name, &found)?;
            }
            return Ok(made);
        }
        // an unfinished file of ours is in nobody's way
        if self.context.options.overwrite == Overwrite::Never && !found.is_unfinished(entry) {
            return Err(DestinationError::InTheWay { path });
        }
        parent.unprotect(name)?;
        parent.remove(name)?;
        parent.create_dir(name).map(Made::Open)
    }

    /// What flags forbid in a directory is done where differences are to be replaced: it gets those of the snapshot at the end.
    fn unprotect(
        &self,
        found: &Stat,
        open: impl FnOnce() -> Result<DestDir, DestinationError>,
    ) -> Result<(), DestinationError> {
        match found.is_protected() && self.context.options.overwrite != Overwrite::Never {
            true => open()?.unprotect_self().map(drop),
            false => Ok(()),
        }
    }

    /// The same for directories of which nothing is wanted: they get their own flags back.
    fn unprotect_above(&mut self, dir: &DestDir) {
        if self.context.options.overwrite == Overwrite::Never {
            return;
        }
        match dir.unprotect_self() {
            Ok(0) => {}
            Ok(taken) => self.waiting.unprotected.push((dir.path().clone(), taken)),
            Err(error) => self.context.failed(dir.path(), error.into()),
        }
    }

    /// Somebody's directory is left as it is unless differences are to be replaced. One that an earlier restore made, finished or
    /// not, gets its metadata once more: what is put into it changes its times.
    fn existing(&mut self, found: &Stat, entry: &Entry) -> Made {
        let differences = self.worker.metadata.owner_and_mode(found, entry);
        let is_restored = found.has_time(entry.mtime);
        let may_set = self.context.options.overwrite != Overwrite::Never;
        match differences.is_empty() {
            _ if may_set || self.is_unfinished(found, entry) => Made::ToFinish,
            true if is_restored => Made::ToFinish,
            true => Made::Left,
            false if is_restored => Made::Differs(differences),
            false => Made::Kept,
        }
    }

    fn dir(&mut self, dir: &[u8]) -> Option<Arc<DestDir>> {
        if let Some((current, opened)) = &self.current
            && current == dir
        {
            return opened.clone();
        }
        // keys come in order: what is smaller is not needed any more
        self.open = self.open.split_off(dir);
        let opened = self.open.remove(dir).or_else(|| self.reopen(dir));
        self.current = Some((dir.to_vec(), opened.clone()));
        opened
    }

    fn reopen(&mut self, dir: &[u8]) -> Option<Arc<DestDir>> {
        let path = RelPath::parse(dir).ok()?;
        if self.is_blocked(&path) {
            return None;
        }
        let opened = match self.context.destination.open_dir(&path) {
            Err(DestinationError::Missing { .. }) => self.make_lost(&path),
            other => other,
        };
        match opened {
            Ok(dir) => {
                if let Err(error) = self.context.stages.sweep(&dir) {
                    self.context.failed(&path, error.into());
                }
                Some(Arc::new(dir))
            }
            Err(error) => {
                self.blocked(&path, error);
                None
            }
        }
    }

    /// One problem for the directory and all that is below it.
    fn blocked(&mut self, path: &RelPath, error: DestinationError) {
        self.context.dir_failed(path, error);
        self.blocked.insert(path.as_bytes().to_vec());
    }

    fn is_blocked(&self, path: &RelPath) -> bool {
        let is_end = |at: &usize| path.as_bytes().get(*at).is_none_or(|byte| *byte == b'/');
        !self.blocked.is_empty()
            && (1..=path.as_bytes().len()).filter(is_end).any(|end| self.blocked.contains(&path.as_bytes()[..end]))
    }

    /// A directory whose own entry is lost, or that vanished: what it holds is worth having.
    fn make_lost(&self, path: &RelPath) -> Result<DestDir, DestinationError> {
        let mut dir = self.context.destination.open_dir(&RelPath::root())?;
        for name in path.components() {
            dir = match dir.create_dir(name) {
                Err(DestinationError::Exists { .. }) => dir.open_child(name)?,
                made => {
                    let made = made?;
                    made.keep_without_metadata()?;
                    made
                }
            };
        }
        let message = "the directory's own entry is lost or it vanished while it was restored: it has no metadata";
        self.context.problem(path, ProblemCode::Damaged, message, "set its owner and mode by hand; rozenctl check");
        Ok(dir)
    }

    fn lost(&self, lost: &Lost<'_, RepoError>) {
        let path = lost.first.and_then(TreeKey::path).unwrap_or_default();
        let source = match lost.error {
            TreeError::Read { source, .. } => Some(source),
            _ => None,
        };
        if source.is_some_and(|source| self.context.ends_with(source)) {
            return;
        }
        if let Some(error) = RestoreError::of_open_files(lost.error) {
            return self.context.stop(error);
        }
        let count = lost.entries.map_or_else(String::new, |entries| format!(" ({entries})"));
        let end = lost.next.and_then(TreeKey::path).map_or_else(String::new, |next| format!(" and before {next:?}"));
        let what = format!("all from here on{end} is lost{count}");
        self.context.lost(&path, what, lost.error, source);
    }

    fn large(&mut self, item: Item) {
        let path = item.path();
        match self.worker.begin_large(item) {
            Ok(Some(file)) => file.parts().for_each(|part| self.send(Job::Part(part))),
            Ok(None) => self.context.progress.entry(),
            Err(error) => {
                self.context.failed(&path, error);
                self.context.progress.entry();
            }
        }
    }

    fn send(&self, job: Job) {
        if self.jobs.send(job).is_err() {
            tracing::debug!("all workers have ended");
        }
    }
}
