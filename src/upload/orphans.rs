//! Uploads of ours that nobody goes on with: a target keeps, and bills, their parts for ever.
//!
//! Only names below our own prefix are touched. That something cannot be ended is told in the log and never stops a
//! backup.

use super::Uploader;
use crate::journal::JournalError;
use crate::model::with_causes;
use crate::store::{ObjectName, Store, StoreError, Upload, UploadId};

/// What was done about them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Orphans {
    pub ended: u64,
    /// They stay for the next time.
    pub failed: u64,
}

impl Uploader {
    /// Ends the uploads of packs that were forgotten. Asks for nothing where there are none.
    pub fn end_forgotten(&self) -> Result<Orphans, JournalError> {
        let mut orphans = Orphans::default();
        for orphan in self.journal.uploads_orphaned()? {
            let is_ended = match (ObjectName::parse(&orphan.name), orphan.upload) {
                (Ok(name), Some(id)) => end(&self.store, &Upload { name, id: UploadId::new(id) }),
                (Ok(name), None) => end_all_named(&self.store, &name),
                // no target has an upload of what is no name
                (Err(_), _) => true,
            };
            orphans.count(is_ended);
            if is_ended {
                self.journal.orphan_ended(orphan.key)?;
            }
        }
        Ok(orphans)
    }

    /// Ends the uploads that the target holds below `prefix` (of this machine alone) and the journal does not know. Costs
    /// one list of uploads; nothing where the target takes whole objects. Only while nothing is being uploaded: an
    /// upload that has just begun is not yet known.
    pub fn end_unknown(&self, prefix: &str) -> Result<Orphans, JournalError> {
        let mut orphans = Orphans::default();
        if self.store.part_rules().is_none() {
            return Ok(orphans);
        }
        let known = self.journal.uploads_open()?;
        match self.store.list_uploads(prefix) {
            Ok(uploads) => {
                let ours = uploads.iter().filter(|upload| upload.name.as_str().starts_with(prefix));
                let unknown = ours.filter(|upload| !known.contains(upload.id.as_str()));
                unknown.for_each(|upload| orphans.count(end(&self.store, upload)));
            }
            Err(error) => {
                tracing::warn!(
                    error = with_causes(&error),
                    prefix,
                    "uploads that nobody goes on with cannot be looked for"
                );
                orphans.failed += 1;
            }
        }
        Ok(orphans)
    }
}

impl Orphans {
    pub fn and(self, other: Orphans) -> Orphans {
        Orphans { ended: self.ended + other.ended, failed: self.failed + other.failed }
    }

    fn count(&mut self, is_ended: bool) {
        *(if is_ended { &mut self.ended } else { &mut self.failed }) += 1;
    }
}

/// Ends all uploads of exactly this name.
pub(super) fn end_all_named(store: &Store, name: &ObjectName) -> bool {
    match store.list_uploads(name.as_str()) {
        Ok(uploads) => {
            let own = uploads.iter().filter(|upload| upload.name == *name);
            // each of them, also after one that cannot be ended
            own.filter(|upload| !end(store, upload)).count() == 0
        }
        Err(error) => {
            tracing::warn!(error = with_causes(&error), %name, "uploads that were begun and not ended cannot be looked for");
            false
        }
    }
}

/// An upload that is not there is ended, and so are all of a target that has none. Where an object of its name is there, the
/// upload may be what became of it, and some servers would take the object's bytes with it: it is left to the target, as
/// stray parts cost less than a pack.
pub(super) fn end(store: &Store, upload: &Upload) -> bool {
    match store.head(&upload.name) {
        Ok(None) => {}
        Ok(Some(_)) => return true,
        Err(error) => {
            tracing::warn!(error = with_causes(&error), name = %upload.name, "an upload that is not needed is left: its object cannot be looked for");
            return false;
        }
    }
    match store.abort_upload(upload) {
        Ok(()) | Err(StoreError::UploadGone { .. } | StoreError::NotOffered { .. }) => true,
        Err(error) => {
            tracing::warn!(error = with_causes(&error), name = %upload.name, "an upload that is not needed cannot be ended");
            false
        }
    }
}
