//! Which directory to visit next, and what a visit found: the crawl that arms first and lists second.

use std::collections::HashSet;
use std::sync::Arc;

use super::coverage::{Gap, RootState};
use super::crawl::{Entry, Job, JobId};
use super::hint::{Reason, RootKey};
use super::state::{Action, Found, State, Step};
use super::tree::{Attached, Parent, Wd};
use crate::model::{RelPath, is_own_name};

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
            return if self.tree.contains(wd) { Vec::new() } else { self.leave(vec![wd]) };
        }
        let attached = self.tree.attach(*parent, name, wd);
        self.arm_loose();
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
        for name in dirs.iter().filter(|name| !is_own_name(name)) {
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
        for name in dirs.iter().filter(|name| !is_own_name(name)) {
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
