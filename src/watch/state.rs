//! Events and visits in, hints and actions out. No kernel, no clock: everything here can be replayed.
//!
//! An event is applied, its actions are done at once, then the next event is applied. Between events the driver takes
//! one [`Step`] after another, visits the directory and gives back what it [`Found`].

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ::inotify::EventMask;

use super::coalesce::Pending;
use super::coverage::{Gap, RootState, Unwatched};
use super::crawl::{Crawl, Entry, Job, JobId};
use super::hint::{Hint, Reason, RootKey};
use super::tree::{Attached, Parent, Tree, Wd};
use crate::model::RelPath;

/// Files and directories of this program in a watched tree begin so; they give no hints.
pub(super) const OWN_PREFIX: &[u8] = b".rozen-";

/// An event as the kernel gave it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Event {
    pub wd: Wd,
    pub mask: EventMask,
    pub name: Option<Vec<u8>>,
}

/// What the driver does before it applies the next event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Unwatch(Wd),
    /// Everything that happened before this cookie file is in the pending hints now.
    CookieSeen(Vec<u8>),
}

/// A directory to visit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub root: RootKey,
    pub dir: RelPath,
    /// Watch it before listing; else list only.
    pub arm: bool,
    entry: Entry,
}

/// What a visit found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// The watch stands, and afterwards these directories were in it, or listing failed.
    Armed { wd: Wd, mount_root: bool, no_events: Option<&'static str>, dirs: Result<Vec<Vec<u8>>, String> },
    /// There was no watch left; these directories are in it.
    NoWatchLeft { dirs: Vec<Vec<u8>> },
    /// Not there, or no directory.
    Gone,
    /// It is to be left alone: our own state, another filesystem where only one is wanted.
    Excluded,
    /// It could not be opened, watched or listed.
    Failed { error: String },
}

/// Directories that need no watch.
pub(super) type Skip = Arc<dyn Fn(&RelPath) -> bool + Send + Sync>;

struct Root {
    skip: Skip,
    state: RootState,
    mount_root: bool,
}

#[derive(Default)]
pub(super) struct State {
    tree: Tree,
    roots: BTreeMap<RootKey, Root>,
    /// Removed from the books; their last events, the last of all IN_IGNORED, are still to be read.
    leaving: HashSet<Wd>,
    pending: Pending,
    crawl: Crawl,
    gaps: BTreeMap<(RootKey, RelPath), (Gap, u64)>,
    cookie_dir: Option<Wd>,
}

/// The hints and what they are about: the public face towards the driver.
impl State {
    /// More gaps than this become one gap for the whole root.
    const MAX_GAPS: usize = 1_000;

    pub(super) fn add_root(&mut self, root: RootKey, skip: Skip) {
        self.roots.insert(root, Root { skip, state: RootState::Watched, mount_root: false });
        self.arm(Parent::Root(root), b"", Reason::Start, false);
    }

    pub(super) fn watch_cookies(&mut self, wd: Option<Wd>) {
        self.cookie_dir = wd;
    }

    pub(super) fn cookie_dir(&self) -> Option<Wd> {
        self.cookie_dir
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.pending.is_full()
    }

    pub(super) fn take_hints(&mut self) -> Vec<Hint> {
        self.pending.take()
    }

    pub(super) fn watches(&self) -> usize {
        self.tree.len()
    }

    pub(super) fn is_crawling(&self) -> bool {
        !self.crawl.is_empty()
    }

    pub(super) fn root_state(&self, root: RootKey) -> RootState {
        self.roots.get(&root).map_or(RootState::Gone, |root| root.state)
    }

    /// (watched, arming, gaps) of a root.
    pub(super) fn coverage(&self, root: RootKey) -> (u64, bool, Vec<Unwatched>) {
        let mine = self.gaps.iter().filter(|((key, _), _)| *key == root);
        let gap = |((_, dir), (gap, directories)): (&(_, RelPath), &(Gap, u64))| Unwatched {
            dir: dir.clone(),
            gap: gap.clone(),
            directories: *directories,
        };
        (self.tree.watched(root), self.crawl.is_arming(root), mine.map(gap).collect())
    }

