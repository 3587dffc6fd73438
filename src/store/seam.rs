//! [`Store`], the verbs, and the private trait that every kind of store and every decorator implements.

use std::path::Path;
use std::sync::Arc;

use super::dir::DirStore;
use super::fault::{Faults, FaultyStore};
use super::limit::Limiter;
use super::memory::{MemoryStore, MemoryTarget};
use super::record::{Recorder, RecordingStore};
use super::retry::{RetryPolicy, RetryingStore};
use super::s3::S3Store;
use super::{
    CompleteOutcome, ObjectInfo, ObjectName, PartReceipt, PartRules, PartSource, Requests, StoreError, StoreUrl,
    ThawOutcome, ThawTier, Upload, UploadId, Verb, Version, VersionMark, VersionPage,
};
use crate::clock::Clock;
use crate::model::StorageClass;

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

impl PutSource<'_> {
    /// In bytes. A file that cannot be looked at counts nothing: putting it will say so.
    pub(super) fn size(&self) -> u64 {
        match self {
            PutSource::Bytes(bytes) => bytes.len() as u64,
            PutSource::File { path, .. } => std::fs::metadata(path).map_or(0, |meta| meta.len()),
        }
    }
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
    /// In bytes; 0 of an object that is there and that cannot even be looked at: no object of a repository is empty.
    pub size: u64,
    pub class: StorageClass,
}

/// Out of a list of all objects below it.
fn folders_of(prefix: &str, objects: &[Listed]) -> Vec<String> {
    let below = objects.iter().filter_map(|object| object.name.as_str().strip_prefix(prefix)?.split_once('/'));
    let mut folders: Vec<String> = below.map(|(folder, _)| folder.to_owned()).collect();
    folders.dedup();
    folders
}

/// The verbs as kinds and decorators implement them; [`Store`] documents them. What not every target offers has a
/// default that says so; a decorator hands everything on.
pub(super) trait Backend: Send + Sync {
    fn put_if_absent(
        &self,
        name: &ObjectName,
        source: PutSource<'_>,
        class: StorageClass,
    ) -> Result<PutOutcome, StoreError>;
    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError>;
    fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError>;
    fn head(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, StoreError>;
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError>;
    fn delete(&self, name: &ObjectName) -> Result<(), StoreError>;

    /// Kinds that can ask for less than all objects do so.
    fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        Ok(folders_of(prefix, &self.list(prefix)?))
    }

    fn part_rules(&self) -> Option<PartRules> {
        None
    }

    fn create_upload(&self, _name: &ObjectName, _class: StorageClass) -> Result<UploadId, StoreError> {
        Err(StoreError::NotOffered { verb: Verb::CreateUpload })
    }

    fn put_part(&self, _upload: &Upload, _number: u32, _source: PartSource<'_>) -> Result<PartReceipt, StoreError> {
        Err(StoreError::NotOffered { verb: Verb::PutPart })
    }

    fn list_parts(&self, _upload: &Upload) -> Result<Option<Vec<PartReceipt>>, StoreError> {
        Err(StoreError::NotOffered { verb: Verb::ListParts })
    }

    fn recognise_part(
        &self,
        _listed: &PartReceipt,
        _source: PartSource<'_>,
    ) -> Result<Option<PartReceipt>, StoreError> {
        Ok(None)
    }

    fn complete_upload(&self, _upload: &Upload, _parts: &[PartReceipt]) -> Result<CompleteOutcome, StoreError> {
        Err(StoreError::NotOffered { verb: Verb::CompleteUpload })
    }

    fn abort_upload(&self, _upload: &Upload) -> Result<(), StoreError> {
        Err(StoreError::NotOffered { verb: Verb::AbortUpload })
    }

    fn list_uploads(&self, _prefix: &str) -> Result<Vec<Upload>, StoreError> {
        Ok(Vec::new())
    }

    fn thaw(&self, _name: &ObjectName, _tier: ThawTier, _days: u32) -> Result<ThawOutcome, StoreError> {
        Err(StoreError::NotOffered { verb: Verb::Thaw })
    }

    fn versions(&self, _prefix: &str, _after: Option<&VersionMark>) -> Result<VersionPage, StoreError> {
        Ok(VersionPage::default())
    }

    fn remove_markers(&self, _markers: &[Version]) -> Result<(), StoreError> {
        Err(StoreError::NotOffered { verb: Verb::RemoveMarkers })
    }

    fn put_back(&self, _version: &Version, _only_if_absent: bool) -> Result<(), StoreError> {
        Err(StoreError::NotOffered { verb: Verb::PutBack })
    }

    fn has_classes(&self) -> bool {
        false
    }

