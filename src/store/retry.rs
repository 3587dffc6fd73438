//! Decorator: tries again what may go away by itself. The one retry policy of the program.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::error::Disposition;
use super::seam::Backend;
use super::{
    CompleteOutcome, Limiter, Listed, ObjectInfo, ObjectName, PartReceipt, PartRules, PartSource, PutOutcome,
    PutSource, Requests, StoreError, ThawOutcome, ThawTier, Upload, UploadId, Version, VersionMark, VersionPage,
};
use crate::clock::Clock;
use crate::model::StorageClass;

/// How long to go on. The n-th delay is between half and all of `first_delay` · 2ⁿ, at most `max_delay`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryPolicy {
    /// Calls in all, at least one.
    pub tries: u32,
    pub first_delay: Duration,
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    /// About half a minute; longer outages are the engine's matter.
    fn default() -> Self {
        Self { tries: 7, first_delay: Duration::from_millis(500), max_delay: Duration::from_secs(15) }
    }
}

impl RetryPolicy {
    /// `spread` from 0 to 1 is the jitter: machines that lost one target must not come back in step.
    fn delay(&self, attempt: u32, spread: f64) -> Duration {
        let full = self.first_delay.saturating_mul(2u32.saturating_pow(attempt)).min(self.max_delay);
        full.mul_f64(0.5 + 0.5 * spread.clamp(0.0, 1.0))
    }
}

/// Which try of how many this thread is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Try {
    number: u32,
    of: u32,
}

thread_local! {
    static TRY: Cell<Option<Try>> = const { Cell::new(None) };
}

/// `None` where nothing is tried again.
pub(super) fn this_try() -> Option<Try> {
    TRY.get()
}

impl fmt::Display for Try {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " (try {} of {})", self.number, self.of)
    }
}

pub(super) struct RetryingStore {
    inner: Arc<dyn Backend>,
    policy: RetryPolicy,
    clock: Clock,
    /// Knows the wish to stop: then nothing is tried again.
    limiter: Limiter,
}

impl RetryingStore {
    pub(super) fn new(inner: Arc<dyn Backend>, policy: RetryPolicy, clock: Clock, limiter: Limiter) -> Self {
        Self { inner, policy, clock, limiter }
    }

    fn run<T>(&self, call: impl Fn(&dyn Backend) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut attempt = 0;
        loop {
            TRY.set(Some(Try { number: attempt + 1, of: self.policy.tries }));
            let answer = call(&*self.inner);
            TRY.set(None);
            let error = match answer {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            attempt += 1;
            let tries = if error.helps_once() { self.policy.tries.min(2) } else { self.policy.tries };
            let is_last = attempt >= tries || self.limiter.is_stopped();
            if is_last || error.disposition() != Disposition::Retry || error.is_of_medium() {
                return Err(error);
            }
            let delay = self.policy.delay(attempt - 1, random_fraction());
            tracing::debug!(error = &error as &dyn std::error::Error, ?delay, "trying again");
            self.limiter.sleep(&self.clock, delay);
            if self.limiter.is_stopped() {
                return Err(error);
            }
        }
    }
}

/// An answer that was lost leaves an upload that nobody knows. No other is wanted of a name for which one is begun. What
/// cannot be found now is found at the next start (room `upload`).
fn end_unanswered(inner: &dyn Backend, name: &ObjectName) {
    let found = inner.list_uploads(name.as_str()).unwrap_or_default();
    for upload in found.iter().filter(|upload| upload.name == *name) {
        if let Err(error) = inner.abort_upload(upload) {
            tracing::debug!(%error, %name, "an upload whose answer was lost cannot be ended");
        }
    }
}

/// Good enough to spread retries; nothing depends on it being unpredictable.
fn random_fraction() -> f64 {
    (RandomState::new().hash_one(0u8) >> 11) as f64 / (1u64 << 53) as f64
}

impl Backend for RetryingStore {
    fn put_if_absent(
        &self,
        name: &ObjectName,
        source: PutSource<'_>,
        class: StorageClass,
    ) -> Result<PutOutcome, StoreError> {
        self.run(|inner| inner.put_if_absent(name, source, class))
    }

    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.run(|inner| inner.get(name, limit))
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        self.run(|inner| inner.get_range(name, offset, len))
    }

    fn head(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, StoreError> {
        self.run(|inner| inner.head(name))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.run(|inner| inner.list(prefix))
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.run(|inner| inner.delete(name))
    }

    fn part_rules(&self) -> Option<PartRules> {
        self.inner.part_rules()
    }

    fn create_upload(&self, name: &ObjectName, class: StorageClass) -> Result<UploadId, StoreError> {
        let is_repeated = Cell::new(false);
        self.run(|inner| {
            if is_repeated.replace(true) {
                end_unanswered(inner, name);
            }
            inner.create_upload(name, class)
        })
    }

    fn put_part(&self, upload: &Upload, number: u32, source: PartSource<'_>) -> Result<PartReceipt, StoreError> {
        self.run(|inner| inner.put_part(upload, number, source))
    }

    fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.run(|inner| inner.folders(prefix))
    }

    fn list_parts(&self, upload: &Upload) -> Result<Option<Vec<PartReceipt>>, StoreError> {
        self.run(|inner| inner.list_parts(upload))
    }