    /// For audits: tries again what is not watched, and hints it as a whole.
    pub(super) fn recheck(&mut self) {
        for ((root, dir), _) in std::mem::take(&mut self.gaps) {
            self.pending.recursive(root, dir.clone(), Reason::LimitReached);
            match self.tree.parent_of(root, &dir) {
                Some((parent, name)) => self.crawl.begin(parent, name, root, Reason::LimitReached, true),
                None => self.crawl.begin(Parent::Root(root), Arc::from([]), root, Reason::LimitReached, true),
            }
        }
        let away: Vec<RootKey> =
            self.roots.iter().filter(|(_, r)| r.state != RootState::Watched).map(|r| *r.0).collect();
        away.into_iter().for_each(|root| self.retry_root(root));
    }

    /// The path of the root leads elsewhere, or nowhere.
    pub(super) fn root_lost(&mut self, root: RootKey, state: RootState) -> Vec<Action> {
        let reason = if state == RootState::Unmounted { Reason::Unmounted } else { Reason::RootGone };
        if let Some(root) = self.roots.get_mut(&root) {
            root.state = state;
        }
        self.pending.recursive(root, RelPath::root(), reason);
        let actions = self.detach(Parent::Root(root), b"");
        self.crawl.begin(Parent::Root(root), Arc::from([]), root, Reason::Start, false);
        actions
    }

    /// A root that is away may be back.
    pub(super) fn retry_root(&mut self, root: RootKey) {
        self.crawl.begin(Parent::Root(root), Arc::from([]), root, Reason::Start, true);
    }

    /// A mount appeared at, or left, this path.
    pub(super) fn mount_changed(&mut self, root: RootKey, dir: &RelPath, reason: Reason) {
        self.pending.recursive(root, dir.clone(), reason);
        if let Some((parent, name)) = self.tree.parent_of(root, dir) {
            self.crawl.begin(parent, name, root, reason, true);
        }
    }

    /// Nothing is known any more: all roots are hinted and walked again.
    pub(super) fn start_over(&mut self, reason: Reason) {
        self.crawl.clear();
        self.gaps.clear();
        let roots: Vec<RootKey> = self.roots.keys().copied().collect();
        for root in roots {
            self.pending.recursive(root, RelPath::root(), reason);
            self.crawl.begin(Parent::Root(root), Arc::from([]), root, reason, true);
        }
    }
}

/// Events.
impl State {
    pub(super) fn apply(&mut self, event: &Event) -> Vec<Action> {
        let Event { wd, mask, name } = event;
        if mask.contains(EventMask::Q_OVERFLOW) {
            self.start_over(Reason::Overflow);
            return Vec::new();
        }
        if self.cookie_dir == Some(*wd) {
            return self.cookie_event(*mask, name.as_deref());
        }
        if self.leaving.contains(wd) {
            if mask.contains(EventMask::IGNORED) {
                self.leaving.remove(wd);
            }
            return Vec::new();
        }
        if !self.tree.contains(*wd) {
            return self.unknown(*wd, *mask);
        }
        match name {
            Some(name) => self.child_event(*wd, *mask, name),
            None => self.self_event(*wd, *mask),
        }
    }

    fn cookie_event(&mut self, mask: EventMask, name: Option<&[u8]>) -> Vec<Action> {
        if mask.contains(EventMask::IGNORED) {
            self.cookie_dir = None;
        }
        name.map(|name| Action::CookieSeen(name.to_vec())).into_iter().collect()
    }

    /// Something is watched that the books do not know: whatever they say may be wrong.
    fn unknown(&mut self, wd: Wd, mask: EventMask) -> Vec<Action> {
        self.start_over(Reason::UnknownWatch);
        if mask.contains(EventMask::IGNORED) {
            return Vec::new();
        }
        self.leave(vec![wd])
    }

