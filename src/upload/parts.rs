//! Carries out what the machine asks for where a pack goes by parts. The journal's row is read anew for each action: it
//! is the truth about an upload, and nothing else is remembered.

use std::collections::HashMap;
use std::path::Path;

use super::UploadError;
use super::layout::Layout;
use super::orphans;
use super::send::Shipment;
use super::spool;
use super::state::{Action, Event};
use crate::fault;
use crate::journal::{Journal, JournalError, PartRow, UploadRow, UploadState};
use crate::model::{ObjectHash, StorageClass, with_causes};
use crate::store::{
    CompleteOutcome, ObjectName, PartReceipt, PartRules, PartSource, Store, StoreError, Upload, UploadId,
};

/// One pack on its way by parts.
pub(super) struct ByParts<'a> {
    pub(super) store: &'a Store,
    pub(super) journal: &'a Journal,
    pub(super) rules: PartRules,
    pub(super) name: &'a ObjectName,
    pub(super) pack: &'a ObjectHash,
    /// Of the spool file.
    pub(super) path: &'a Path,
    /// Of the pack, in bytes.
    pub(super) size: u64,
    pub(super) class: StorageClass,
}

impl ByParts<'_> {
    /// Did an earlier call begin an upload and not end it?
    pub(super) fn is_begun(&self) -> Result<bool, UploadError> {
        Ok(self.row()?.is_some())
    }

    pub(super) fn act(&self, action: Action) -> Result<Event, UploadError> {
        match action {
            Action::Recall => self.recall(),
            Action::Sweep => {
                orphans::end_all_named(self.store, self.name);
                Ok(Event::Swept)
            }
            Action::Create => self.create(),
            Action::CheckParts => self.check_parts(),
            Action::SendParts => self.send_parts(),
            Action::Complete => self.complete(),
            Action::EndUpload => self.end(),
            _ => unreachable!("{action:?} is not of parts alone"),
        }
    }

    fn recall(&self) -> Result<Event, UploadError> {
        Ok(match self.row()?.map(|row| row.state) {
            None => Event::NothingBegun,
            Some(UploadState::Creating) => Event::CreateUnanswered,
            Some(UploadState::Uploading { .. }) => Event::UploadOpen,
            Some(UploadState::Completing { .. }) => Event::CompleteUnanswered,
        })
    }

    fn create(&self) -> Result<Event, UploadError> {
        let part_bytes = self.rules.size_for(self.size);
        self.noted(self.journal.upload_announced(self.pack, self.name.as_str(), part_bytes))?;
        fault::point("upload.announced");
        let created = self.store.create_upload(self.name, self.class);
        let id = created.map_err(|error| UploadError::of_target(self.name, error))?;
        fault::point("upload.created");
        self.noted(self.journal.upload_created(self.pack, id.as_str()))?;
        Ok(Event::UploadOpen)
    }

    /// What the target does not hold as its receipt says loses the receipt. What it holds without a receipt gets one when its
    /// checksum is that of our bytes: its answer was lost, nothing else. A list that these credentials may not see contradicts no
    /// receipt.
    fn check_parts(&self) -> Result<Event, UploadError> {
        let (upload, row) = self.open_upload()?;
        let held = match self.store.list_parts(&upload) {
            Ok(Some(held)) => held,
            Ok(None) | Err(StoreError::UploadGone { .. }) => return Ok(Event::UploadGone),
            Err(error) if error.is_missing_right() => {
                tracing::warn!(name = %self.name, error = with_causes(&error), "what the target has of an upload cannot be asked; its receipts count");
                return Ok(Event::PartsAgree);
            }
            Err(error) => return Err(UploadError::of_target(self.name, error)),
        };
        let held: HashMap<u32, &PartReceipt> = held.iter().map(|part| (part.number, part)).collect();
        let is_held = |part: &PartRow| {
            held.get(&part.number).is_some_and(|held| {
                let same_sum = held.crc64.zip(part.crc64).is_none_or(|(held, sent)| held == sent);
                same_sum && (held.size, &held.etag) == (part.size, &part.etag)
            })
        };
        let (kept, lost): (Vec<&PartRow>, Vec<_>) = row.parts.iter().partition(|part| is_held(part));
        let (kept, lost) = (numbers(&kept), numbers(&lost));
        let event = if lost.is_empty() { Event::PartsAgree } else { Event::PartsDiffer };
        if !lost.is_empty() {
            tracing::warn!(name = %self.name, parts = ?lost, "the target holds parts of an upload otherwise than before");
            self.noted(self.journal.parts_lost(self.pack, &lost))?;
        }
        let layout = Layout { size: self.size, part_bytes: row.part_bytes };
        for number in layout.numbers().filter(|number| !kept.contains(number)) {
            if let Some(part) = held.get(&number) {
                self.adopt(part, layout)?;
            }
        }
        Ok(event)
    }

    fn adopt(&self, listed: &PartReceipt, layout: Layout) -> Result<(), UploadError> {
        let (offset, len) = layout.range(listed.number);
        match self.store.recognise_part(listed, PartSource { path: self.path, offset, len }) {
            Ok(Some(receipt)) => self.noted(self.journal.part_sent(self.pack, &row_of(receipt))),
            // sending it meets the same trouble, and knows what to do
            Ok(None) | Err(StoreError::Spool { .. }) => Ok(()),
            Err(error) => Err(UploadError::of_target(self.name, error)),
        }
    }

    fn send_parts(&self) -> Result<Event, UploadError> {
        if !spool::is_whole(self.path, self.size)? || !spool::is_settled(self.path)? {
            return Ok(Event::SpoolUnusable);
        }
        let (upload, row) = self.open_upload()?;
        let layout = Layout { size: self.size, part_bytes: row.part_bytes };
        let sent: Vec<u32> = row.parts.iter().map(|part| part.number).collect();
        let missing = layout.numbers().filter(|number| sent.binary_search(number).is_err()).collect();
        let shipment = Shipment::new(self.store, self.journal, &upload, self.pack, self.path, layout, missing);
        shipment.send(self.rules.in_flight)
    }

    fn complete(&self) -> Result<Event, UploadError> {
        let (upload, row) = self.open_upload()?;
        self.noted(self.journal.upload_completing(self.pack))?;
        fault::point("upload.completing");
        let receipts: Vec<PartReceipt> = row.parts.into_iter().map(receipt_of).collect();
        let event = match self.store.complete_upload(&upload, &receipts) {
            Ok(CompleteOutcome::Created) => Event::Created,
            Ok(CompleteOutcome::AlreadyThere) => Event::AlreadyThere,
            Ok(CompleteOutcome::UploadGone) | Err(StoreError::UploadGone { .. }) => Event::UploadGone,
            Ok(CompleteOutcome::PartsDiffer) => Event::PartsDiffer,
            Ok(CompleteOutcome::Conflict) => Event::Conflict,
            Err(error) => return Err(UploadError::of_target(self.name, error)),
        };
        fault::point("upload.completed");
        Ok(event)
    }

    /// An upload that cannot be ended is left to the next start, which finds it as one that nobody knows: tidiness
    /// never stops a backup.
    fn end(&self) -> Result<Event, UploadError> {
        match self.row()?.map(|row| row.state) {
            None => return Ok(Event::UploadEnded),
            Some(UploadState::Creating) => drop(orphans::end_all_named(self.store, self.name)),
            Some(UploadState::Uploading { upload }) => {
                orphans::end(self.store, &self.upload(upload));
            }
            // the target may still be making the object of it, whatever it answered: the next look for orphans ends it
            Some(UploadState::Completing { .. }) => {}
        }
        self.noted(self.journal.upload_ended(self.pack))?;
        Ok(Event::UploadEnded)
    }

    fn row(&self) -> Result<Option<UploadRow>, UploadError> {
        self.noted(self.journal.upload_of(self.pack))
    }

    fn open_upload(&self) -> Result<(Upload, UploadRow), UploadError> {
        let row = self.row()?;
        match row.as_ref().map(|row| row.state.clone()) {
            Some(UploadState::Uploading { upload } | UploadState::Completing { upload }) => {
                Ok((self.upload(upload), row.expect("its state was read")))
            }
            Some(UploadState::Creating) | None => self.noted(Err(JournalError::UnknownUpload { pack: *self.pack })),
        }
    }

    fn upload(&self, id: String) -> Upload {
        Upload { name: self.name.clone(), id: UploadId::new(id) }
    }

    fn noted<T>(&self, result: Result<T, JournalError>) -> Result<T, UploadError> {
        result.map_err(|error| UploadError::of_journal(self.name, error))
    }
}

fn numbers(parts: &[&PartRow]) -> Vec<u32> {
    parts.iter().map(|part| part.number).collect()
}

pub(super) fn row_of(receipt: PartReceipt) -> PartRow {
    let PartReceipt { number, size, etag, crc64 } = receipt;
    PartRow { number, size, etag, crc64 }
}

fn receipt_of(row: PartRow) -> PartReceipt {
    let PartRow { number, size, etag, crc64 } = row;
    PartReceipt { number, size, etag, crc64 }
}