    fn is_far(&self) -> bool {
        false
    }

    fn requests(&self) -> Requests {
        Requests::default()
    }
}

/// A handle to a target. Cloning is cheap; all clones share the connection.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    place: Arc<str>,
    /// Knows whether anything may still be sent.
    limiter: Limiter,
}

impl Store {
    /// Opens an existing target; writes nothing, so that a read-only medium can be read. A bucket is not even asked:
    /// the first verb tells whether it is there.
    pub fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        Self::open_limited(url, &Limiter::unlimited())
    }

    /// What its bytes pass.
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// As [`Store::open`]; bytes go no faster than the limiter allows, whatever is put around the store later, and after its
    /// wish to stop nothing new is sent.
    pub fn open_limited(url: &StoreUrl, limiter: &Limiter) -> Result<Self, StoreError> {
        let (shared, limiter) = (limiter.clone(), limiter.clone());
        let store = match url {
            StoreUrl::Dir(path) => Self::new(DirStore::open(path)?.limited(shared), url.to_string()),
            StoreUrl::S3(address) => Self::new(S3Store::open(address)?.limited(shared), url.to_string()),
        };
        Ok(Self { limiter, ..store })
    }

    /// As [`Store::open`], but makes the target where it is missing (durable on return); a bucket must be there.
    pub fn create(url: &StoreUrl) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Dir(path) => Ok(Self::new(DirStore::create(path)?, url.to_string())),
            StoreUrl::S3(address) => Ok(Self::new(S3Store::create(address)?, url.to_string())),
        }
    }

    /// An empty store that lives as long as its handles: for tests.
    pub fn memory() -> Self {
        Self::of_memory(MemoryStore::default())
    }

    /// As [`Store::memory`], but far, and with classes: what was put into an archive cannot be read.
    pub fn memory_bucket() -> Self {
        Self::of_memory(MemoryStore::bucket())
    }

    /// As [`Store::memory`], but objects go by parts; the second handle is for what happens at the target itself.
    pub fn memory_by_parts(rules: PartRules) -> (Self, MemoryTarget) {
        let target = MemoryTarget::new(rules);
        (target.store(), target)
    }

    pub(super) fn of_memory(store: MemoryStore) -> Self {
        Self::new(store, "memory".to_owned())
    }

    /// Errors that may go away by themselves are tried again, with growing delays.
    pub fn retrying(self, policy: RetryPolicy, clock: Clock) -> Self {
        let limiter = self.limiter.clone();
        self.wrapped(|inner| RetryingStore::new(inner, policy, clock, limiter))
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
    /// another size is [`StoreError::Conflict`]. Nothing is ever replaced. Targets without classes ignore `class`.
    pub fn put_if_absent(
        &self,
        name: &ObjectName,
        source: PutSource<'_>,
        class: StorageClass,
    ) -> Result<PutOutcome, StoreError> {
        self.sending(|backend| backend.put_if_absent(name, source, class))
    }

    /// The whole object; [`StoreError::TooLarge`] before anything is read when it has more than `limit` bytes.
    pub fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.backend.get(name, limit)
    }

    /// Exactly `len` bytes from `offset`; [`StoreError::OutOfRange`] when the object ends before.
    pub fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        self.backend.get_range(name, offset, len)
    }

    /// What the target tells about an object, durable on return; `None` when it surely does not hold it.
    pub fn head(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, StoreError> {
        self.backend.head(name)
    }

    /// All objects whose names begin with the text `prefix` (empty for all), in byte order of their names, complete
    /// for what was stored before the call, also where one of them cannot be looked at. It is no part of the backup path; the list is held in memory.
    pub fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.backend.list(prefix)
    }

    /// The folders that hold objects below the folder `prefix`, which ends with a slash: their own names, each once, ascending.
    /// However many objects they hold, it costs little: with S3 a request for a thousand folders.
    pub fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        debug_assert!(prefix.ends_with('/'), "{prefix:?} is no folder");
        self.backend.folders(prefix)
    }

    /// Only for an admin (prune): the credentials of a machine need not allow it. An object that is not there is
    /// deleted already.
    pub fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.backend.delete(name)
    }

    /// Whether and how large objects go by parts; `None`: this target takes whole objects only.
    pub fn part_rules(&self) -> Option<PartRules> {
        self.backend.part_rules()
    }

    /// Begins an upload by parts. Not idempotent: after a lost answer an upload exists that only
    /// [`Store::list_uploads`] shows.
    pub fn create_upload(&self, name: &ObjectName, class: StorageClass) -> Result<UploadId, StoreError> {
        self.sending(|backend| backend.create_upload(name, class))
    }

    /// Stores one part (`number` from 1), replacing an earlier one of this number; may be repeated. Durable on return
    /// as far as the target keeps uploads. [`StoreError::UploadGone`] when the target does not know the upload.
    pub fn put_part(&self, upload: &Upload, number: u32, source: PartSource<'_>) -> Result<PartReceipt, StoreError> {
        self.sending(|backend| backend.put_part(upload, number, source))
    }

    /// All parts that the target holds, in the order of their numbers; `None` when it does not know the upload.
    pub fn list_parts(&self, upload: &Upload) -> Result<Option<Vec<PartReceipt>>, StoreError> {
        self.backend.list_parts(upload)
    }

    /// The receipt of a part that [`Store::list_parts`] told of, if it was made of these bytes: what its answer would have
    /// said, had it not been lost. `None` when it was made of others, and where the target's word does not prove it. Asks
    /// the target nothing.
    pub fn recognise_part(
        &self,
        listed: &PartReceipt,
        source: PartSource<'_>,
    ) -> Result<Option<PartReceipt>, StoreError> {
        self.backend.recognise_part(listed, source)
    }

    /// Makes the object of all parts, in the order given, if no object of this name is there. An identical call may
    /// be repeated after a lost answer: any outcome but [`CompleteOutcome::Created`] then says nothing about whose object
    /// is there. Durable when `Created`.
    pub fn complete_upload(&self, upload: &Upload, parts: &[PartReceipt]) -> Result<CompleteOutcome, StoreError> {
        self.backend.complete_upload(upload, parts)
    }

    /// Ends an upload and frees its parts; an unknown upload is ended already.
    pub fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.backend.abort_upload(upload)
    }

    /// All begun uploads of objects whose names begin with `prefix`; empty where there are no uploads by parts.
    pub fn list_uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.backend.list_uploads(prefix)
    }

    /// Asks for a readable copy of an archived object for `days` days; may be repeated. [`Store::head`] tells when it
    /// is there.
    pub fn thaw(&self, name: &ObjectName, tier: ThawTier, days: u32) -> Result<ThawOutcome, StoreError> {
        self.backend.thaw(name, tier, days)
    }

    /// A page of all versions and delete markers of objects whose names begin with `prefix`, behind `after`; empty where the target
    /// keeps none.
    pub fn versions(&self, prefix: &str, after: Option<&VersionMark>) -> Result<VersionPage, StoreError> {
        self.backend.versions(prefix, after)
    }

    /// Only for an admin. Takes delete markers away, at most [`Store::MARKERS`] at once; may be repeated. No version with data is
    /// ever deleted.
    pub fn remove_markers(&self, markers: &[Version]) -> Result<(), StoreError> {
        assert!(markers.len() <= Self::MARKERS && markers.iter().all(|marker| marker.data.is_none()));
        self.sending(|backend| backend.remove_markers(markers))
    }

    /// Most that are removed at once.
    pub const MARKERS: usize = 1000;

    /// Only for an admin. Makes the bytes of a version those of its name again, by a copy in the same class above all other versions,
    /// which stay. Durable on return; may be repeated. With `only_if_absent` nothing is done where the name has bytes: then it is a
    /// [`StoreError::S3`]. [`StoreError::Archived`] for a version that must be thawed first.
    pub fn put_back(&self, version: &Version, only_if_absent: bool) -> Result<(), StoreError> {
        self.sending(|backend| backend.put_back(version, only_if_absent))
    }

    /// Whether objects can be in other classes than standard.
    pub fn has_classes(&self) -> bool {
        self.backend.has_classes()
    }

    /// Whether a request costs much beside the bytes that it brings, in time or money: then few large reads are better
    /// than many small ones, and several at once better than one after another.
    pub fn is_far(&self) -> bool {
        self.backend.is_far()
    }

    /// Requests that left the program so far, as a target that bills them counts them.
    pub fn requests(&self) -> Requests {
        self.backend.requests()
    }

    /// For people: where it is.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What was cut off by the wish to stop has no other cause.
    fn sending<T>(&self, call: impl FnOnce(&dyn Backend) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.limiter.is_stopped() {
            return Err(StoreError::Stopped);
        }
        call(&*self.backend).map_err(|error| if self.limiter.is_stopped() { StoreError::Stopped } else { error })
    }

    fn new(backend: impl Backend + 'static, place: String) -> Self {
        Self { backend: Arc::new(backend), place: place.into(), limiter: Limiter::unlimited() }
    }

    fn wrapped<B: Backend + 'static>(self, wrap: impl FnOnce(Arc<dyn Backend>) -> B) -> Self {
        Self { backend: Arc::new(wrap(self.backend)), ..self }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.place)
    }
}
