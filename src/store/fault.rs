//! Decorator for tests: fails the n-th call of a verb, before or after it took effect.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::seam::Backend;
use super::{
    CompleteOutcome, Listed, ObjectInfo, ObjectName, PartReceipt, PartRules, PartSource, PutOutcome, PutSource,
    Requests, StoreError, ThawOutcome, ThawTier, Upload, UploadId, Verb, Version, VersionMark, VersionPage,
};
use crate::model::StorageClass;

/// When an injected error strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// The target never saw the request.
    Before,
    /// The target did it, the answer was lost.
    After,
}

struct Fault {
    verb: Verb,
    /// A part of the name of what is asked for; empty for everything.
    of: String,
    moment: Moment,
    errno: i32,
    /// Calls of the verb to let through first.
    skip: u64,
    /// Calls to fail then.
    times: u64,
}

/// Something that happens around every call of a verb.
#[derive(Clone)]
struct Hook {
    verb: Verb,
    moment: Moment,
    act: Arc<dyn Fn() + Send + Sync>,
}

/// Tells a failing store what to fail.
#[derive(Clone, Default)]
pub struct Faults {
    faults: Arc<Mutex<Vec<Fault>>>,
    hooks: Arc<Mutex<Vec<Hook>>>,
}

impl Faults {
    /// Fails the `nth` call of `verb` from now (from 1) with a system error.
    pub fn fail_nth(&self, verb: Verb, nth: u64, moment: Moment, errno: rustix::io::Errno) {
        let (errno, skip) = (errno.raw_os_error(), nth.saturating_sub(1));
        self.add(Fault { verb, of: String::new(), moment, errno, skip, times: 1 });
    }

    /// Fails every call of `verb` until [`Faults::clear`].
    pub fn fail_all(&self, verb: Verb, errno: rustix::io::Errno) {
        self.fail_named(verb, "", errno);
    }

    /// The same, of names that hold `part` alone.
    pub fn fail_named(&self, verb: Verb, part: &str, errno: rustix::io::Errno) {
        let (of, errno) = (part.to_owned(), errno.raw_os_error());
        self.add(Fault { verb, of, moment: Moment::Before, errno, skip: 0, times: u64::MAX });
    }

    /// Runs `act` around every call of `verb` until [`Faults::clear`]: what others do meanwhile, or a look at the state of
    /// things at that moment. An error that is due strikes after it.
    pub fn around(&self, verb: Verb, moment: Moment, act: impl Fn() + Send + Sync + 'static) {
        self.hooks().push(Hook { verb, moment, act: Arc::new(act) });
    }

    pub fn clear(&self) {
        self.faults().clear();
        self.hooks().clear();
    }

    /// Without the lock held: what they do may call the store again.
    fn run_hooks(&self, verb: Verb, moment: Moment) {
        let all = self.hooks().clone();
        all.iter().filter(|hook| hook.verb == verb && hook.moment == moment).for_each(|hook| (hook.act)());
    }

    fn add(&self, fault: Fault) {
        self.faults().push(fault);
    }

    /// Counts this call against all faults of the verb; the first that is due strikes.
    fn due(&self, verb: Verb, what: &str) -> Option<(Moment, io::Error)> {
        let mut due = None;
        for fault in self.faults().iter_mut().filter(|fault| fault.verb == verb && what.contains(&fault.of)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 && due.is_none() {
                fault.times -= 1;
                due = Some((fault.moment, io::Error::from_raw_os_error(fault.errno)));
            }
        }
        due
    }

    fn faults(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hooks(&self) -> MutexGuard<'_, Vec<Hook>> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct FaultyStore {
    inner: Arc<dyn Backend>,
    faults: Faults,
}

impl FaultyStore {
    pub(super) fn new(inner: Arc<dyn Backend>, faults: Faults) -> Self {
        Self { inner, faults }
    }

