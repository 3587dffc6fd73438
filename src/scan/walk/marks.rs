//! Marks of directories that could not be looked into: their entries say so, for restores and for the next scan.

use super::{Here, Pending, Scan, Sink, say};
use crate::model::{Entry, EntryFlags, EntryKind, RelPath};
use crate::scan::compare::is_doubtful;
use crate::scan::place::{self, Place};
use crate::scan::{Found, ScanError};
use crate::source::{Dir, Disposition, SourceError, Stat};
use crate::tree::{NodeSource, TreeKey};

impl<N: NodeSource> Scan<'_, N> {
    /// On the way to a target: its parent knows no more of it, and would not say that anything is wrong.
    pub(super) fn unopened(
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

    pub(super) fn mark_unlisted(&mut self, pending: &Pending, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        if pending.path.is_root() {
            return self.mark_root(sink);
        }
        let above = pending.path.split().0;
        // its own place is that of everything in it, as its parent found it
        match (&pending.parent, self.view.open_dir(&above)) {
            (Some(parent), _) => self.mark_unread(&parent.clone(), &pending.path, pending.place, sink),
            (None, Ok(parent)) => self.mark_unread(&parent, &pending.path, pending.place, sink),
            (None, Err(_)) => Ok(()),
        }
    }

    /// A nested subvolume that is not in the view: what is known of it stays.
    pub(super) fn mark_stub(
        &mut self,
        here: &Here,
        name: &[u8],
        stat: &Stat,
        previous: Option<Entry>,
        sink: &mut Sink<'_>,
    ) -> Result<(), ScanError<N::Error>> {
        self.kept |= previous.is_some();
        if previous.as_ref().is_some_and(|entry| entry.kind == EntryKind::Dir) {
            return mark_known(TreeKey::new(here.dir.path(), name), previous, sink);
        }
        let flags = EntryFlags(EntryFlags::NOT_COVERED | EntryFlags::UNREADABLE);
        let fs = here.place.of(&here.dir.path().join(name), stat.dev).fs;
        self.changed(here, name, stat, (fs, flags), previous, sink).map(|_| ())
    }

    /// No directory above it could say so.
    fn mark_root(&mut self, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        let key = TreeKey::default();
        let doubted = self.previous.get(&key).map_err(ScanError::Tree)?.is_some_and(|entry| is_doubtful(&entry));
        let read = self.view.open_root().and_then(|root| root.read_own_entry(&mut self.names));
        let mut entry = read.map_err(ScanError::Source)?.0;
        entry.flags = entry.flags.with(EntryFlags::UNREADABLE);
        say(Found::Put { key, entry, doubted }, sink)
    }

    /// It was compared alone, and could not be listed when something below it was looked for.
    pub(super) fn mark_unlistable(
        &mut self,
        path: &RelPath,
        error: SourceError,
        sink: &mut Sink<'_>,
    ) -> Result<(), ScanError<N::Error>> {
        self.kept = true;
        say(Found::Problem(error.to_problem()), sink)?;
        let key = TreeKey::of(path);
        let known = self.previous.get(&key).map_err(ScanError::Tree)?;
        mark_known(key, known, sink)
    }

    /// A filesystem has come or gone since the name of the directory was looked at: what is known of it stays, until a scan finds it and
    /// what is in it on one filesystem. `fs`: where it was found.
    pub(super) fn exchanged(
        &mut self,
        path: &RelPath,
        dir: &Dir,
        fs: Option<u64>,
        sink: &mut Sink<'_>,
    ) -> Result<(), ScanError<N::Error>> {
        let key = TreeKey::of(path);
        let known = self.previous.get(&key).map_err(ScanError::Tree)?.filter(|entry| entry.kind == EntryKind::Dir);
        self.kept |= known.is_some();
        say(Found::Problem(place::exchanged(path)), sink)?;
        let entry = match known {
            Some(known) => known,
            None => Entry { fs, ..dir.read_own_entry(&mut self.names).map_err(ScanError::Source)?.0 },
        };
        say(
            Found::Put {
                key,
                entry: Entry { flags: entry.flags.with(EntryFlags::UNREADABLE), ..entry },
                doubted: true,
            },
            sink,
        )
    }
}

/// A directory of which not even the attributes can be asked: what is known of it stays, with the mark that makes the next scan that
/// can look go into it.
pub(super) fn mark_known<E>(key: TreeKey, known: Option<Entry>, sink: &mut Sink<'_>) -> Result<(), ScanError<E>> {
    match known {
        Some(known) if known.kind == EntryKind::Dir && !known.flags.has(EntryFlags::UNREADABLE) => {
            let doubted = is_doubtful(&known);
            let entry = Entry { flags: known.flags.with(EntryFlags::UNREADABLE), ..known };
            say(Found::Put { key, entry, doubted }, sink)
        }
        _ => Ok(()),
    }
}
