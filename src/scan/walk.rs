//! The walk: one directory per step, or a part of a large one, compared with the tree before.

use std::collections::HashSet;
use std::iter::Peekable;

use super::compare::{is_doubtful, is_unchanged};
use super::found::{Found, ReadJob, ScanError};
use super::held::{HeldDir, OpenDirs};
use super::links::Links;
use super::orphans::Orphans;
use super::place::{self, Place};
use super::rules;
use super::targets::{self, Target};
use super::visited::Visited;
use crate::config::exclude::Rules;
use crate::model::{Entry, EntryFlags, EntryKind, Problem, RelPath, Timestamp, is_own_name};
use crate::source::{Dir, Disposition, Listing, Names, SourceError, Stat, View};
use crate::tree::{NodeSource, TreeKey, TreeReader};

/// What holds for the whole scan.
pub struct ScanOptions {
    pub rules: Rules,
    /// Device and inode of our own directories (state, spool, target): never stored.
    pub own: HashSet<(u64, u64)>,
    /// The same by their paths below the root.
    pub own_paths: HashSet<RelPath>,
    /// Files are read although they look unchanged: what was stored of them may be lost.
    pub read_all: bool,
    /// The cut of the run that made the tree before, or an earlier one. What changed after it was perhaps seen by that run through
    /// one of its names only; `None`: nothing is looked at for that.
    pub cut_before: Option<Timestamp>,
}

/// A change time is taken from a clock that may be a little behind.
const CLOCK_SLACK_SECS: i64 = 2;

/// Names in a step: who wants to end between two of them waits no longer in a folder of a million files.
const NAMES: usize = 256;

/// A scan of one root. [`Scan::step`] until it says that nothing is left.
pub struct Scan<'a, N: NodeSource> {
    view: &'a View,
    previous: TreeReader<N>,
    options: ScanOptions,
    names: Names,
    open: OpenDirs,
    /// Of the root.
    place: Place,
    targets: std::vec::IntoIter<Target>,
    comparing: Option<Comparing>,
    pending: Vec<Pending>,
    links: Links,
    kept: bool,
    visited: Visited,
    orphans: Orphans,
    /// In the directory that is being compared there is a name of which nothing is known and nothing can be found out.
    unseen: bool,
}

/// A directory that is still to be listed.
struct Pending {
    path: RelPath,
    /// Its parent, while descriptors are in the budget.
    parent: Option<HeldDir>,
    rules: Rules,
    place: Place,
    recursive: bool,
    /// The tree before has a directory here.
    is_known: bool,
}

/// A directory that is being compared, as far as that has come.
struct Comparing {
    pending: Pending,
    here: Here,
    listing: Listing,
    /// Names of the listing that were compared.
    compared: usize,
    /// What the tree before has from there on.
    before: Peekable<std::vec::IntoIter<(Vec<u8>, Entry)>>,
    /// To be gone into when it is compared.
    below: Vec<Pending>,
}

/// Where a name is that is being compared.
struct Here {
    dir: HeldDir,
    rules: Rules,
    place: Place,
    recursive: bool,
}

type Sink<'s> = dyn FnMut(Found) -> bool + 's;

impl<'a, N: NodeSource> Scan<'a, N> {
    pub fn new(
        view: &'a View,
        previous: TreeReader<N>,
        options: ScanOptions,
        targets: Vec<Target>,
    ) -> Result<Self, ScanError<N::Error>> {
        let root = view.open_root().and_then(|root| root.stat_self()).map_err(ScanError::Source)?;
        let whole = targets::are_whole(&targets);
        Ok(Self {
            view,
            previous,
            options,
            names: Names::new(),
            open: OpenDirs::default(),
            place: Place::root(root.dev),
            links: Links::new(whole),
            visited: Visited::new(whole),
            targets: targets::merge(targets).into_iter(),
            comparing: None,
            pending: Vec::new(),
            kept: false,
            orphans: Orphans::new(whole),
            unseen: false,
        })
    }

    /// Something that the tree before has could not be looked at, and stays as it was.
    pub fn has_kept(&self) -> bool {
        self.kept
    }

