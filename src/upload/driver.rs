//! Carries out what the machine asks for.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::state::{Action, Event, Refusal, State};
use super::{Body, Durable, Origin, Role, SpooledObject, UploadError};
use crate::crypto::{ObjectHasher, hash};
use crate::fault;
use crate::journal::Journal;
use crate::model::{ObjectHash, StorageClass};
use crate::store::{Disposition, PutOutcome, PutSource, Store, StoreError};

/// Uploads spooled objects, from any number of threads. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Uploader {
    store: Store,
    journal: Journal,
}

const READ_BUFFER_BYTES: usize = 256 * 1024;

impl Uploader {
    pub fn new(store: Store, journal: Journal) -> Self {
        Self { store, journal }
    }

    /// Blocks until the object is durable and recorded. After an error it may be called again with the same object.
    pub fn upload<T>(&self, object: SpooledObject<T>) -> Result<Durable<T>, UploadError> {
        let mut state = first_state(&object.body);
        loop {
            let action = state.action(object.role);
            if action == Action::Finish {
                return Ok(Durable::new(object));
            }
            let event = self.act(action, &object)?;
            state = state.apply(object.role, event).map_err(|refusal| refused(refusal, &object))?;
        }
    }

    fn act<T>(&self, action: Action, object: &SpooledObject<T>) -> Result<Event, UploadError> {
        match action {
            Action::VerifySpool => verify_spool(object),
            Action::Put => self.put(object),
            Action::Head => self.head(object),
            Action::Compare => self.compare(object),
            Action::Record => self.record(object),
            Action::RemoveSpool => remove_spool(&object.body),
            Action::Finish => unreachable!("the loop ends before"),
        }
    }

    fn put<T>(&self, object: &SpooledObject<T>) -> Result<Event, UploadError> {
        let source = match &object.body {
            Body::File { path, .. } => PutSource::File { path, may_move: true },
            Body::Bytes(bytes) => PutSource::Bytes(bytes),
        };
        let event = match self.store.put_if_absent(&object.name, source, StorageClass::Standard) {
            Ok(PutOutcome::Created) => Event::Created,
            Ok(PutOutcome::AlreadyThere) => Event::AlreadyThere,
            Err(StoreError::Conflict { .. }) => Event::Different,
            Err(StoreError::Spool { source, .. }) if source.kind() == io::ErrorKind::NotFound => Event::SpoolUnusable,
            Err(error) => return Err(target_error(object, error)),
        };
        fault::point("upload.stored");
        Ok(event)
    }

    fn head<T>(&self, object: &SpooledObject<T>) -> Result<Event, UploadError> {
        match self.store.head(&object.name) {
            Ok(Some(info)) if info.size == object.size => Ok(Event::Same),
            Ok(Some(_)) => Ok(Event::Different),
            Ok(None) => Ok(Event::Absent),
            Err(error) => Err(target_error(object, error)),
        }
    }

    fn compare<T>(&self, object: &SpooledObject<T>) -> Result<Event, UploadError> {
        match self.store.get(&object.name, object.size) {
            // reading proves nothing about its name; looking for it makes it durable
            Ok(bytes) if hash(&bytes) == object.hash => self.head(object),
            Ok(_) | Err(StoreError::TooLarge { .. }) => Ok(Event::Different),
            Err(error) if error.disposition() == Disposition::NotFound => Ok(Event::Absent),
            Err(error) => Err(target_error(object, error)),
        }
    }

    fn record<T>(&self, object: &SpooledObject<T>) -> Result<Event, UploadError> {
        match object.role {
            Role::Pack => self
                .journal
                .pack_durable(&object.hash)
                .map_err(|source| UploadError::Journal { name: object.name.clone(), source: Box::new(source) })?,
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
        (Refusal::OtherContent, Role::Numbered) => UploadError::Taken { name },
        (Refusal::OtherContent, Role::Pack | Role::Hashed) => UploadError::Damaged { name },
    }
}

fn target_error<T>(object: &SpooledObject<T>, error: StoreError) -> UploadError {
    match error {
        StoreError::Spool { path, source } => UploadError::Spool { path, source },
        source => UploadError::Target { name: object.name.clone(), source },
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rustix::io::Errno;

    use super::*;
    use crate::journal::{PackKind, PackRow};
    use crate::store::{Moment, ObjectName, StoreUrl, Verb};

    struct Bench {
        dir: tempfile::TempDir,
        journal: Journal,
        store: Store,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let journal = Journal::open(&dir.path().join("state")).unwrap();
            let store = Store::create(&StoreUrl::from_path(&dir.path().join("repo")).unwrap()).unwrap();
            Self { dir, journal, store }
        }

        fn uploader(&self) -> Uploader {
            Uploader::new(self.store.clone(), self.journal.clone())
        }

        fn pack(&self, bytes: &[u8], origin: Origin) -> SpooledObject<&'static str> {
            let path: PathBuf = self.dir.path().join("spooled");
            fs::write(&path, bytes).unwrap();
            let (hash, size) = (hash(bytes), bytes.len() as u64);
            let row = PackRow { hash, kind: PackKind::Data, size, spool_path: Some(path.clone()) };
            self.journal.pack_spooled(&row, &[], &[]).unwrap();
            let name = ObjectName::parse(&format!("packs/{hash}")).unwrap();
            SpooledObject { what: "pack", role: Role::Pack, name, body: Body::File { path, origin }, size, hash }
        }

        fn waiting(&self) -> usize {
            self.journal.packs_spooled().unwrap().len()
        }
    }

