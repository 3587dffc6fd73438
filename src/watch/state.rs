//! Events and visits in, hints and actions out. No kernel, no clock: everything here can be replayed.
//!
//! An event is applied, its actions are done at once, then the next event is applied. Between events the driver takes
//! one [`Step`] after another, visits the directory and gives back what it [`Found`].

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ::inotify::EventMask;

use super::coalesce::Pending;
use super::coverage::{Gap, RootState, Unwatched};
use super::crawl::{Crawl, Entry, Job};
use super::hint::{Hint, Reason, RootKey};
use super::tree::{Parent, Tree, Wd};
use crate::model::RelPath;

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
    pub entry: Entry,
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

pub(super) struct Root {
    pub skip: Skip,
    pub rule_files: Vec<Vec<u8>>,
    pub state: RootState,
    pub mount_root: bool,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) tree: Tree,
    pub(super) roots: BTreeMap<RootKey, Root>,
    /// Removed from the books; their last events, the last of all IN_IGNORED, are still to be read.
    pub(super) leaving: HashSet<Wd>,
    pub(super) pending: Pending,
    pub(super) crawl: Crawl,
    pub(super) gaps: BTreeMap<(RootKey, RelPath), (Gap, u64)>,
    pub(super) cookie_dir: Option<Wd>,
}

/// The hints and what they are about: the public face towards the driver.
impl State {
    /// More gaps than this become one gap for the whole root.
    const MAX_GAPS: usize = 1_000;

    pub(super) fn add_root(&mut self, root: RootKey, skip: Skip) {
        self.roots.insert(root, Root { skip, rule_files: Vec::new(), state: RootState::Watched, mount_root: false });
        self.arm(Parent::Root(root), b"", Reason::Start, false);
    }

    pub(super) fn note_rule_files(&mut self, root: RootKey, names: Vec<Vec<u8>>) {
        self.roots.entry(root).and_modify(|root| root.rule_files = names);
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

    /// For a sync point: what is still being armed may have changed in silence since it was hinted last.
    pub(super) fn hint_unfinished(&mut self) {
        for Job { parent, name, reason, .. } in self.crawl.unfinished() {
            // Where the parent has left the books, whatever made it leave has hinted more.
            if !matches!(parent, Parent::Dir(wd) if !self.tree.contains(wd)) {
                self.each_place_path(parent, &name, |pending, root, dir| pending.recursive(root, dir, reason));
            }
        }
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

/// The small steps that events (`events.rs`) and visits (`visits.rs`) share.
impl State {
    /// Hints a place as a whole and begins to arm it.
    pub(super) fn arm(&mut self, parent: Parent, name: &[u8], reason: Reason, force: bool) {
        let Some((root, _)) = self.wanted_path(parent, name) else { return };
        self.each_place_path(parent, name, |pending, root, dir| pending.recursive(root, dir, reason));
        self.crawl.begin(parent, name.into(), root, reason, force);
    }

    /// A place is no more: its watches go, and what was noted about paths below it.
    pub(super) fn detach(&mut self, parent: Parent, name: &[u8]) -> Vec<Action> {
        if !self.gaps.is_empty() {
            for (root, path) in self.place_paths(parent, name).unwrap_or_default() {
                self.gaps.retain(|(key, dir), _| *key != root || !dir.is_within(&path));
            }
        }
        let gone = self.tree.detach(parent, name);
        self.arm_loose();
        self.leave(gone)
    }

    /// A directory that had several places and lost one was looked into by a path that was out of date: what was not found there
    /// is looked for again, as no event may tell of it any more.
    pub(super) fn arm_loose(&mut self) {
        for wd in self.tree.take_loose() {
            for (parent, name) in self.tree.places(wd) {
                self.arm(parent, &name, Reason::MovedIn, true);
            }
        }
    }

    pub(super) fn leave(&mut self, gone: Vec<Wd>) -> Vec<Action> {
        self.leaving.extend(&gone);
        gone.into_iter().map(Action::Unwatch).collect()
    }

    /// Notes a gap; gives the directory under which it is noted.
    pub(super) fn gap(&mut self, root: RootKey, dir: RelPath, gap: Gap, directories: u64) -> RelPath {
        let room = self.gaps.len() < Self::MAX_GAPS || self.gaps.contains_key(&(root, dir.clone()));
        if room {
            self.gaps.insert((root, dir.clone()), (gap, directories));
            return dir;
        }
        let whole = self.gaps.entry((root, RelPath::root())).or_insert((gap, 0));
        whole.1 += directories;
        RelPath::root()
    }

    pub(super) fn no_events(&mut self, root: RootKey, dir: &RelPath, kind: &'static str) {
        let gap = Gap::NoEvents(kind);
        let mut above = std::iter::successors(dir.parent(), RelPath::parent);
        if !above.any(|parent| self.gaps.get(&(root, parent)).is_some_and(|(other, _)| *other == gap)) {
            self.gap(root, dir.clone(), gap, 0);
        }
    }

    pub(super) fn skips(&self, root: RootKey, dir: &RelPath) -> bool {
        self.roots.get(&root).is_none_or(|r| !dir.is_root() && (r.skip)(dir))
    }

    /// One path by which the place can be opened and that is not to be left out.
    pub(super) fn wanted_path(&self, parent: Parent, name: &[u8]) -> Option<(RootKey, RelPath)> {
        let paths = match (self.place_paths(parent, name), parent) {
            (Some(paths), _) => paths,
            (None, Parent::Root(_)) => return None,
            (None, Parent::Dir(wd)) => {
                self.tree.one_path(wd).map(|(root, dir)| (root, dir.join(name))).into_iter().collect()
            }
        };
        paths.into_iter().find(|(root, dir)| !self.skips(*root, dir))
    }

    pub(super) fn place_paths(&self, parent: Parent, name: &[u8]) -> Option<Vec<(RootKey, RelPath)>> {
        match parent {
            Parent::Root(root) => Some(vec![(root, RelPath::root())]),
            Parent::Dir(wd) => {
                let paths = self.tree.paths(wd)?;
                Some(paths.into_iter().map(|(root, dir)| (root, dir.join(name))).collect())
            }
        }
    }

    pub(super) fn each_path(&mut self, wd: Wd, f: impl Fn(&mut Pending, RootKey, RelPath)) {
        match self.tree.paths(wd) {
            Some(paths) => paths.into_iter().for_each(|(root, dir)| f(&mut self.pending, root, dir)),
            None => self.whole_roots(),
        }
    }

    pub(super) fn each_place_path(&mut self, parent: Parent, name: &[u8], f: impl Fn(&mut Pending, RootKey, RelPath)) {
        let Some(paths) = self.place_paths(parent, name) else { return self.whole_roots() };
        for (root, dir) in paths {
            if !self.skips(root, &dir) {
                f(&mut self.pending, root, dir);
            }
        }
    }

    /// A directory has more paths than can be told: every root may have changed.
    pub(super) fn whole_roots(&mut self) {
        for root in self.roots.keys() {
            self.pending.recursive(*root, RelPath::root(), Reason::UnknownWatch);
        }
    }
}