    fn self_event(&mut self, wd: Wd, mask: EventMask) -> Vec<Action> {
        if mask.contains(EventMask::UNMOUNT) {
            return self.lost_places(wd, Reason::Unmounted);
        }
        if mask.contains(EventMask::IGNORED) {
            return self.dropped_by_kernel(wd);
        }
        if mask.contains(EventMask::DELETE_SELF) {
            return self.lost_places(wd, Reason::RootGone);
        }
        if mask.contains(EventMask::MOVE_SELF) {
            return self.moved(wd);
        }
        self.each_path(wd, |pending, root, dir| pending.itself(root, dir, Reason::Event));
        Vec::new()
    }

    /// Deleted or unmounted: every place of the directory is gone. What stands there now is looked at again.
    fn lost_places(&mut self, wd: Wd, reason: Reason) -> Vec<Action> {
        let unmounted = reason == Reason::Unmounted;
        if unmounted {
            self.each_path(wd, |pending, root, dir| pending.recursive(root, dir, Reason::Unmounted));
        }
        let mut actions = Vec::new();
        for (parent, name) in self.tree.places(wd) {
            match parent {
                Parent::Root(root) => {
                    let state = if unmounted { RootState::Unmounted } else { RootState::Gone };
                    actions.extend(self.root_lost(root, state));
                }
                Parent::Dir(above) => {
                    self.each_path(above, |pending, root, dir| pending.name(root, dir, &name, Reason::Event));
                    actions.extend(self.detach(parent, &name));
                    if unmounted {
                        self.arm(parent, &name, Reason::Unmounted, false);
                    }
                }
            }
        }
        actions
    }

    /// IN_IGNORED without a cause that we know.
    fn dropped_by_kernel(&mut self, wd: Wd) -> Vec<Action> {
        let places = self.tree.places(wd);
        self.each_path(wd, |pending, root, dir| pending.recursive(root, dir, Reason::LostWatch));
        let mut gone = self.tree.forget(wd);
        gone.retain(|other| *other != wd);
        let actions = self.leave(gone);
        for (parent, name) in places {
            self.arm(parent, &name, Reason::LostWatch, true);
        }
        actions
    }

    /// IN_MOVE_SELF: the parents' events tell where an ordinary directory went; a root has none.
    fn moved(&mut self, wd: Wd) -> Vec<Action> {
        self.each_path(wd, |pending, root, dir| pending.itself(root, dir, Reason::Event));
        let root = |(parent, _): (Parent, _)| match parent {
            Parent::Root(root) => Some(root),
            Parent::Dir(_) => None,
        };
        let roots: Vec<RootKey> = self.tree.places(wd).into_iter().filter_map(root).collect();
        roots.into_iter().flat_map(|root| self.root_lost(root, RootState::Gone)).collect()
    }

    fn child_event(&mut self, wd: Wd, mask: EventMask, name: &[u8]) -> Vec<Action> {
        if name.starts_with(OWN_PREFIX) {
            return Vec::new();
        }
        self.each_path(wd, |pending, root, dir| pending.name(root, dir, name, Reason::Event));
        if !mask.contains(EventMask::ISDIR) {
            return Vec::new();
        }
        let parent = Parent::Dir(wd);
        if mask.intersects(EventMask::DELETE | EventMask::MOVED_FROM) {
            return self.detach(parent, name);
        }
        if mask.contains(EventMask::CREATE) {
            self.arm(parent, name, Reason::NewDirectory, false);
        } else if mask.contains(EventMask::MOVED_TO) {
            self.arm(parent, name, Reason::MovedIn, true);
        } else if self.tree.child(parent, name).is_none() {
            // Its metadata changed; perhaps it may be read now.
            self.arm(parent, name, Reason::NewDirectory, false);
        }
        Vec::new()
    }
}