    /// Compares one directory, of a large one the next names. `false`: the scan is complete. `sink` answers `false` to stop.
    pub fn step(&mut self, sink: &mut Sink<'_>) -> Result<bool, ScanError<N::Error>> {
        if let Some(comparing) = self.comparing.take() {
            return self.names(comparing, sink).map(|()| true);
        }
        if let Some(pending) = self.pending.pop() {
            return self.directory(pending, sink).map(|()| true);
        }
        if self.targets.len() == 0 {
            self.targets = self.links.targets(&self.previous).map_err(ScanError::Tree)?.into_iter();
        }
        match self.targets.next() {
            Some(target) => self.begin(target, sink).map(|()| true),
            None => {
                let orphans = self.orphans.found(&self.previous).map_err(ScanError::Tree)?;
                orphans.into_iter().try_for_each(|dir| say(Found::DeleteBelow(dir), sink)).map(|()| false)
            }
        }
    }

    /// Goes to a target from the root down: rules and excludes of the way hold, and where the way ends early, its
    /// last directory is the target. Nothing is done where this scan has been already.
    fn begin(&mut self, target: Target, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        let mut at = Pending {
            path: RelPath::root(),
            parent: None,
            rules: self.options.rules.clone(),
            place: self.place,
            recursive: target.recursive,
            is_known: self.previous.root().is_some(),
        };
        let mut dir = self.view.open_root().map_err(ScanError::Source)?;
        for component in target.dir.components() {
            let path = at.path.join(component);
            if self.visited.is_gone(&path) {
                return Ok(());
            }
            let known = self.previous.entry(&path).map_err(ScanError::Tree)?;
            let opened = match open_dir(&dir, component) {
                Ok(opened) => opened,
                Err(error) => return self.unopened(known.is_some(), (&dir, &path, at.place), error, sink),
            };
            let known = known.filter(|entry| entry.kind == EntryKind::Dir);
            let (Some((child, stat)), Some(known)) = (opened, known) else {
                // gone, new or not a directory: comparing its parent says which
                at.recursive = false;
                break;
            };
            let listing = match dir.list() {
                Ok(listing) => listing,
                Err(error) if at.path.is_root() || error.disposition() == Disposition::StopRun => {
                    return Err(ScanError::Source(error));
                }
                Err(_) => {
                    at.recursive = false;
                    break;
                }
            };
            let (inside, _) = rules::inside(&at.rules, &dir, &listing);
            if self.is_left_out(&inside, &path, &stat) {
                return Ok(());
            }
            let place = at.place.of(&path, stat.dev);
            if !self.is_covered(place) || self.is_unmounted(&known, &path, place, &child)? {
                // comparing its parent says so
                at.recursive = false;
                break;
            }
            (at.place, at.rules, at.path, dir) = (place, inside, path, child);
            if known.flags.has(EntryFlags::UNREADABLE) {
                // the hints of what happened below were used up by scans that could not look
                at.recursive = true;
                break;
            }
        }
        if self.visited.is_compared(&at.path) {
            return Ok(());
        }
        self.own_entry(&dir, at.place.fs, sink)?;
        self.directory(at, sink)
    }

    /// On the way to a target: its parent knows no more of it, and would not say that anything is wrong.
    fn unopened(
        &mut self,
        is_known: bool,
        (parent, path, place): (&Dir, &RelPath, Place),
        error: SourceError,
        sink: &mut Sink<'_>,
    ) -> Result<(), ScanError<N::Error>> {
        if error.disposition() == Disposition::StopRun {
            return Err(ScanError::Source(error));
        }
        self.kept |= is_known;
        say(Found::Problem(error.to_problem()), sink)?;
        self.mark_unread(parent, path, place, sink)
    }

    /// The entry of a directory that could not be listed says so: without it an empty folder would be restored, and nobody told.
    fn mark_unread(
        &mut self,
        parent: &Dir,
        path: &RelPath,
        place: Place,
        sink: &mut Sink<'_>,
    ) -> Result<(), ScanError<N::Error>> {
        let (name, key) = (path.name(), TreeKey::of(path));
        let before = self.previous.get(&key).map_err(ScanError::Tree)?;
        let read = parent.stat(name).and_then(|stat| Ok((parent.read_entry(name, &stat, &mut self.names)?.0, stat)));
        // what is wrong with it has been told; that it cannot be looked at either says nothing new
        let Ok((mut entry, stat)) = read else { return mark_known(key, before, sink) };
        if entry.kind != EntryKind::Dir {
            return Ok(());
        }
        entry.fs = place.of(path, stat.dev).fs;
        entry.flags = entry.flags.with(EntryFlags::UNREADABLE);
        let doubted = before.is_some_and(|before| is_doubtful(&before));
        say(Found::Put { key, entry, doubted }, sink)
    }

