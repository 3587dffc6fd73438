//! The machine without a kernel: recorded events, a made-up tree, and random nonsense.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::inotify::EventMask;
use proptest::prelude::*;

use super::coverage::{Gap, RootState};
use super::hint::{Hint, Names, Reason, RootKey};
use super::state::{Action, Event, Found, State};
use super::tree::Wd;
use crate::model::RelPath;

const ROOT: RootKey = RootKey(0);
const OTHER: RootKey = RootKey(1);

fn rel(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

fn event(wd: i32, mask: EventMask, name: &str) -> Event {
    Event { wd: Wd(wd), mask, name: (!name.is_empty()).then(|| name.as_bytes().to_vec()) }
}

fn dir(mask: EventMask) -> EventMask {
    mask | EventMask::ISDIR
}

/// A machine whose visits are answered from a made-up tree: directories by path, watches by number from 1 on.
struct Sim {
    state: State,
    dirs: BTreeSet<RelPath>,
    wds: BTreeMap<RelPath, i32>,
    last: i32,
    limit: usize,
    actions: Vec<Action>,
}

impl Sim {
    fn new(dirs: &[&str]) -> Self {
        let dirs = dirs.iter().map(|path| rel(path)).chain([RelPath::root()]).collect();
        let mut state = State::default();
        state.add_root(ROOT, Arc::new(|dir| dir.name() == b"skipped"));
        Self { state, dirs, wds: BTreeMap::new(), last: 0, limit: usize::MAX, actions: Vec::new() }
    }

    fn settled(dirs: &[&str]) -> Self {
        let mut sim = Self::new(dirs);
        sim.crawl();
        sim.state.take_hints();
        sim
    }

    fn crawl(&mut self) {
        while let Some(step) = self.state.next_step() {
            let found = self.answer(&step.dir, step.arm);
            let actions = self.state.visited(step, found);
            self.perform(actions);
        }
    }

    fn answer(&mut self, at: &RelPath, arm: bool) -> Found {
        if !self.dirs.contains(at) {
            return Found::Gone;
        }
        let below = self.dirs.iter().filter(|path| path.parent().as_ref() == Some(at));
        let dirs: Vec<Vec<u8>> = below.map(|path| path.name().to_vec()).collect();
        if !arm || self.wds.len() >= self.limit && !self.wds.contains_key(at) {
            return Found::NoWatchLeft { dirs };
        }
        let last = &mut self.last;
        let wd = *self.wds.entry(at.clone()).or_insert_with(|| {
            *last += 1;
            *last
        });
        Found::Armed { wd: Wd(wd), mount_root: false, no_events: None, dirs: Ok(dirs) }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in &actions {
            if let Action::Unwatch(wd) = action {
                self.wds.retain(|_, other| *other != wd.0);
            }
        }
        self.actions.extend(actions);
    }

    fn apply(&mut self, event: Event) {
        let actions = self.state.apply(&event);
        self.perform(actions);
    }

    fn wd(&self, path: &str) -> i32 {
        self.wds[&rel(path)]
    }

    /// (directory, recursive, reason) of what is pending.
    fn hints(&mut self) -> Vec<(RelPath, bool, Reason)> {
        self.state.take_hints().into_iter().map(|h| (h.dir, h.recursive, h.reason)).collect()
    }
}

#[test]
fn a_new_directory_is_hinted_at_once_and_again_when_all_its_watches_stand() {
    let mut sim = Sim::settled(&[]);
    sim.dirs.extend([rel("a"), rel("a/b"), rel("a/skipped")]);
    sim.apply(event(1, dir(EventMask::CREATE), "a"));
    let expected = [(rel(""), false, Reason::Event), (rel("a"), true, Reason::NewDirectory)];
    assert_eq!(sim.hints(), expected);
    sim.crawl();
    assert_eq!(sim.hints(), [(rel("a"), true, Reason::NewDirectory)]);
    assert_eq!(sim.wds.keys().cloned().collect::<Vec<_>>(), [rel(""), rel("a"), rel("a/b")]);
}

#[test]
fn when_a_file_changes_by_which_directories_are_skipped_all_that_is_wanted_now_is_watched() {
    let mut sim = Sim::settled(&["a", "a/b", "a/skipped", "a/skipped/deep", "c"]);
    sim.state.note_rule_files(ROOT, vec![b"rules".to_vec()]);
    assert!(!sim.wds.contains_key(&rel("a/skipped")));
    sim.state.roots.get_mut(&ROOT).unwrap().skip = Arc::new(|_| false);
    let a = sim.wd("a");
    sim.apply(event(a, EventMask::MODIFY, "other"));
    assert_eq!(sim.hints(), [(rel("a"), false, Reason::Event)]);
    sim.apply(event(a, EventMask::MODIFY, "rules"));
    assert!(sim.hints().iter().any(|(dir, recursive, _)| *dir == rel("a") && *recursive));
    sim.crawl();
    assert!(sim.wds.contains_key(&rel("a/skipped/deep")));
}

/// Between its first hint and its watch a directory changes in silence: a sync point must not pass over that.
#[test]
fn at_a_sync_point_what_is_still_being_armed_is_hinted_again() {
    let mut sim = Sim::settled(&[]);
    sim.dirs.insert(rel("a"));
    sim.apply(event(1, dir(EventMask::CREATE), "a"));
    sim.hints();
    sim.state.hint_unfinished();
    assert_eq!(sim.hints(), [(rel("a"), true, Reason::NewDirectory)]);
    sim.crawl();
    sim.hints();
    sim.state.hint_unfinished();
    assert_eq!(sim.hints(), []);
}

#[test]
fn a_directory_that_leaves_is_silent_until_its_last_event_and_unknown_after_it() {
    let mut sim = Sim::settled(&["a", "a/b"]);
    let (a, b) = (sim.wd("a"), sim.wd("a/b"));
    sim.dirs.retain(|path| !path.is_within(&rel("a")));
    sim.apply(event(1, dir(EventMask::MOVED_FROM), "a"));
    assert_eq!(sim.actions, [Action::Unwatch(Wd(a)), Action::Unwatch(Wd(b))]);
    sim.hints();
    sim.apply(event(b, EventMask::CLOSE_WRITE, "file"));
    sim.apply(event(b, EventMask::IGNORED, ""));
    assert_eq!(sim.hints(), []);
    sim.apply(event(b, EventMask::CLOSE_WRITE, "file"));
    assert_eq!(sim.hints(), [(rel(""), true, Reason::UnknownWatch)]);
}

#[test]
fn a_rename_needs_neither_order_nor_pairs_of_events() {
    for moved_to_first in [false, true] {
        let mut sim = Sim::settled(&["a", "a/b", "c"]);
        let old = [sim.wd("a"), sim.wd("a/b")];
        // The kernel's watches move with the directories.
        sim.dirs = ["", "c", "c/a", "c/a/b"].map(rel).into();
        sim.wds = [(rel(""), 1), (rel("c"), sim.wd("c")), (rel("c/a"), old[0]), (rel("c/a/b"), old[1])].into();
        let from = event(1, dir(EventMask::MOVED_FROM), "a");
        let to = event(sim.wd("c"), dir(EventMask::MOVED_TO), "a");
        for event in if moved_to_first { [to, from] } else { [from, to] } {
            sim.apply(event);
            sim.crawl();
        }
        assert!(sim.hints().contains(&(rel("c/a"), true, Reason::MovedIn)));
        let b = sim.wd("c/a/b");
        sim.apply(event(b, EventMask::MODIFY, "file"));
        assert_eq!(sim.hints(), [(rel("c/a/b"), false, Reason::Event)]);
    }
}

#[test]
fn what_was_looked_for_at_an_old_path_is_armed_when_the_old_path_is_known_to_be_old() {
    let mut sim = Sim::settled(&["a", "a/p"]);
    // into a directory that nobody watched yet: only the event of the leaving will come
    let moved = sim.wds.remove(&rel("a/p")).unwrap();
    sim.wds.insert(rel("b/p"), moved);
    sim.dirs.remove(&rel("a/p"));
    sim.dirs.extend([rel("b"), rel("b/p"), rel("b/p/x")]);
    sim.apply(event(1, dir(EventMask::CREATE), "b"));
    sim.crawl();
    sim.apply(event(sim.wd("a"), dir(EventMask::MOVED_FROM), "p"));
    sim.crawl();
    let watched: Vec<_> = sim.wds.keys().cloned().collect();
    assert_eq!(watched, ["", "a", "b", "b/p", "b/p/x"].map(rel));
}

#[test]
fn a_watch_that_the_kernel_dropped_is_doubted_and_set_again() {
    let mut sim = Sim::settled(&["a", "a/b"]);
    let lost = sim.wds.remove(&rel("a")).unwrap();
    sim.apply(event(lost, EventMask::IGNORED, ""));
    assert_eq!(sim.hints(), [(rel("a"), true, Reason::LostWatch)]);
    sim.crawl();
    assert_eq!(sim.hints(), [(rel("a"), true, Reason::LostWatch)]);
    assert_eq!(sim.state.watches(), 3);
}

#[test]
fn an_overflow_hints_every_root_and_repairs_the_books() {
    let mut sim = Sim::settled(&["a", "a/b", "c"]);
    sim.state.add_root(OTHER, Arc::new(|_| false));
    sim.hints();
    sim.dirs = ["", "c", "c/new"].map(rel).into();
    sim.apply(event(-1, EventMask::Q_OVERFLOW, ""));
    let roots: Vec<_> = sim.state.take_hints().into_iter().map(|h| (h.root, h.recursive, h.reason)).collect();
    assert_eq!(roots, [(ROOT, true, Reason::Overflow), (OTHER, true, Reason::Overflow)]);
    sim.crawl();
    assert_eq!(sim.wds.keys().cloned().collect::<Vec<_>>(), [rel(""), rel("c"), rel("c/new")]);
}

#[test]
fn when_watches_run_out_every_directory_is_counted_and_the_rest_is_hinted() {
    let mut sim = Sim::new(&["a", "a/b", "a/b/c", "d", "d/e"]);
    sim.limit = 3;
    sim.crawl();
    let (watched, arming, gaps) = sim.state.coverage(ROOT);
    let unwatched: u64 = gaps.iter().map(|gap| gap.directories).sum();
    assert_eq!((watched, unwatched, arming), (3, 3, false));
    assert!(gaps.iter().all(|gap| gap.gap == Gap::Limit));
    sim.hints();
    sim.limit = 6;
    sim.state.recheck();
    let hinted = sim.state.take_hints();
    assert!(gaps.iter().all(|gap| covers(&hinted, ROOT, &gap.dir)));
    sim.crawl();
    assert_eq!(sim.state.coverage(ROOT), (6, false, vec![]));
}

#[test]
fn too_many_gaps_become_one_for_the_whole_root() {
    let names: Vec<String> = (0..1_500).map(|n| format!("d{n}")).collect();
    let mut sim = Sim::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    sim.limit = 1;
    sim.crawl();
    let (watched, _, gaps) = sim.state.coverage(ROOT);
    assert_eq!((watched, gaps.iter().map(|gap| gap.directories).sum::<u64>()), (1, 1_500));
    assert!(gaps.len() <= 1_001 && gaps[0].dir.is_root());
}

#[test]
fn the_empty_mount_point_of_an_unmounted_root_is_not_taken_for_the_root() {
    let mut state = State::default();
    state.add_root(ROOT, Arc::new(|_| false));
    let visit = |state: &mut State, wd, mount_root| {
        let step = state.next_step().unwrap();
        state.visited(step, Found::Armed { wd: Wd(wd), mount_root, no_events: None, dirs: Ok(vec![]) })
    };
    visit(&mut state, 1, true);
    state.take_hints();
    state.apply(&event(1, EventMask::UNMOUNT, ""));
    assert_eq!(state.take_hints()[0].reason, Reason::Unmounted);
    assert_eq!(visit(&mut state, 2, false), [Action::Unwatch(Wd(2))]);
    assert_eq!((state.root_state(ROOT), state.has_pending()), (RootState::Unmounted, false));
    state.retry_root(ROOT);
    assert_eq!(visit(&mut state, 3, true), []);
    assert_eq!(state.root_state(ROOT), RootState::Watched);
    assert_eq!(state.take_hints()[0].reason, Reason::Start);
}

#[test]
fn a_filesystem_without_events_is_named_once_at_its_top() {
    let mut state = State::default();
    state.add_root(ROOT, Arc::new(|_| false));
    for (wd, dirs) in [(1, vec![b"a".to_vec()]), (2, vec![b"b".to_vec()]), (3, vec![])] {
        let step = state.next_step().unwrap();
        state.visited(step, Found::Armed { wd: Wd(wd), mount_root: false, no_events: Some("nfs"), dirs: Ok(dirs) });
    }
    let (_, _, gaps) = state.coverage(ROOT);
    assert_eq!(gaps.iter().map(|gap| (&gap.dir, &gap.gap)).collect::<Vec<_>>(), [(&rel(""), &Gap::NoEvents("nfs"))]);
}

#[test]
fn cookie_files_tell_a_sync_point_and_give_no_hint() {
    let mut sim = Sim::settled(&[]);
    sim.state.watch_cookies(Some(Wd(50)));
    sim.apply(event(1, EventMask::MODIFY, "file"));
    sim.apply(event(50, EventMask::CREATE, ".rozen-cookie-1-2"));
    assert_eq!(sim.actions, [Action::CookieSeen(b".rozen-cookie-1-2".to_vec())]);
    let hints = sim.state.take_hints();
    assert_eq!((hints.len(), &hints[0].names), (1, &Names::Only([b"file".to_vec()].into())));
}

#[test]
fn only_the_programs_own_names_give_no_hint() {
    let mut sim = Sim::settled(&[]);
    for own in [".rozen-cookie-1-2", ".rozen-freeze"] {
        sim.apply(event(1, EventMask::CREATE, own));
    }
    assert_eq!(sim.state.take_hints(), []);
    // the user's, and what a restore into a watched tree has not ended: a full pass stores them
    let theirs = [".rozen-notes", ".rozen-restore-00", ".rozenignore"];
    theirs.iter().for_each(|name| sim.apply(event(1, EventMask::CREATE, name)));
    let hints = sim.state.take_hints();
    let names = theirs.iter().map(|name| name.as_bytes().to_vec()).collect();
    assert_eq!((hints.len(), &hints[0].names), (1, &Names::Only(names)));
}

fn covers(hints: &[Hint], root: RootKey, dir: &RelPath) -> bool {
    hints.iter().any(|h| h.root == root && (h.dir == *dir || h.recursive && dir.is_within(&h.dir)))
}

/// What may come in any order: events of known, left and unknown watches, and answers to visits that fit nothing.
#[derive(Clone, Debug)]
enum Noise {
    Event { wd: i32, mask: u32, name: u8 },
    Visit { found: u8, fresh: bool, wd: i32, dirs: u8 },
    Recheck,
}

fn noise() -> impl Strategy<Value = Noise> {
    prop_oneof![
        8 => (0..24i32, 0..14u32, 0..4u8).prop_map(|(wd, mask, name)| Noise::Event { wd, mask, name }),
        8 => (0..8u8, any::<bool>(), 1..24i32, 0..16u8)
            .prop_map(|(found, fresh, wd, dirs)| Noise::Visit { found, fresh, wd, dirs }),
        1 => Just(Noise::Recheck),
    ]
}

fn mask(number: u32) -> EventMask {
    let masks = [
        EventMask::ATTRIB,
        EventMask::MODIFY,
        EventMask::CREATE,
        EventMask::DELETE,
        EventMask::MOVED_FROM,
        EventMask::MOVED_TO,
        dir(EventMask::CREATE),
        dir(EventMask::DELETE),
        dir(EventMask::MOVED_FROM),
        dir(EventMask::MOVED_TO),
        EventMask::DELETE_SELF,
        EventMask::MOVE_SELF,
        EventMask::UNMOUNT,
        EventMask::IGNORED,
    ];
    masks[number as usize]
}

const NAMES: [&str; 4] = ["", "a", "b", "c"];

fn found(found: u8, wd: i32, dirs: u8) -> Found {
    let dirs: Vec<Vec<u8>> =
        (1..4).filter(|n| dirs & (1 << n) != 0).map(|n| NAMES[n as usize].as_bytes().to_vec()).collect();
    match found {
        0 => Found::Gone,
        1 => Found::Excluded,
        2 => Found::Failed { error: "no".into() },
        3 => Found::NoWatchLeft { dirs },
        4 => Found::Armed { wd: Wd(wd), mount_root: true, no_events: None, dirs: Err("no".into()) },
        _ => Found::Armed { wd: Wd(wd), mount_root: found == 5, no_events: None, dirs: Ok(dirs) },
    }
}

/// Applies an event and checks that what it may concern is hinted.
fn apply_and_check(state: &mut State, event: &Event) -> Vec<Action> {
    state.take_hints();
    let known = state.tree.contains(event.wd);
    let silent = state.leaving.contains(&event.wd);
    let paths = state.tree.paths(event.wd).unwrap_or_default();
    let actions = state.apply(event);
    let hints = state.take_hints();
    if silent {
        assert!(hints.is_empty());
    } else if known {
        for (root, dir) in paths {
            let above = dir.parent().unwrap_or_default();
            assert!(covers(&hints, root, &dir) || covers(&hints, root, &above), "{event:?} at {dir:?}: {hints:?}");
        }
    } else {
        for root in [ROOT, OTHER] {
            assert!(hints.iter().any(|h| h.root == root && h.recursive && h.dir.is_root()), "{event:?}: {hints:?}");
        }
    }
    actions
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_doubt_widens_and_the_books_stay_whole(
        noise in prop::collection::vec(noise(), 0..200),
    ) {
        let mut state = State::default();
        state.add_root(ROOT, Arc::new(|_| false));
        state.add_root(OTHER, Arc::new(|_| false));
        let mut next = 100;
        for noise in noise {
            let actions = match noise {
                Noise::Event { wd, mask: number, name } => {
                    let event = event(wd, mask(number), NAMES[name as usize]);
                    apply_and_check(&mut state, &event)
                }
                Noise::Visit { found: kind, fresh, wd, dirs } => {
                    let Some(step) = state.next_step() else { continue };
                    next += 1;
                    state.visited(step, found(kind, if fresh { next } else { wd }, dirs))
                }
                Noise::Recheck => {
                    state.recheck();
                    Vec::new()
                }
            };
            for action in actions {
                let Action::Unwatch(wd) = action else { continue };
                prop_assert!(!state.tree.contains(wd) && state.leaving.contains(&wd));
            }
        }
    }
}