    fn manifest(bytes: &[u8]) -> SpooledObject<()> {
        let name = ObjectName::parse("snapshots/1").unwrap();
        let (hash, size) = (hash(bytes), bytes.len() as u64);
        SpooledObject { what: (), role: Role::Numbered, name, body: Body::Bytes(bytes.to_vec()), size, hash }
    }

    #[test]
    fn a_pack_is_stored_recorded_and_gone_from_the_spool() {
        for origin in [Origin::ThisProcess, Origin::EarlierProcess] {
            let bench = Bench::new();
            let pack = bench.pack(b"content", origin);
            let durable = bench.uploader().upload(pack.clone()).unwrap();
            assert_eq!(bench.store.get(durable.name(), 100).unwrap(), b"content");
            assert_eq!((bench.waiting(), bench.journal.packs_unindexed().unwrap().len()), (0, 1));
            assert!(!pack.body.path().unwrap().exists());
        }
    }

    #[test]
    fn a_damaged_spool_file_of_an_earlier_process_never_reaches_the_target() {
        let bench = Bench::new();
        let pack = bench.pack(b"content", Origin::EarlierProcess);
        fs::write(pack.body.path().unwrap(), b"kontent").unwrap();
        let error = bench.uploader().upload(pack.clone()).unwrap_err();
        assert!(matches!(error, UploadError::Lost { .. }), "{error}");
        assert_eq!(bench.store.head(&pack.name).unwrap(), None);
        assert_eq!(bench.waiting(), 1);
    }

    #[test]
    fn an_upload_that_ended_without_its_record_is_recognised() {
        let bench = Bench::new();
        let pack = bench.pack(b"content", Origin::EarlierProcess);
        bench.store.put_if_absent(&pack.name, PutSource::Bytes(b"content"), StorageClass::Standard).unwrap();
        fs::remove_file(pack.body.path().unwrap()).unwrap();
        let _ = bench.uploader().upload(pack).unwrap();
        assert_eq!(bench.waiting(), 0);
    }

    #[test]
    fn after_an_error_of_the_target_the_same_object_can_be_uploaded_again() {
        for moment in [Moment::Before, Moment::After] {
            let mut bench = Bench::new();
            let (failing, faults) = bench.store.clone().failing();
            bench.store = failing;
            let pack = bench.pack(b"content", Origin::ThisProcess);
            faults.fail_nth(Verb::Put, 1, moment, Errno::NOSPC);
            let error = bench.uploader().upload(pack.clone()).unwrap_err();
            assert!(matches!(&error, UploadError::Target { source, .. } if source.disposition() == Disposition::Full));
            assert_eq!(bench.waiting(), 1);
            let _ = bench.uploader().upload(pack).unwrap();
            assert_eq!(bench.waiting(), 0);
        }
    }

    #[test]
    fn a_number_that_is_taken_by_the_same_bytes_is_ours_and_by_others_is_not() {
        let bench = Bench::new();
        let _ = bench.uploader().upload(manifest(b"mine")).unwrap();
        let _ = bench.uploader().upload(manifest(b"mine")).unwrap();
        for other in [&b"ours"[..], b"longer than mine"] {
            let error = bench.uploader().upload(manifest(other)).unwrap_err();
            assert!(matches!(error, UploadError::Taken { .. }), "{error}");
        }
        assert_eq!(bench.store.get(&manifest(b"").name, 100).unwrap(), b"mine");
    }

    #[test]
    fn an_object_of_another_size_than_its_hash_stands_for_is_reported_as_damage() {
        let bench = Bench::new();
        let pack = bench.pack(b"content", Origin::ThisProcess);
        bench.store.put_if_absent(&pack.name, PutSource::Bytes(b"cont"), StorageClass::Standard).unwrap();
        let error = bench.uploader().upload(pack).unwrap_err();
        assert!(matches!(error, UploadError::Damaged { .. }), "{error}");
        assert_eq!(bench.waiting(), 1);
    }
}