    /// The entry of a directory that a scan begins with; all others come with their parents.
    fn own_entry(&mut self, dir: &Dir, fs: Option<u64>, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        let key = TreeKey::of(dir.path());
        let previous = self.previous.get(&key).map_err(ScanError::Tree)?;
        let stat = dir.stat_self().map_err(ScanError::Source)?;
        if previous.as_ref().is_some_and(|entry| is_unchanged(entry, &stat)) {
            return Ok(());
        }
        let doubted = previous.is_some_and(|entry| is_doubtful(&entry));
        let (mut entry, problems) = dir.read_own_entry(&mut self.names).map_err(ScanError::Source)?;
        entry.fs = fs;
        say_all(problems, sink)?;
        say(Found::Put { key, entry, doubted }, sink)
    }

    fn mark_unlisted(&mut self, pending: &Pending, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        let above = pending.path.split().0;
        // its own place is that of everything in it, as its parent found it
        match (&pending.parent, self.view.open_dir(&above)) {
            (Some(parent), _) => self.mark_unread(&parent.clone(), &pending.path, pending.place, sink),
            (None, Ok(parent)) => self.mark_unread(&parent, &pending.path, pending.place, sink),
            (None, Err(_)) => Ok(()),
        }
    }

    fn directory(&mut self, pending: Pending, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        let opened = match &pending.parent {
            Some(parent) => parent.open_child(pending.path.name()),
            None => self.view.open_dir(&pending.path),
        };
        let listed = opened.and_then(|dir| dir.list().map(|listing| (dir, listing)));
        let (dir, listing) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                let is_unread = error.disposition() == Disposition::Unreadable;
                unlisted(&pending, error, sink)?;
                if is_unread {
                    self.mark_unlisted(&pending, sink)?;
                }
                self.kept |=
                    pending.is_known && !self.previous.list(&pending.path).map_err(ScanError::Tree)?.is_empty();
                return Ok(());
            }
        };
        let (inside, problems) = rules::inside(&pending.rules, &dir, &listing);
        say_all(problems, sink)?;
        // of a new directory too: entries may have been left behind without it
        let before = self.previous.list(&pending.path).map_err(ScanError::Tree)?;
        self.orphans.compare(&pending.path, pending.is_known, &before);
        // other rules may hold for everything below
        let recursive = pending.recursive || rules::changed(&pending.rules, &dir, &listing, &before);
        self.visited.compare(&pending.path, recursive);
        let here = Here { dir: self.open.hold(dir), rules: inside, place: pending.place, recursive };
        let before = before.into_iter().peekable();
        self.names(Comparing { pending, here, listing, compared: 0, before, below: Vec::new() }, sink)
    }

    /// The next names of a directory, and after the last one what ends it.
    fn names(&mut self, mut at: Comparing, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        for _ in 0..NAMES {
            let Some(listed) = at.listing.at(at.compared) else { return self.end(at, sink) };
            while let Some((name, entry)) = at.before.next_if(|(name, _)| name.as_slice() < listed.name) {
                self.gone(&at.here, &name, &entry, sink)?;
            }
            let previous = at.before.next_if(|(name, _)| name.as_slice() == listed.name).map(|(_, entry)| entry);
            at.below.extend(self.name(&at.here, listed.name, previous, sink)?);
            at.compared += 1;
        }
        self.comparing = Some(at);
        Ok(())
    }

    fn end(&mut self, at: Comparing, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        let Comparing { pending, here, mut before, below, .. } = at;
        before.try_for_each(|(name, entry)| self.gone(&here, &name, &entry, sink))?;
        self.pending.extend(below.into_iter().rev());
        match std::mem::take(&mut self.unseen) && !pending.path.is_root() {
            true => self.mark_unlisted(&pending, sink),
            false => Ok(()),
        }
    }

    /// One name of a listing; gives the directory to go into.
    fn name(
        &mut self,
        here: &Here,
        name: &[u8],
        previous: Option<Entry>,
        sink: &mut Sink<'_>,
    ) -> Result<Option<Pending>, ScanError<N::Error>> {
        if is_own_name(name) {
            return self.left_out(here, name, previous, sink);
        }
        let stat = match here.dir.stat(name) {
            Ok(stat) => stat,
            Err(error) => return self.failed(here, name, previous, error, sink),
        };
        let path = here.dir.path().join(name);
        if self.is_left_out(&here.rules, &path, &stat) {
            return self.left_out(here, name, previous, sink);
        }
        let is_dir = stat.kind == EntryKind::Dir;
        let was_dir = previous.as_ref().is_some_and(|entry| entry.kind == EntryKind::Dir);
        let place = here.place.of(&path, stat.dev);
        let is_covered = self.is_covered(place);
        if let (true, Some(known)) = (is_dir, &previous)
            && place.has_lost_mount(known, &path)
            && let Ok(dir) = here.dir.open_child(name)
            && self.is_unmounted(known, &path, place, &dir)?
        {
            self.kept = true;
            return say(Found::Problem(place::not_mounted(&path)), sink).map(|()| None);
        }
        if was_dir && !(is_dir && is_covered) {
            if !self.visited.may_be_gone(&path) {
                return Ok(None);
            }
            self.links.gone_below(&self.previous, &path).map_err(ScanError::Tree)?;
            say(Found::DeleteBelow(path.clone()), sink)?;
        }
        let looks_same = previous
            .as_ref()
            .is_some_and(|entry| is_unchanged(entry, &stat) && entry.flags.has(EntryFlags::NOT_COVERED) != is_covered);
        let was_unread = was_dir && previous.as_ref().is_some_and(|entry| entry.flags.has(EntryFlags::UNREADABLE));
        let is_read = self.options.read_all && stat.kind == EntryKind::File && stat.size > 0;
        if looks_same && !is_read {
            // a file with several names that changed while the run before was at it: the name that it saw first is out of date
            if self.options.cut_before.is_some_and(|cut| stat.ctime.secs >= cut.secs - CLOCK_SLACK_SECS) {
                self.links.changed(place.fs, &stat);
            }
            let bytes = if stat.kind == EntryKind::File { stat.size } else { 0 };
            say(Found::Unchanged { bytes }, sink)?;
        } else {
            let flags = if is_covered { EntryFlags::default() } else { EntryFlags(EntryFlags::NOT_COVERED) };
            if !self.changed(here, name, &stat, (place.fs, flags), previous, sink)? {
                // without an entry of its own nothing below it may be stored
                return Ok(None);
            }
        }
        // what was not listed before is compared with all below it: the hints of what happened there are used up
        let is_entered = here.recursive || !was_dir || (was_unread && !self.visited.is_compared(&path));
        if !is_dir || !is_covered || !is_entered {
            return Ok(None);
        }
        let parent = self.open.has_room().then(|| here.dir.clone());
        Ok(Some(Pending { path, parent, rules: here.rules.clone(), place, recursive: true, is_known: was_dir }))
    }

    /// `false`: it was not there any more, or could not be looked at.
    fn changed(
        &mut self,
        here: &Here,
        name: &[u8],
        stat: &Stat,
        (fs, flags): (Option<u64>, EntryFlags),
        previous: Option<Entry>,
        sink: &mut Sink<'_>,
    ) -> Result<bool, ScanError<N::Error>> {
        self.links.changed(fs, stat);
        // this name stands for another file now: the one before may have changed under its other names
        if let Some(before) = previous.as_ref().filter(|before| (before.fs, before.ino) != (fs, stat.ino)) {
            self.links.gone(before);
        }
        if stat.kind == EntryKind::File && stat.size > 0 {
            let previous = previous.map(Box::new);
            let job = ReadJob { dir: here.dir.clone(), name: name.to_vec(), stat: *stat, fs, previous };
            return say(Found::Read(job), sink).map(|()| true);
        }
        match here.dir.read_entry(name, stat, &mut self.names) {
            Ok((mut entry, problems)) => {
                (entry.fs, entry.flags) = (fs, flags);
                say_all(problems, sink)?;
                let doubted = previous.is_some_and(|before| is_doubtful(&before));
                say(Found::Put { key: TreeKey::new(here.dir.path(), name), entry, doubted }, sink).map(|()| true)
            }
            Err(error) => self.failed(here, name, previous, error, sink).map(|_| false),
        }
    }

    /// A name that could not be looked at: gone, or kept as it was known.
    fn failed(
        &mut self,
        here: &Here,
        name: &[u8],
        previous: Option<Entry>,
        error: SourceError,
        sink: &mut Sink<'_>,
    ) -> Result<Option<Pending>, ScanError<N::Error>> {
        match error.disposition() {
            Disposition::Vanished => self.left_out(here, name, previous, sink),
            Disposition::StopRun => Err(ScanError::Source(error)),
            Disposition::Changed | Disposition::Unreadable => {
                self.kept |= previous.is_some();
                self.unseen |= previous.is_none();
                say(Found::Problem(error.to_problem()), sink)?;
                mark_known(TreeKey::new(here.dir.path(), name), previous, sink).map(|()| None)
            }
        }
    }

    /// What is excluded is no longer in the tree; older snapshots keep it.
    fn left_out(
        &mut self,
        here: &Here,
        name: &[u8],
        previous: Option<Entry>,
        sink: &mut Sink<'_>,
    ) -> Result<Option<Pending>, ScanError<N::Error>> {
        previous.map_or(Ok(()), |entry| self.gone(here, name, &entry, sink)).map(|()| None)
    }

    fn gone(
        &mut self,
        here: &Here,
        name: &[u8],
        entry: &Entry,
        sink: &mut Sink<'_>,
    ) -> Result<(), ScanError<N::Error>> {
        if entry.kind == EntryKind::Dir {
            let below = here.dir.path().join(name);
            if !self.visited.may_be_gone(&below) {
                return Ok(());
            }
            self.links.gone_below(&self.previous, &below).map_err(ScanError::Tree)?;
            say(Found::DeleteBelow(below), sink)?;
        }
        self.links.gone(entry);
        say(Found::Delete(TreeKey::new(here.dir.path(), name)), sink)
    }

    fn is_covered(&self, place: Place) -> bool {
        place.fs.is_none() || !self.options.rules.config().one_filesystem
    }

    /// Has a filesystem gone from this directory, which is empty without it, while something of it is stored? That is what a disk
    /// looks like which is not mounted. `dir`: the directory itself, which is at `place` now.
    fn is_unmounted(
        &self,
        known: &Entry,
        path: &RelPath,
        place: Place,
        dir: &Dir,
    ) -> Result<bool, ScanError<N::Error>> {
        if !place.has_lost_mount(known, path) || !dir.list().is_ok_and(|listing| listing.is_empty()) {
            return Ok(false);
        }
        Ok(!self.previous.list(path).map_err(ScanError::Tree)?.is_empty())
    }

    fn is_left_out(&self, rules: &Rules, path: &RelPath, stat: &Stat) -> bool {
        self.options.own.contains(&(stat.dev, stat.ino))
            || self.options.own_paths.contains(path)
            || (stat.nodump
                && rules.config().nodump
                && !(stat.kind == EntryKind::File && rules.is_ignore_file(path.name())))
            || rules.excludes(path, stat.kind == EntryKind::Dir, stat.size).is_some()
    }
}

