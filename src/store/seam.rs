//! [`Store`], the verbs, and the private trait that every kind of store and every decorator implements.

use std::path::Path;
use std::sync::Arc;

use super::dir::DirStore;
use super::fault::{Faults, FaultyStore};
use super::memory::MemoryStore;
use super::record::{Recorder, RecordingStore};
use super::retry::{RetryPolicy, RetryingStore};
use super::{ObjectName, StoreError, StoreUrl};
use crate::clock::Clock;

/// Where the bytes of a new object come from.
#[derive(Clone, Copy, Debug)]
pub enum PutSource<'a> {
    Bytes(&'a [u8]),
    /// A complete local file. With `may_move` the store may make the file itself the object: then nobody may write to
    /// it any more, and the path may or may not still exist after a success; the caller removes what is left.
    File {
        path: &'a Path,
        may_move: bool,
    },
}

/// How a put succeeded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PutOutcome {
    Created,
    /// An object of this name and the same size was there before; its bytes were not compared.
    AlreadyThere,
}

/// One line of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    pub name: ObjectName,
    pub size: u64,
}

/// The verbs as kinds and decorators implement them; [`Store`] documents them.
pub(super) trait Backend: Send + Sync {
    fn put_if_absent(&self, name: &ObjectName, source: PutSource<'_>) -> Result<PutOutcome, StoreError>;
    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError>;
    fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError>;
    fn head(&self, name: &ObjectName) -> Result<Option<u64>, StoreError>;
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError>;
    fn delete(&self, name: &ObjectName) -> Result<(), StoreError>;
}

/// A handle to a target. Cloning is cheap; all clones share the connection.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    place: Arc<str>,
}

impl Store {
    /// Opens an existing target; writes nothing, so that a read-only medium can be read.
    pub fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Dir(path) => Ok(Self::new(DirStore::open(path)?, url.to_string())),
        }
    }

    /// As [`Store::open`], but makes the target where it is missing (durable on return).
    pub fn create(url: &StoreUrl) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Dir(path) => Ok(Self::new(DirStore::create(path)?, url.to_string())),
        }
    }

    /// An empty store that lives as long as its handles: for tests.
    pub fn memory() -> Self {
        Self::new(MemoryStore::default(), "memory".to_owned())
    }

    /// Errors that may go away by themselves are tried again, with growing delays.
    pub fn retrying(self, policy: RetryPolicy, clock: Clock) -> Self {
        self.wrapped(|inner| RetryingStore::new(inner, policy, clock))
    }

    /// Counts calls and bytes.
    pub fn recording(self) -> (Self, Recorder) {
        let recorder = Recorder::default();
        (self.wrapped(|inner| RecordingStore::new(inner, recorder.clone())), recorder)
    }

    /// Fails when told to: for tests.
    pub fn failing(self) -> (Self, Faults) {
        let faults = Faults::default();
        (self.wrapped(|inner| FaultyStore::new(inner, faults.clone())), faults)
    }

    /// Stores a whole object under a name that nobody has taken.
    ///
    /// Atomic; durable on return, also for [`PutOutcome::AlreadyThere`]; may be repeated. An object of the same name and
    /// another size is [`StoreError::Conflict`]. Nothing is ever replaced.
    pub fn put_if_absent(&self, name: &ObjectName, source: PutSource<'_>) -> Result<PutOutcome, StoreError> {
        self.backend.put_if_absent(name, source)
    }

    /// The whole object; [`StoreError::TooLarge`] before anything is read when it has more than `limit` bytes.
    pub fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.backend.get(name, limit)
    }

    /// Exactly `len` bytes from `offset`; [`StoreError::OutOfRange`] when the object ends before.
    pub fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        self.backend.get_range(name, offset, len)
    }

    /// Size in bytes; `None` when the target surely does not hold it.
    pub fn head(&self, name: &ObjectName) -> Result<Option<u64>, StoreError> {
        self.backend.head(name)
    }

    /// All objects whose names begin with the text `prefix` (empty for all), in byte order of their names, complete
    /// for what was stored before the call. It is no part of the backup path; the list is held in memory.
    pub fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.backend.list(prefix)
    }

    /// Only for an admin (prune): the credentials of a machine need not allow it. An object that is not there is
    /// deleted already.
    pub fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.backend.delete(name)
    }

    /// For people: where it is.
    pub fn place(&self) -> &str {
        &self.place
    }

    fn new(backend: impl Backend + 'static, place: String) -> Self {
        Self { backend: Arc::new(backend), place: place.into() }
    }

    fn wrapped<B: Backend + 'static>(self, wrap: impl FnOnce(Arc<dyn Backend>) -> B) -> Self {
        Self { backend: Arc::new(wrap(self.backend)), place: self.place }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.place)
    }
}