/// Visits.
impl State {
    /// The next directory to visit. Entries whose place is gone or needs no watch are dropped on the way.
    pub(super) fn next_step(&mut self) -> Option<Step> {
        while let Some(entry) = self.crawl.pop() {
            let place = match &entry {
                Entry::Count { root, dir, .. } => Some((*root, dir.clone())),
                Entry::Arm { parent, name, .. } => self.wanted_path(*parent, name),
            };
            match place {
                Some((root, dir)) => {
                    let arm = matches!(entry, Entry::Arm { .. });
                    return Some(Step { root, dir, arm, entry });
                }
                None => self.entry_done(entry.job()),
            }
        }
        None
    }

    pub(super) fn visited(&mut self, step: Step, found: Found) -> Vec<Action> {
        let job = step.entry.job();
        let actions = match (&step.entry, found) {
            (Entry::Arm { .. }, Found::Armed { wd, mount_root, no_events, dirs }) => {
                self.armed(&step, wd, mount_root, no_events, dirs)
            }
            (Entry::Count { root, gap, .. }, Found::NoWatchLeft { dirs }) => {
                self.counted(job, *root, &step.dir, gap.clone(), &dirs);
                Vec::new()
            }
            (Entry::Count { .. }, _) => Vec::new(),
            (Entry::Arm { .. }, Found::NoWatchLeft { dirs }) => self.no_watch_left(&step, &dirs),
            (Entry::Arm { .. }, Found::Failed { error }) => {
                self.unreadable(&step, error);
                Vec::new()
            }
            (Entry::Arm { parent, name, .. }, Found::Excluded) => self.detach(*parent, name),
            (Entry::Arm { parent: Parent::Root(root), .. }, Found::Gone) => self.root_not_found(*root),
            (Entry::Arm { .. }, Found::Gone) => {
                // The event of its going is still unread, or will heal a path that is out of date.
                self.gaps.remove(&(step.root, step.dir.clone()));
                Vec::new()
            }
        };
        self.entry_done(job);
        actions
    }

    fn armed(
        &mut self,
        step: &Step,
        wd: Wd,
        mount_root: bool,
        no_events: Option<&'static str>,
        dirs: Result<Vec<Vec<u8>>, String>,
    ) -> Vec<Action> {
        let Entry::Arm { job, parent, name, no_events: above } = &step.entry else { return Vec::new() };
        if let Parent::Root(root) = parent
            && !self.root_found(*root, mount_root, *job)
        {
            return self.leave(vec![wd]);
        }
        let attached = self.tree.attach(*parent, name, wd);
        self.leaving.remove(&wd);
        self.gaps.remove(&(step.root, step.dir.clone()));
        let gone = match attached {
            Attached::NoParent if self.tree.contains(wd) => return Vec::new(),
            Attached::NoParent => return self.leave(vec![wd]),
            Attached::Loop => {
                self.gap(step.root, step.dir.clone(), Gap::Loop, 0);
                return Vec::new();
            }
            Attached::Alias { gone } if mount_root && !matches!(parent, Parent::Root(_)) => {
                self.gap(step.root, step.dir.clone(), Gap::Aliased, 0);
                return self.leave(gone);
            }
            Attached::Same => Vec::new(),
            Attached::New { gone } | Attached::Alias { gone } => gone,
        };
        if let (Some(kind), false) = (no_events, above) {
            self.no_events(step.root, &step.dir, kind);
        }
        let mut actions = self.leave(gone);
        match dirs {
            Ok(dirs) => {
                actions.extend(self.reconcile(wd, &dirs));
                self.descend(*job, wd, &dirs, no_events.is_some());
            }
            Err(error) => self.unreadable(step, error),
        }
        actions
    }

    /// Directories that the books know and the listing does not are gone.
    fn reconcile(&mut self, wd: Wd, dirs: &[Vec<u8>]) -> Vec<Action> {
        let listed: HashSet<&[u8]> = dirs.iter().map(Vec::as_slice).collect();
        let gone: Vec<Vec<u8>> =
            self.tree.names_in(wd).filter(|name| !listed.contains(name)).map(<[u8]>::to_vec).collect();
        gone.iter().flat_map(|name| self.detach(Parent::Dir(wd), name)).collect()
    }

