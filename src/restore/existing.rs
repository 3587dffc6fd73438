//! A name of the destination: is it free, does the right thing have it already, may it be replaced?

use super::Overwrite;
use super::batch::Item;
use super::context::Context;
use crate::crypto;
use crate::model::{Entry, EntryKind, stage_name};
use crate::source::{DestDir, DestinationError, Stat};

/// What to do about something that has the name already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decision {
    /// It is what the snapshot has.
    Complete,
    /// It is something else, and stays.
    Keep,
    /// It is an unfinished file of a restore that was cut off, or what a power cut left of one that was finished.
    Redo,
    Replace,
}

pub(super) fn decide(overwrite: Overwrite, found: &Stat, entry: &Entry) -> Decision {
    if found.is_unfinished(entry) || is_cut_short(found, entry) {
        return Decision::Redo;
    }
    let is_same = looks_same(found, entry);
    match overwrite {
        Overwrite::Never | Overwrite::Changed if is_same => Decision::Complete,
        Overwrite::Never => Decision::Keep,
        Overwrite::Changed | Overwrite::Always => Decision::Replace,
    }
}

/// What a restore made has its modification time only when all its data is written, so what has it is complete, as long as nothing
/// cuts the power: see [`is_cut_short`].
fn looks_same(found: &Stat, entry: &Entry) -> bool {
    let same_data = match entry.kind {
        EntryKind::File | EntryKind::Symlink => found.size == entry.size,
        EntryKind::CharDevice | EntryKind::BlockDevice => Some(found.rdev) == entry.device,
        EntryKind::Dir | EntryKind::Fifo | EntryKind::Socket => true,
    };
    found.kind == entry.kind && found.has_time(entry.mtime) && same_data
}

/// After a power cut a file may have all its metadata and less data: filesystems write both on their own, and the size with the
/// data. No work of a person has the time of the snapshot to the nanosecond. Whole seconds are common to many files (those of
/// a package): then it is ours only when there is nothing in it that could be lost.
fn is_cut_short(found: &Stat, entry: &Entry) -> bool {
    let is_ours = found.kind == EntryKind::File && entry.kind == EntryKind::File && found.has_time(entry.mtime);
    is_ours && found.size < entry.size && (found.size == 0 || found.mtime.nanos != 0)
}

/// How creating something began.
pub(super) enum Begun<T> {
    New(Staged<T>),
    Complete(Stat),
    Kept,
}

/// Something new under its own name, or under another one until it is complete.
pub(super) struct Staged<T> {
    pub made: T,
    stage: Option<Stage>,
}

struct Stage {
    name: Vec<u8>,
    /// It takes the name from something else.
    replaces: bool,
}

/// How something new is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Making {
    /// Under its own name: what is unfinished is known by a mark, or nothing about it can be.
    Direct,
    /// Under another name until it is complete.
    Staged,
}

