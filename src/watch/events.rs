//! Events in, hints and actions out. Whatever is odd about an event widens what it hints.

use ::inotify::EventMask;

use super::coverage::RootState;
use super::hint::{Reason, RootKey};
use super::state::{Action, Event, State};
use super::tree::{Parent, Wd};
use crate::model::is_own_name;

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
        self.arm_loose();
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

    /// A file by which directories are skipped has changed: what is below may be wanted now, and was not watched.
    fn decide_again(&mut self, wd: Wd, name: &[u8]) {
        if self.roots.values().any(|root| root.rule_files.iter().any(|file| file == name)) {
            for (parent, own) in self.tree.places(wd) {
                self.arm(parent, &own, Reason::MovedIn, true);
            }
        }
    }

    fn child_event(&mut self, wd: Wd, mask: EventMask, name: &[u8]) -> Vec<Action> {
        if is_own_name(name) {
            return Vec::new();
        }
        self.each_path(wd, |pending, root, dir| pending.name(root, dir, name, Reason::Event));
        if !mask.contains(EventMask::ISDIR) {
            self.decide_again(wd, name);
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