    fn descend(&mut self, job: JobId, wd: Wd, dirs: &[Vec<u8>], no_events: bool) {
        let force = self.crawl.job(job).is_none_or(|job| job.force);
        let parent = Parent::Dir(wd);
        for name in dirs.iter().filter(|name| !name.starts_with(OWN_PREFIX)) {
            if force || self.tree.child(parent, name).is_none() {
                self.crawl.push(Entry::Arm { job, parent, name: name.as_slice().into(), no_events });
            }
        }
    }

    fn unreadable(&mut self, step: &Step, error: String) {
        self.gap(step.root, step.dir.clone(), Gap::Unreadable(error), 1);
        self.pending.recursive(step.root, step.dir.clone(), Reason::LimitReached);
    }

    fn no_watch_left(&mut self, step: &Step, dirs: &[Vec<u8>]) -> Vec<Action> {
        let Entry::Arm { job, parent, name, .. } = &step.entry else { return Vec::new() };
        self.pending.recursive(step.root, step.dir.clone(), Reason::LimitReached);
        let actions = self.detach(*parent, name);
        let gap = Arc::new(self.gap(step.root, step.dir.clone(), Gap::Limit, 1));
        self.push_counts(*job, step.root, &step.dir, gap, dirs);
        actions
    }

    fn counted(&mut self, job: JobId, root: RootKey, dir: &RelPath, gap: Arc<RelPath>, dirs: &[Vec<u8>]) {
        if let Some((_, directories)) = self.gaps.get_mut(&(root, (*gap).clone())) {
            *directories += 1;
            self.push_counts(job, root, dir, gap, dirs);
        }
    }

    fn push_counts(&mut self, job: JobId, root: RootKey, dir: &RelPath, gap: Arc<RelPath>, dirs: &[Vec<u8>]) {
        for name in dirs.iter().filter(|name| !name.starts_with(OWN_PREFIX)) {
            let dir = dir.join(name);
            if !self.skips(root, &dir) {
                self.crawl.push(Entry::Count { job, root, dir, gap: gap.clone() });
            }
        }
    }

    /// False when it is only the empty mount point of a root that was unmounted.
    fn root_found(&mut self, key: RootKey, mount_root: bool, job: JobId) -> bool {
        let reason = self.crawl.job(job).map_or(Reason::Start, |job| job.reason);
        let Some(root) = self.roots.get_mut(&key) else { return false };
        if root.state == RootState::Unmounted && root.mount_root && !mount_root {
            return false;
        }
        root.mount_root = mount_root;
        if root.state != RootState::Watched {
            root.state = RootState::Watched;
            self.pending.recursive(key, RelPath::root(), reason);
        }
        true
    }

    fn root_not_found(&mut self, key: RootKey) -> Vec<Action> {
        let Some(root) = self.roots.get_mut(&key) else { return Vec::new() };
        if root.state != RootState::Watched {
            return Vec::new();
        }
        root.state = RootState::Gone;
        self.pending.recursive(key, RelPath::root(), Reason::RootGone);
        self.detach(Parent::Root(key), b"")
    }

    fn entry_done(&mut self, id: JobId) {
        let Some(Job { parent, name, reason, .. }) = self.crawl.done(id) else { return };
        if self.tree.child(parent, &name).is_none() {
            return;
        }
        // All its watches stand now: what changed while they were set up is covered by looking once more.
        self.each_place_path(parent, &name, |pending, root, dir| pending.recursive(root, dir, reason));
    }
}

/// The small steps that events and visits share.
impl State {
    /// Hints a place as a whole and begins to arm it.
    fn arm(&mut self, parent: Parent, name: &[u8], reason: Reason, force: bool) {
        let Some((root, _)) = self.wanted_path(parent, name) else { return };
        self.each_place_path(parent, name, |pending, root, dir| pending.recursive(root, dir, reason));
        self.crawl.begin(parent, name.into(), root, reason, force);
    }