    fn recognise_part(&self, listed: &PartReceipt, source: PartSource<'_>) -> Result<Option<PartReceipt>, StoreError> {
        self.inner.recognise_part(listed, source)
    }

    fn complete_upload(&self, upload: &Upload, parts: &[PartReceipt]) -> Result<CompleteOutcome, StoreError> {
        self.run(|inner| inner.complete_upload(upload, parts))
    }

    fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.run(|inner| inner.abort_upload(upload))
    }

    fn list_uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.run(|inner| inner.list_uploads(prefix))
    }

    fn thaw(&self, name: &ObjectName, tier: ThawTier, days: u32) -> Result<ThawOutcome, StoreError> {
        self.run(|inner| inner.thaw(name, tier, days))
    }

    fn versions(&self, prefix: &str, after: Option<&VersionMark>) -> Result<VersionPage, StoreError> {
        self.run(|inner| inner.versions(prefix, after))
    }

    fn remove_markers(&self, markers: &[Version]) -> Result<(), StoreError> {
        self.run(|inner| inner.remove_markers(markers))
    }

    fn put_back(&self, version: &Version, only_if_absent: bool) -> Result<(), StoreError> {
        self.run(|inner| inner.put_back(version, only_if_absent))
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

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::super::{Moment, Store, Verb};
    use super::*;
    use crate::model::Timestamp;

    fn name() -> ObjectName {
        ObjectName::parse("packs/ab").unwrap()
    }

    #[test]
    fn delays_double_up_to_the_limit_with_half_of_it_as_jitter() {
        let policy = RetryPolicy { tries: 9, first_delay: Duration::from_secs(1), max_delay: Duration::from_secs(5) };
        let whole: Vec<_> = (0..4).map(|attempt| policy.delay(attempt, 1.0).as_millis()).collect();
        assert_eq!(whole, [1000, 2000, 4000, 5000]);
        assert_eq!(policy.delay(1, 0.0), Duration::from_secs(1));
        assert_eq!(policy.delay(u32::MAX, 1.0), Duration::from_secs(5));
    }

    #[test]
    fn a_lost_answer_is_repeated_and_finds_its_own_object() {
        let (failing, faults) = Store::memory().failing();
        let (clock, manual) = Clock::manual(Timestamp::default());
        let store = failing.retrying(RetryPolicy::default(), clock);
        faults.fail_nth(Verb::Put, 1, Moment::After, Errno::TIMEDOUT);
        assert_eq!(
            store.put_if_absent(&name(), PutSource::Bytes(b"x"), StorageClass::Standard).unwrap(),
            PutOutcome::AlreadyThere
        );
        assert_eq!(manual.slept().len(), 1);
    }

    #[test]
    fn a_lost_answer_to_create_leaves_one_upload_and_touches_no_other_name() {
        let rules = PartRules { threshold: 1, part_size: 1, max_parts: 10, in_flight: 1 };
        let (store, target) = Store::memory_by_parts(rules);
        let other = ObjectName::parse("packs/abc").unwrap();
        let others = store.create_upload(&other, StorageClass::Standard).unwrap();
        let (failing, faults) = store.failing();
        let store = failing.retrying(RetryPolicy::default(), Clock::manual(Timestamp::default()).0);
        faults.fail_nth(Verb::CreateUpload, 1, Moment::After, Errno::TIMEDOUT);
        let id = store.create_upload(&name(), StorageClass::Standard).unwrap();
        let left: Vec<_> = target.store().list_uploads("").unwrap().into_iter().map(|upload| upload.id).collect();
        assert_eq!(left, [others, id]);
    }

    #[test]
    fn each_try_knows_its_number() {
        let (failing, faults) = Store::memory().failing();
        let store = failing.retrying(RetryPolicy::default(), Clock::manual(Timestamp::default()).0);
        faults.fail_nth(Verb::Head, 1, Moment::Before, Errno::TIMEDOUT);
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seeing = seen.clone();
        faults.around(Verb::Head, Moment::Before, move || {
            seeing.lock().unwrap().push(this_try().unwrap().to_string());
        });
        store.head(&name()).unwrap();
        assert_eq!(
            (&seen.lock().unwrap()[..], this_try()),
            (&[" (try 1 of 7)", " (try 2 of 7)"].map(String::from)[..], None)
        );
    }

    #[test]
    fn only_what_may_go_away_is_tried_again_and_not_for_ever() {
        let (failing, faults) = Store::memory().failing();
        let (counted, recorder) = failing.recording();
        let (clock, _) = Clock::manual(Timestamp::default());
        let store = counted.retrying(RetryPolicy::default(), clock);
        faults.fail_all(Verb::Head, Errno::TIMEDOUT);
        assert_eq!(store.head(&name()).unwrap_err().disposition(), Disposition::Retry);
        assert_eq!(recorder.calls(Verb::Head), u64::from(RetryPolicy::default().tries));
        // of a disk that cannot read: each of thousands of files would wait for it
        faults.fail_all(Verb::Get, Errno::IO);
        store.get(&name(), 1).unwrap_err();
        assert_eq!(recorder.calls(Verb::Get), 1);
        faults.fail_all(Verb::Put, Errno::NOSPC);
        let error = store.put_if_absent(&name(), PutSource::Bytes(b"x"), StorageClass::Standard).unwrap_err();
        assert_eq!((error.disposition(), recorder.calls(Verb::Put)), (Disposition::Full, 1));
    }
}
