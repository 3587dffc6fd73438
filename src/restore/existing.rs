//! A name of the destination: is it free, does the right thing have it already, may it be replaced?

use super::Overwrite;
use super::batch::Item;
use crate::crypto;
use crate::model::{Entry, EntryKind};
use crate::source::{DestDir, DestinationError, Stat};

/// What to do about something that has the name already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decision {
    /// It is what the snapshot has.
    Complete,
    /// It is something else, and stays.
    Keep,
    /// It is an unfinished file of a restore that was cut off.
    Redo,
    Replace,
}

pub(super) fn decide(overwrite: Overwrite, found: &Stat, entry: &Entry) -> Decision {
    if found.is_unfinished(entry) {
        return Decision::Redo;
    }
    let is_same = looks_same(found, entry);
    match overwrite {
        Overwrite::Never | Overwrite::Changed if is_same => Decision::Complete,
        Overwrite::Never => Decision::Keep,
        Overwrite::Changed | Overwrite::Always => Decision::Replace,
    }
}

/// The modification time is the last thing that a restore sets, so what has it is complete.
fn looks_same(found: &Stat, entry: &Entry) -> bool {
    let same_data = match entry.kind {
        EntryKind::File | EntryKind::Symlink => found.size == entry.size,
        EntryKind::CharDevice | EntryKind::BlockDevice => Some(found.rdev) == entry.device,
        EntryKind::Dir | EntryKind::Fifo | EntryKind::Socket => true,
    };
    found.kind == entry.kind && found.mtime == entry.mtime && same_data
}

/// How creating something began.
pub(super) enum Begun<T> {
    New(Staged<T>),
    Complete(Stat),
    Kept,
}

/// Something new under its own name, or under another one until it is complete and replaces what has its name.
pub(super) struct Staged<T> {
    pub made: T,
    stage: Option<Vec<u8>>,
}

/// Makes the new thing with `make`, which gets the name to make it under and must fail where that is taken.
pub(super) fn begin<T>(
    overwrite: Overwrite,
    item: &Item,
    make: impl Fn(&[u8]) -> Result<T, DestinationError>,
) -> Result<Begun<T>, DestinationError> {
    let taken = match make(&item.name) {
        Ok(made) => return Ok(Begun::New(Staged { made, stage: None })),
        Err(DestinationError::Exists { path }) => path,
        Err(error) => return Err(error),
    };
    let Some(found) = item.dir.stat(&item.name)? else {
        // it went away in between
        return Ok(Begun::New(Staged { made: make(&item.name)?, stage: None }));
    };
    match decide(overwrite, &found, &item.entry) {
        Decision::Complete => Ok(Begun::Complete(found)),
        Decision::Keep => Ok(Begun::Kept),
        Decision::Redo => {
            item.dir.remove(&item.name)?;
            Ok(Begun::New(Staged { made: make(&item.name)?, stage: None }))
        }
        Decision::Replace if found.kind == EntryKind::Dir => Err(DestinationError::Exists { path: taken }),
        Decision::Replace => {
            let stage = stage_name(&item.name);
            remove_if_there(&item.dir, &stage)?;
            Ok(Begun::New(Staged { made: make(&stage)?, stage: Some(stage) }))
        }
    }
}

impl<T> Staged<T> {
    /// Has it another name until [`Staged::publish`]?
    pub fn is_staged(&self) -> bool {
        self.stage.is_some()
    }

    /// Gives it its name; what had the name is gone.
    pub fn publish(&self, item: &Item) -> Result<(), DestinationError> {
        match &self.stage {
            Some(stage) => item.dir.rename(stage, &item.name),
            None => Ok(()),
        }
    }

    /// Removes what is not complete; what had the name before is still there.
    pub fn discard(&self, item: &Item) -> Result<(), DestinationError> {
        remove_if_there(&item.dir, self.stage.as_ref().unwrap_or(&item.name))
    }
}

fn remove_if_there(dir: &DestDir, name: &[u8]) -> Result<(), DestinationError> {
    match dir.remove(name) {
        Err(DestinationError::Missing { .. }) => Ok(()),
        other => other,
    }
}

/// Always the same for a name, so that a restore that goes on finds what an earlier one left.
fn stage_name(name: &[u8]) -> Vec<u8> {
    let hash = crypto::hash(name).to_string();
    format!(".rozen-restore-{}", &hash[..32]).into_bytes()
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
    fn an_unfinished_file_is_done_again_but_a_sticky_file_of_the_user_is_not_taken_for_one() {
        let entry = Entry::test_file(3);
        let unfinished = Stat { mode: 0o1600, mtime: Timestamp::new(1, 2), ..stat_of(&entry) };
        assert_eq!(decide(Overwrite::Never, &unfinished, &entry), Decision::Redo);
        let sticky = Entry { mode: 0o1644, ..entry };
        assert_eq!(decide(Overwrite::Never, &unfinished, &sticky), Decision::Keep);
    }
}