/// A directory of which not even the attributes can be asked: what is known of it stays, with the mark that makes the next scan that
/// can look go into it.
fn mark_known<E>(key: TreeKey, known: Option<Entry>, sink: &mut Sink<'_>) -> Result<(), ScanError<E>> {
    match known {
        Some(known) if known.kind == EntryKind::Dir && !known.flags.has(EntryFlags::UNREADABLE) => {
            let doubted = is_doubtful(&known);
            let entry = Entry { flags: known.flags.with(EntryFlags::UNREADABLE), ..known };
            say(Found::Put { key, entry, doubted }, sink)
        }
        _ => Ok(()),
    }
}

/// `None`: there is no such directory any more.
fn open_dir(dir: &Dir, name: &[u8]) -> Result<Option<(Dir, Stat)>, SourceError> {
    let opened = dir.stat(name).and_then(|stat| match stat.kind {
        EntryKind::Dir => dir.open_child(name).map(|child| Some((child, stat))),
        _ => Ok(None),
    });
    match opened {
        Err(error) if matches!(error.disposition(), Disposition::Vanished | Disposition::Changed) => Ok(None),
        opened => opened,
    }
}

/// A directory that could not be listed keeps what is known of it.
fn unlisted<E>(pending: &Pending, error: SourceError, sink: &mut Sink<'_>) -> Result<(), ScanError<E>> {
    match error.disposition() {
        _ if pending.path.is_root() => Err(ScanError::Source(error)),
        Disposition::StopRun => Err(ScanError::Source(error)),
        // its parent changed after it was listed: its hint is there already, the next run sees it
        Disposition::Vanished | Disposition::Changed => Ok(()),
        Disposition::Unreadable => say(Found::Problem(error.to_problem()), sink),
    }
}

fn say<E>(found: Found, sink: &mut Sink<'_>) -> Result<(), ScanError<E>> {
    if sink(found) { Ok(()) } else { Err(ScanError::Stopped) }
}

fn say_all<E>(problems: Vec<Problem>, sink: &mut Sink<'_>) -> Result<(), ScanError<E>> {
    problems.into_iter().try_for_each(|problem| say(Found::Problem(problem), sink))
}