/// Makes the new thing with `make`, which gets the name to make it under and must fail where that is taken. What is to replace
/// something is always staged, also an unfinished file of our own: what stands there goes only when the new one is complete.
pub(super) fn begin<T>(
    context: &Context<'_>,
    overwrite: Overwrite,
    item: &Item,
    making: Making,
    make: impl Fn(&[u8]) -> Result<T, DestinationError>,
) -> Result<Begun<T>, DestinationError> {
    if making == Making::Direct {
        match make(&item.name) {
            Ok(made) => return Ok(Begun::New(Staged { made, stage: None })),
            Err(DestinationError::Exists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let found = item.dir.stat(&item.name)?;
    match found.map(|found| (decide(overwrite, &found, &item.entry), found)) {
        Some((Decision::Complete, found)) => return Ok(Begun::Complete(found)),
        Some((Decision::Keep, _)) => return Ok(Begun::Kept),
        Some((Decision::Replace, found)) if found.kind == EntryKind::Dir => {
            return Err(DestinationError::Exists { path: item.path() });
        }
        Some((Decision::Redo | Decision::Replace, _)) | None => {}
    }
    item.dir.refuse_if_append_only()?;
    let name = stage_of(&item.name);
    context.stages.begin(&item.dir, &name);
    let made = make_anew(&item.dir, &name, make).inspect_err(|_| context.stages.end(&item.dir, &name))?;
    Ok(Begun::New(Staged { made, stage: Some(Stage { name, replaces: found.is_some() }) }))
}

/// A restore that died may have left one of this name after the directory was looked at for such.
fn make_anew<T>(
    dir: &DestDir,
    name: &[u8],
    make: impl Fn(&[u8]) -> Result<T, DestinationError>,
) -> Result<T, DestinationError> {
    match make(name) {
        Err(DestinationError::Exists { .. }) => {
            remove_if_there(dir, name)?;
            make(name)
        }
        made => made,
    }
}

impl<T> Staged<T> {
    /// Gives it its name; what had the name when it was begun is gone. Without a stage it has its name.
    pub fn publish(&self, context: &Context<'_>, item: &Item) -> Result<(), DestinationError> {
        let Some(stage) = &self.stage else { return Ok(()) };
        match stage.replaces {
            true => replace(context, item, &stage.name)?,
            false => item.dir.rename_new(&stage.name, &item.name)?,
        }
        context.stages.end(&item.dir, &stage.name);
        Ok(())
    }

    /// Removes what is not complete; what had the name before is still there.
    pub fn discard(&self, context: &Context<'_>, item: &Item) -> Result<(), DestinationError> {
        let Some(stage) = &self.stage else { return remove_if_there(&item.dir, &item.name) };
        remove_if_there(&item.dir, &stage.name)?;
        context.stages.end(&item.dir, &stage.name);
        Ok(())
    }
}

/// What may be replaced may be so whatever its flags say; those of the snapshot are set at the end.
fn replace(context: &Context<'_>, item: &Item, stage: &[u8]) -> Result<(), DestinationError> {
    match item.dir.rename(stage, &item.name) {
        Err(error) if error.is_by_flags() && context.options.overwrite != Overwrite::Never => {
            item.dir.unprotect(&item.name)?;
            item.dir.rename(stage, &item.name)
        }
        done => done,
    }
}

fn remove_if_there(dir: &DestDir, name: &[u8]) -> Result<(), DestinationError> {
    match dir.remove(name) {
        Err(DestinationError::Missing { .. }) => Ok(()),
        other => other,
    }
}

fn stage_of(name: &[u8]) -> Vec<u8> {
    stage_name(&crypto::hash(name).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::source::{Destination, Stat};

    fn stat_of(entry: &Entry) -> Stat {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), b"").unwrap();
        let root = Destination::open(dir.path()).unwrap().open_dir(&crate::model::RelPath::root()).unwrap();
        let found = root.stat(b"f").unwrap().unwrap();
        Stat { kind: entry.kind, size: entry.size, mtime: entry.mtime, mode: entry.mode, ..found }
    }

    #[test]
    fn what_looks_the_same_is_complete_and_what_differs_stays_unless_it_may_be_replaced() {
        use {Decision::*, Overwrite::*};
        let entry = Entry::test_file(3);
        let same = stat_of(&entry);
        let longer = Stat { size: 4, ..same };
        let later = Stat { mtime: Timestamp::new(1, 2), ..same };
        let other = Stat { kind: EntryKind::Fifo, ..same };
        for (overwrite, of_same, of_other) in
            [(Never, Complete, Keep), (Changed, Complete, Replace), (Always, Replace, Replace)]
        {
            assert_eq!(decide(overwrite, &same, &entry), of_same);
            for found in [&longer, &later, &other] {
                assert_eq!(decide(overwrite, found, &entry), of_other);
            }
        }
    }

    #[test]
    fn a_file_that_has_its_time_and_less_data_is_done_again_where_it_can_only_be_ours() {
        let redone = |size, nanos| {
            let entry = Entry { mtime: Timestamp::new(1_000, nanos), ..Entry::test_file(3) };
            let short = Stat { size, ..stat_of(&entry) };
            [Overwrite::Never, Overwrite::Changed].map(|overwrite| decide(overwrite, &short, &entry) == Decision::Redo)
        };
        assert_eq!((redone(2, 1), redone(0, 1), redone(0, 0)), ([true; 2], [true; 2], [true; 2]));
        assert_eq!(redone(2, 0), [false; 2], "many files of a package have the same time");
        assert_eq!((redone(3, 1), redone(4, 1)), ([false; 2], [false; 2]));
    }

    #[test]
    fn an_unfinished_file_is_done_again_whatever_its_mode_is_to_be() {
        let entry = Entry::test_file(3);
        for mode in [0o644, 0o1644, 0o1777, 0o1600] {
            let entry = Entry { mode, ..entry.clone() };
            let cut_off = |mode| Stat { mode, mtime: Timestamp::new(1, 2), ..stat_of(&entry) };
            assert_eq!(decide(Overwrite::Never, &cut_off(0o1200), &entry), Decision::Redo);
            // all but its mode is set
            assert_eq!(decide(Overwrite::Never, &Stat { mode: 0o1200, ..stat_of(&entry) }, &entry), Decision::Redo);
            for theirs in [0o644, 0o1644, 0o1600, 0o1755] {
                assert_eq!(decide(Overwrite::Never, &cut_off(theirs), &entry), Decision::Keep, "{theirs:o}");
            }
        }
        let marked = Entry { mode: 0o1200, ..entry };
        let theirs = Stat { mtime: Timestamp::new(1, 2), ..stat_of(&marked) };
        assert_eq!(decide(Overwrite::Never, &theirs, &marked), Decision::Keep, "it is made under another name");
        let linked = Stat { mode: 0o1200, nlink: 2, ..stat_of(&Entry::test_file(3)) };
        assert_ne!(decide(Overwrite::Never, &linked, &Entry::test_file(3)), Decision::Redo);
    }
}