    fn run<T>(
        &self,
        verb: Verb,
        what: &str,
        call: impl FnOnce(&dyn Backend) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.faults.run_hooks(verb, Moment::Before);
        let due = self.faults.due(verb, what);
        if let Some((Moment::Before, error)) = due {
            return Err(StoreError::io(verb, what, error));
        }
        let answer = call(&*self.inner);
        self.faults.run_hooks(verb, Moment::After);
        match due {
            Some((_, error)) => answer.and(Err(StoreError::io(verb, what, error))),
            None => answer,
        }
    }
}

impl Backend for FaultyStore {
    fn put_if_absent(
        &self,
        name: &ObjectName,
        source: PutSource<'_>,
        class: StorageClass,
    ) -> Result<PutOutcome, StoreError> {
        self.run(Verb::Put, name.as_str(), |inner| inner.put_if_absent(name, source, class))
    }

    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.run(Verb::Get, name.as_str(), |inner| inner.get(name, limit))
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        self.run(Verb::GetRange, name.as_str(), |inner| inner.get_range(name, offset, len))
    }

    fn head(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, StoreError> {
        self.run(Verb::Head, name.as_str(), |inner| inner.head(name))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.run(Verb::List, prefix, |inner| inner.list(prefix))
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.run(Verb::Delete, name.as_str(), |inner| inner.delete(name))
    }

    fn part_rules(&self) -> Option<PartRules> {
        self.inner.part_rules()
    }

    fn create_upload(&self, name: &ObjectName, class: StorageClass) -> Result<UploadId, StoreError> {
        self.run(Verb::CreateUpload, name.as_str(), |inner| inner.create_upload(name, class))
    }

    fn put_part(&self, upload: &Upload, number: u32, source: PartSource<'_>) -> Result<PartReceipt, StoreError> {
        self.run(Verb::PutPart, upload.name.as_str(), |inner| inner.put_part(upload, number, source))
    }

    fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.run(Verb::List, prefix, |inner| inner.folders(prefix))
    }

    fn list_parts(&self, upload: &Upload) -> Result<Option<Vec<PartReceipt>>, StoreError> {
        self.run(Verb::ListParts, upload.name.as_str(), |inner| inner.list_parts(upload))
    }

    fn recognise_part(&self, listed: &PartReceipt, source: PartSource<'_>) -> Result<Option<PartReceipt>, StoreError> {
        self.inner.recognise_part(listed, source)
    }

    fn complete_upload(&self, upload: &Upload, parts: &[PartReceipt]) -> Result<CompleteOutcome, StoreError> {
        self.run(Verb::CompleteUpload, upload.name.as_str(), |inner| inner.complete_upload(upload, parts))
    }

    fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.run(Verb::AbortUpload, upload.name.as_str(), |inner| inner.abort_upload(upload))
    }

    fn list_uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.run(Verb::ListUploads, prefix, |inner| inner.list_uploads(prefix))
    }

    fn thaw(&self, name: &ObjectName, tier: ThawTier, days: u32) -> Result<ThawOutcome, StoreError> {
        self.run(Verb::Thaw, name.as_str(), |inner| inner.thaw(name, tier, days))
    }

    fn versions(&self, prefix: &str, after: Option<&VersionMark>) -> Result<VersionPage, StoreError> {
        self.run(Verb::ListVersions, prefix, |inner| inner.versions(prefix, after))
    }

    fn remove_markers(&self, markers: &[Version]) -> Result<(), StoreError> {
        self.run(Verb::RemoveMarkers, "delete markers", |inner| inner.remove_markers(markers))
    }

    fn put_back(&self, version: &Version, only_if_absent: bool) -> Result<(), StoreError> {
        self.run(Verb::PutBack, version.name.as_str(), |inner| inner.put_back(version, only_if_absent))
    }

    fn has_classes(&self) -> bool {
        self.inner.has_classes()
    }

    fn is_far(&self) -> bool {
        self.inner.is_far()
    }

    fn requests(&self) -> Requests {
        self.inner.requests()
    }
}