    /// A place is no more: its watches go, and what was noted about paths below it.
    fn detach(&mut self, parent: Parent, name: &[u8]) -> Vec<Action> {
        if !self.gaps.is_empty() {
            for (root, path) in self.place_paths(parent, name).unwrap_or_default() {
                self.gaps.retain(|(key, dir), _| *key != root || !dir.is_within(&path));
            }
        }
        let gone = self.tree.detach(parent, name);
        self.leave(gone)
    }

    fn leave(&mut self, gone: Vec<Wd>) -> Vec<Action> {
        self.leaving.extend(&gone);
        gone.into_iter().map(Action::Unwatch).collect()
    }

    /// Notes a gap; gives the directory under which it is noted.
    fn gap(&mut self, root: RootKey, dir: RelPath, gap: Gap, directories: u64) -> RelPath {
        let room = self.gaps.len() < Self::MAX_GAPS || self.gaps.contains_key(&(root, dir.clone()));
        if room {
            self.gaps.insert((root, dir.clone()), (gap, directories));
            return dir;
        }
        let whole = self.gaps.entry((root, RelPath::root())).or_insert((gap, 0));
        whole.1 += directories;
        RelPath::root()
    }

    fn no_events(&mut self, root: RootKey, dir: &RelPath, kind: &'static str) {
        let gap = Gap::NoEvents(kind);
        let mut above = std::iter::successors(dir.parent(), RelPath::parent);
        if !above.any(|parent| self.gaps.get(&(root, parent)).is_some_and(|(other, _)| *other == gap)) {
            self.gap(root, dir.clone(), gap, 0);
        }
    }

    fn skips(&self, root: RootKey, dir: &RelPath) -> bool {
        self.roots.get(&root).is_none_or(|r| !dir.is_root() && (r.skip)(dir))
    }

    /// One path by which the place can be opened and that is not to be left out.
    fn wanted_path(&self, parent: Parent, name: &[u8]) -> Option<(RootKey, RelPath)> {
        let paths = match (self.place_paths(parent, name), parent) {
            (Some(paths), _) => paths,
            (None, Parent::Root(_)) => return None,
            (None, Parent::Dir(wd)) => {
                self.tree.one_path(wd).map(|(root, dir)| (root, dir.join(name))).into_iter().collect()
            }
        };
        paths.into_iter().find(|(root, dir)| !self.skips(*root, dir))
    }

    fn place_paths(&self, parent: Parent, name: &[u8]) -> Option<Vec<(RootKey, RelPath)>> {
        match parent {
            Parent::Root(root) => Some(vec![(root, RelPath::root())]),
            Parent::Dir(wd) => {
                let paths = self.tree.paths(wd)?;
                Some(paths.into_iter().map(|(root, dir)| (root, dir.join(name))).collect())
            }
        }
    }

    fn each_path(&mut self, wd: Wd, f: impl Fn(&mut Pending, RootKey, RelPath)) {
        match self.tree.paths(wd) {
            Some(paths) => paths.into_iter().for_each(|(root, dir)| f(&mut self.pending, root, dir)),
            None => self.whole_roots(),
        }
    }

    fn each_place_path(&mut self, parent: Parent, name: &[u8], f: impl Fn(&mut Pending, RootKey, RelPath)) {
        let Some(paths) = self.place_paths(parent, name) else { return self.whole_roots() };
        for (root, dir) in paths {
            if !self.skips(root, &dir) {
                f(&mut self.pending, root, dir);
            }
        }
    }

    /// A directory has more paths than can be told: every root may have changed.
    fn whole_roots(&mut self) {
        for root in self.roots.keys() {
            self.pending.recursive(*root, RelPath::root(), Reason::UnknownWatch);
        }
    }
}
