//! Carries out what the machine asks for; what concerns parts is in `parts`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::parts::ByParts;
use super::state::{Action, Event, Machine, Refusal, State, Way};
use super::{Body, Durable, Origin, Role, SpooledObject, UploadError};
use crate::crypto::{ObjectHasher, hash};
use crate::fault;
use crate::journal::Journal;
use crate::model::ObjectHash;
use crate::store::{Disposition, PutOutcome, PutSource, Store, StoreError};

/// Uploads spooled objects, from any number of threads. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Uploader {
    pub(super) store: Store,
    pub(super) journal: Journal,
}

const READ_BUFFER_BYTES: usize = 256 * 1024;

impl Uploader {
    pub fn new(store: Store, journal: Journal) -> Self {
        Self { store, journal }
    }

    /// Blocks until the object is durable and recorded. After an error it may be called again with the same object.
    pub fn upload<T>(&self, object: SpooledObject<T>) -> Result<Durable<T>, UploadError> {
        let by_parts = self.by_parts(&object)?;
        let way = if by_parts.is_some() { Way::Parts } else { Way::Whole };
        let mut machine = Machine::new(first_state(&object.body), object.role, way);
        loop {
            let action = machine.action();
            if action == Action::Finish {
                return Ok(Durable::new(object));
            }
            let event = match &by_parts {
                Some(by_parts) if action.is_by_parts() => by_parts.act(action)?,
                _ => self.act(action, &object)?,
            };
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
            Body::File { path, .. } => PutSource::File { path, may_move: true },
            Body::Bytes(bytes) => PutSource::Bytes(bytes),
        };
        let event = match self.store.put_if_absent(&object.name, source, object.class) {
            Ok(PutOutcome::Created) => Event::Created,
            Ok(PutOutcome::AlreadyThere) => Event::AlreadyThere,
            Err(StoreError::Conflict { .. }) => Event::Different,
            Err(StoreError::Spool { source, .. }) if source.kind() == io::ErrorKind::NotFound => Event::SpoolUnusable,
            Err(error) => return Err(UploadError::of_target(&object.name, error)),
        };
        fault::point("upload.stored");
        Ok(event)
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

/// An I/O error is not a verdict: it is reported, and the file stays.
fn verify_spool<T>(object: &SpooledObject<T>) -> Result<Event, UploadError> {
    let Some(path) = object.body.path() else { return Ok(Event::SpoolSound) };
    match hash_file(path) {
        Ok(found) if found == object.hash => Ok(Event::SpoolSound),
        Ok(_) => Ok(Event::SpoolUnusable),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Event::SpoolUnusable),
        Err(source) => Err(UploadError::Spool { path: path.to_path_buf(), source }),
    }
}

fn hash_file(path: &Path) -> io::Result<ObjectHash> {
    let mut file = File::open(path)?;
    let mut hasher = ObjectHasher::new();
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
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
