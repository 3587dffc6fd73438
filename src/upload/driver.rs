//! Carries out what the machine asks for; what concerns parts is in `parts`.

use std::fs;
use std::io;
use std::path::Path;

use super::parts::ByParts;
use super::spool::{self, is_verdict};
use super::state::{Action, Event, Machine, Refusal, State, Way};
use super::{Body, Durable, Origin, Role, SpooledObject, UploadError};
use crate::crypto::hash;
use crate::fault;
use crate::journal::Journal;
use crate::store::{Disposition, PutOutcome, PutSource, Store, StoreError};

/// Uploads spooled objects, from any number of threads. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Uploader {
    pub(super) store: Store,
    pub(super) journal: Journal,
}

impl Uploader {
    pub fn new(store: Store, journal: Journal) -> Self {
        Self { store, journal }
    }

    /// Blocks until the object is durable and recorded. After an error it may be called again with the same object.
    pub fn upload<T>(&self, object: SpooledObject<T>) -> Result<Durable<T>, UploadError> {
        let by_parts = self.by_parts(&object)?;
        let way = if by_parts.is_some() { Way::Parts } else { Way::Whole };
        let mut machine = Machine::new(first_state(&object.body), object.role, way);
        let mut is_new = false;
        loop {
            let action = machine.action();
            if action == Action::Finish {
                return Ok(Durable::new(object));
            }
            let event = match &by_parts {
                Some(by_parts) if action.is_by_parts() => match by_parts.act(action) {
                    Err(error) if !is_new && action.is_of_begun_upload() && error.is_refusal() => {
                        tracing::warn!(name = %object.name, %error, "an upload that was begun earlier is of no use; it begins again");
                        Event::Refused
                    }
                    answer => answer?,
                },
                _ => self.act(action, &object)?,
            };
            is_new |= action == Action::Create;
            machine = machine.apply(event).map_err(|refusal| refused(refusal, &object))?;
        }
    }

    /// Large packs go by parts where the target wants it, and so does a pack whose upload was begun under other rules.
    /// Other objects are small, and nobody keeps books of them.
    fn by_parts<'a, T>(&'a self, object: &'a SpooledObject<T>) -> Result<Option<ByParts<'a>>, UploadError> {
        let (Role::Pack, Some(path), Some(rules)) = (object.role, object.body.path(), self.store.part_rules()) else {
            return Ok(None);
        };
        let by_parts = ByParts {
            store: &self.store,
            journal: &self.journal,
            rules,
            name: &object.name,
            pack: &object.hash,
            path,
            size: object.size,
            class: object.class,
        };
        Ok((object.size > rules.threshold || by_parts.is_begun()?).then_some(by_parts))
    }

    fn act<T>(&self, action: Action, object: &SpooledObject<T>) -> Result<Event, UploadError> {
        match action {
            Action::VerifySpool => verify_spool(object),
            Action::Put => self.put(object),
            Action::Head => self.head(object),
            Action::Compare => self.compare(object),
            Action::Record => self.record(object),
            Action::RemoveSpool => remove_spool(&object.body),
            Action::Recall
            | Action::Sweep
            | Action::Create
            | Action::CheckParts
            | Action::SendParts
            | Action::Complete
            | Action::EndUpload
            | Action::Finish => unreachable!("{action:?} is not for whole objects"),
        }
    }

    fn put<T>(&self, object: &SpooledObject<T>) -> Result<Event, UploadError> {
        let source = match &object.body {
            Body::File { path, .. } if !Self::is_fit(path, object.size)? => return Ok(Event::SpoolUnusable),
            Body::File { path, .. } => PutSource::File { path, may_move: true },
            Body::Bytes(bytes) => PutSource::Bytes(bytes),
        };
        let event = match self.store.put_if_absent(&object.name, source, object.class) {
            Ok(PutOutcome::Created) => Event::Created,
            Ok(PutOutcome::AlreadyThere) => Event::AlreadyThere,
            Err(StoreError::Conflict { .. }) => Event::Different,
            Err(StoreError::Spool { source, .. }) if is_verdict(&source) => Event::SpoolUnusable,
            Err(error) => return Err(UploadError::of_target(&object.name, error)),
        };
        fault::point("upload.stored");
        Ok(event)
    }

    /// What its name is the hash of has that length, and is on the disk.
    fn is_fit(path: &Path, size: u64) -> Result<bool, UploadError> {
        Ok(spool::is_whole(path, size)? && spool::is_settled(path)?)
    }

    fn head<T>(&self, object: &SpooledObject<T>) -> Result<Event, UploadError> {
        match self.store.head(&object.name) {
            Ok(Some(info)) if info.size == object.size => Ok(Event::Same),
            Ok(Some(_)) => Ok(Event::Different),
            Ok(None) => Ok(Event::Absent),
            Err(error) => Err(UploadError::of_target(&object.name, error)),
        }
    }

    fn compare<T>(&self, object: &SpooledObject<T>) -> Result<Event, UploadError> {
        match self.store.get(&object.name, object.size) {
            // reading proves nothing about its name; looking for it makes it durable
            Ok(bytes) if hash(&bytes) == object.hash => self.head(object),
            Ok(_) | Err(StoreError::TooLarge { .. }) => Ok(Event::Different),
            Err(error) if error.disposition() == Disposition::NotFound => Ok(Event::Absent),
            Err(error) => Err(UploadError::of_target(&object.name, error)),
        }
    }

    fn record<T>(&self, object: &SpooledObject<T>) -> Result<Event, UploadError> {
        match object.role {
            Role::Pack => {
                self.journal.pack_durable(&object.hash).map_err(|error| UploadError::of_journal(&object.name, error))?
            }
            Role::Hashed | Role::Numbered => {}
        }
        fault::point("upload.recorded");
        Ok(Event::Recorded)
    }
}

fn first_state(body: &Body) -> State {
    match body {
        Body::File { origin: Origin::EarlierProcess, .. } => State::Unverified,
        Body::File { origin: Origin::ThisProcess, .. } | Body::Bytes(_) => State::Ready,
    }
}

fn verify_spool<T>(object: &SpooledObject<T>) -> Result<Event, UploadError> {
    let Some(path) = object.body.path() else { return Ok(Event::SpoolSound) };
    let is_sound = spool::is_whole(path, object.size)? && spool::has_hash(path, &object.hash)?;
    Ok(if is_sound { Event::SpoolSound } else { Event::SpoolUnusable })
}

/// A file that cannot be removed costs space only; whoever opens the spool finds it without a row and removes it.
fn remove_spool(body: &Body) -> Result<Event, UploadError> {
    if let Some(path) = body.path()
        && let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "cannot remove an uploaded spool file");
    }
    Ok(Event::SpoolRemoved)
}

fn refused<T>(refusal: Refusal, object: &SpooledObject<T>) -> UploadError {
    let name = object.name.clone();
    match (refusal, object.role) {
        (Refusal::Lost, _) => UploadError::Lost { name },
        (Refusal::Unsettled, _) => UploadError::Unsettled { name },
        (Refusal::OtherContent, Role::Numbered) => UploadError::Taken { name },
        (Refusal::OtherContent, Role::Pack | Role::Hashed) => UploadError::Damaged { name },
    }
}
