//! The walk: one directory per step, or a part of a large one, compared with the tree before.

mod begin;
mod marks;

use std::collections::HashSet;

use self::marks::mark_known;
use super::compare::{is_doubtful, is_same_mount_point, is_unchanged};
use super::found::{Found, ReadJob, ScanError};
use super::held::{HeldDir, OpenDirs};
use super::known::Known;
use super::links::Links;
use super::orphans::Orphans;
use super::place::{self, Place};
use super::rules::{self, IgnoreFile, Inside, MadeOf};
use super::targets::{self, Target};
use super::visited::Visited;
use super::way::Way;
use crate::config::exclude::Rules;
use crate::model::{Entry, EntryFlags, EntryKind, Problem, RelPath, Timestamp, is_own_name};
use crate::source::{Dir, Disposition, Listing, Names, SourceError, Stat, View, open_file_limit};
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

/// So many names that were not found are kept before the directory is listed once more.
const MISSED: usize = 4096;

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
    way: Way,
    /// Names of the directory that is being compared which were not found though it lists them, with what the tree before has of them.
    missed: Vec<(Vec<u8>, Option<Entry>)>,
    /// They are looked for once more.
    looks_again: bool,
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
    before: Known,
    /// To be gone into when it is compared.
    below: Vec<Pending>,
}

/// Where a name is that is being compared.
struct Here {
    dir: HeldDir,
    rules: Rules,
    made_of: MadeOf,
    place: Place,
    recursive: bool,
}

impl Here {
    fn ignore_file(&self, name: &[u8], kind: EntryKind) -> Option<IgnoreFile> {
        self.made_of.file(&self.rules, name).filter(|_| kind == EntryKind::File)
    }

    fn job(&self, name: &[u8], stat: Stat, fs: Option<u64>, previous: Option<Entry>) -> ReadJob {
        let ignore = self.ignore_file(name, stat.kind);
        ReadJob { dir: self.dir.clone(), name: name.to_vec(), stat, fs, previous: previous.map(Box::new), ignore }
    }
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
            open: OpenDirs::within(open_file_limit()),
            place: Place::root(root.dev),
            links: Links::new(whole),
            visited: Visited::new(whole),
            targets: targets::merge(targets).into_iter(),
            comparing: None,
            pending: Vec::new(),
            kept: false,
            orphans: Orphans::new(whole),
            way: Way::default(),
            missed: Vec::new(),
            looks_again: false,
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

