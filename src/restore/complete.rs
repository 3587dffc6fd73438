//! What is there already and looks the same: its metadata is compared, and set or told where it differs.

use super::Overwrite;
use super::batch::Item;
use super::context::ItemError;
use super::report::Count;
use super::worker::Worker;
use crate::model::{Entry, EntryKind};
use crate::source::{DestFile, DestinationError, Stat};

impl Worker<'_, '_> {
    /// What is there and looks the same. What differs in its metadata is set where that was asked for, and told where it was not.
    /// `false`: it must be made anew.
    pub(super) fn complete(&mut self, item: &Item, found: &Stat) -> Result<bool, ItemError> {
        let may_set = self.context.options.overwrite != Overwrite::Never;
        let differences = self.differences(item, found)?;
        match differences.is_empty() {
            false if may_set && is_of_others(found, &item.entry) => return Ok(false),
            false if may_set => self.refresh(item, found)?,
            false => self.context.differs(&item.path(), &differences),
            true => {}
        }
        let is_set = !differences.is_empty() && may_set;
        // a restore that was cut off gave it its flags no more
        if is_set || (found.mode == item.entry.mode && found.lacks_protection(&item.entry)) {
            self.protect_later(item)?;
        }
        self.context.note_unreadable(&item.path(), &item.entry);
        self.link_source(item, found);
        self.context.count(Count::Skipped);
        Ok(true)
    }

    fn differences(&mut self, item: &Item, found: &Stat) -> Result<Vec<&'static str>, ItemError> {
        let file = match item.entry.kind {
            EntryKind::File => match item.dir.open_file(&item.name) {
                // of files of one's own, too, much can be seen without reading them
                Err(DestinationError::Permission { .. }) => None,
                opened => Some(opened?),
            },
            _ => None,
        };
        let node = if file.is_none() { Some(item.dir.open_node(&item.name)?) } else { None };
        let Some(target) = file.as_ref().map(DestFile::target).or(node.as_ref().map(|node| node.target())) else {
            return Ok(vec![]);
        };
        let problems = self.metadata.time_of(target, found, &item.entry);
        self.context.metadata_problems(&item.path(), problems);
        Ok(self.metadata.differences(target, found, &item.entry))
    }

    /// Only what may be replaced gets its metadata again.
    fn refresh(&mut self, item: &Item, found: &Stat) -> Result<(), ItemError> {
        let problems = match item.entry.kind {
            EntryKind::File => {
                let file = item.dir.open_file(&item.name)?;
                if found.is_protected() {
                    file.unprotect()?;
                }
                self.metadata.apply(file.target(), &item.entry)?
            }
            _ => self.metadata.apply(item.dir.open_node(&item.name)?.target(), &item.entry)?,
        };
        self.context.metadata_problems(&item.path(), problems);
        Ok(())
    }
}

/// An owner and his rights are given to what was written here, not to what only has the same size and time: another name, perhaps
/// outside of the destination, may be somebody's, and setuid would run what he wrote.
fn is_of_others(found: &Stat, entry: &Entry) -> bool {
    let is_capable = entry.xattrs.iter().flatten().any(|xattr| xattr.name == b"security.capability");
    found.nlink > 1 || (entry.kind == EntryKind::File && (entry.mode & 0o6000 != 0 || is_capable))
}