    fn directory(&mut self, pending: Pending, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        let opened = match &pending.parent {
            Some(parent) => parent.open_child(pending.path.name()),
            None => self.view.open_dir(&pending.path),
        };
        let listed = opened.and_then(|dir| Ok((dir.stat_self()?, dir.list()?, dir)));
        let (stat, listing, dir) = match listed {
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
        let place = pending.place.opened(&pending.path, &stat).filter(|place| self.is_covered(*place));
        let Some(place) = place else { return self.exchanged(&pending.path, &dir, pending.place.fs, sink) };
        if place.fs != pending.place.fs {
            self.own_entry(&dir, place.fs, sink)?;
        }
        let Inside { rules: inside, problems, made_of } = rules::inside(&pending.rules, &dir, &listing);
        say_all(problems, sink)?;
        // other rules may hold for everything below
        let known = |name: &[u8]| self.previous.get(&TreeKey::new(&pending.path, name)).map_err(ScanError::Tree);
        let recursive = rules::changed(&pending.rules, &dir, &listing, known)? || pending.recursive;
        self.visited.compare(&pending.path, recursive);
        // of a new directory too: entries may have been left behind without it
        let before = Known::of(&pending.path);
        let here = Here { dir: self.open.hold(dir), rules: inside, made_of, place, recursive };
        self.names(Comparing { pending, here, listing, compared: 0, before, below: Vec::new() }, sink)
    }

    /// The next names of a directory, and after the last one what ends it.
    fn names(&mut self, mut at: Comparing, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        for _ in 0..NAMES {
            let Some(listed) = at.listing.at(at.compared) else { return self.end(at, sink) };
            while let Some((name, entry)) = self.known(&mut at.before, |name| name < listed.name)? {
                self.gone(&at.here, &name, &entry, sink)?;
            }
            let previous = self.known(&mut at.before, |name| name == listed.name)?.map(|(_, entry)| entry);
            at.below.extend(self.name(&at.here, listed.name, previous, sink)?);
            if self.missed.len() == MISSED {
                at.below.extend(self.look_again(&at.here, sink)?);
            }
            at.compared += 1;
        }
        self.comparing = Some(at);
        Ok(())
    }

    fn end(&mut self, at: Comparing, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        let Comparing { pending, here, mut before, mut below, .. } = at;
        while let Some((name, entry)) = self.known(&mut before, |_| true)? {
            self.gone(&here, &name, &entry, sink)?;
        }
        self.orphans.compare(&pending.path, pending.is_known, before.given());
        below.extend(self.look_again(&here, sink)?);
        self.pending.extend(below.into_iter().rev());
        match std::mem::take(&mut self.unseen) {
            true => self.mark_unlisted(&pending, sink),
            false => Ok(()),
        }
    }

    fn known(
        &self,
        before: &mut Known,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<(Vec<u8>, Entry)>, ScanError<N::Error>> {
        before.next_if(&self.previous, wanted).map_err(ScanError::Tree)
    }

    /// Names that were listed and then not found: most were removed in between. One that is still listed cannot be expressed by its
    /// filesystem, or that is damaged.
    fn look_again(&mut self, here: &Here, sink: &mut Sink<'_>) -> Result<Vec<Pending>, ScanError<N::Error>> {
        let missed = std::mem::take(&mut self.missed);
        if missed.is_empty() {
            return Ok(Vec::new());
        }
        let listing = here.dir.list();
        let is_dir_gone = matches!(&listing, Err(SourceError::Vanished { .. }));
        self.looks_again = true;
        let mut below = Vec::new();
        for (name, previous) in missed {
            if is_dir_gone || listing.as_ref().is_ok_and(|listing| !listing.contains(&name)) {
                self.vanished(here, &name, previous, sink)?;
            } else {
                below.extend(self.name(here, &name, previous, sink)?);
            }
        }
        self.looks_again = false;
        Ok(below)
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
        let place = here.place.of(&path, stat.dev);
        if self.is_left_out(&here.rules, &path, &stat) {
            // it may have been changed through this name
            self.changed_lately(place, &stat);
            return self.left_out(here, name, previous, sink);
        }
        if here.dir.is_stub(name, &stat) {
            say(Found::Problem(place::not_frozen(&path)), sink)?;
            return self.mark_stub(here, name, &stat, previous, sink).map(|()| None);
        }
        let is_dir = stat.kind == EntryKind::Dir;
        let was_dir = previous.as_ref().is_some_and(|entry| entry.kind == EntryKind::Dir);
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
        let looks_same =
            looks_same || (!is_covered && previous.as_ref().is_some_and(|entry| is_same_mount_point(entry, &stat)));
        let was_unread = was_dir && previous.as_ref().is_some_and(|entry| entry.flags.has(EntryFlags::UNREADABLE));
        let is_read = self.options.read_all && stat.kind == EntryKind::File && stat.size > 0;
        // what is below is compared by rules that were made of another state of it
        let is_other = here.ignore_file(name, stat.kind).is_some_and(|file| !file.is_still(&stat));
        if looks_same && !is_read && !is_other {
            // a file with several names that changed while the run before was at it: the name that it saw first is out of date
            self.changed_lately(place, &stat);
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

    fn changed_lately(&mut self, place: Place, stat: &Stat) {
        if self.options.cut_before.is_some_and(|cut| stat.ctime.secs >= cut.secs - CLOCK_SLACK_SECS) {
            self.links.changed(place.fs, stat);
        }
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
        let doubted = previous.as_ref().is_some_and(is_doubtful);
        let job = here.job(name, *stat, fs, previous);
        if stat.kind == EntryKind::File && stat.size > 0 {
            return say(Found::Read(job), sink).map(|()| true);
        }
        match here.dir.read_entry(name, stat, &mut self.names) {
            // it got its content since it was looked at
            Ok((entry, _)) if entry.kind == EntryKind::File && entry.size > 0 => {
                let stat = Stat { size: entry.size, mtime: entry.mtime, ctime: entry.ctime, ..*stat };
                say(Found::Read(ReadJob { stat, ..job }), sink).map(|()| true)
            }
            Ok((entry, problems)) => {
                say_all(problems, sink)?;
                let entry = job.found(entry);
                let entry = Entry { flags: entry.flags.with(flags.0), ..entry };
                say(Found::Put { key: job.key(), entry, doubted }, sink).map(|()| true)
            }
            Err(error) => self.failed(here, name, job.previous.map(|entry| *entry), error, sink).map(|_| false),
        }
    }

    /// A name that could not be looked at: to be looked for again, or kept as it was known.
    fn failed(
        &mut self,
        here: &Here,
        name: &[u8],
        previous: Option<Entry>,
        error: SourceError,
        sink: &mut Sink<'_>,
    ) -> Result<Option<Pending>, ScanError<N::Error>> {
        match error.disposition() {
            Disposition::Vanished if !self.looks_again => {
                self.missed.push((name.to_vec(), previous));
                Ok(None)
            }
            Disposition::StopRun => Err(ScanError::Source(error)),
            Disposition::Vanished | Disposition::Changed | Disposition::Unreadable => {
                self.kept |= previous.is_some();
                self.unseen |= previous.is_none();
                say(Found::Problem(error.of_listed().to_problem()), sink)?;
                mark_known(TreeKey::new(here.dir.path(), name), previous, sink).map(|()| None)
            }
        }
    }

    fn vanished(
        &mut self,
        here: &Here,
        name: &[u8],
        previous: Option<Entry>,
        sink: &mut Sink<'_>,
    ) -> Result<(), ScanError<N::Error>> {
        match here.ignore_file(name, EntryKind::File).and_then(|file| file.read().copied()) {
            // whoever wants to read it finds out what became of it
            Some(read) => say(Found::Read(here.job(name, read, here.place.fs, previous)), sink),
            None => self.left_out(here, name, previous, sink).map(|_| ()),
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
        // it was there, and could not be looked into
        if known.flags.has(EntryFlags::UNREADABLE) {
            return Ok(true);
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
