//! The verbs, each piece of bytes paid for.

use std::sync::Arc;

use super::Limiter;
use crate::model::StorageClass;
use crate::store::seam::Backend;
use crate::store::{
    CompleteOutcome, Listed, ObjectInfo, ObjectName, PartReceipt, PartRules, PartSource, PutOutcome, PutSource,
    Requests, StoreError, ThawOutcome, ThawTier, Upload, UploadId,
};

pub(in crate::store) struct LimitedStore {
    inner: Arc<dyn Backend>,
    limiter: Limiter,
}

impl LimitedStore {
    pub(in crate::store) fn new(inner: Arc<dyn Backend>, limiter: Limiter) -> Self {
        Self { inner, limiter }
    }
}

impl Backend for LimitedStore {
    fn put_if_absent(
        &self,
        name: &ObjectName,
        source: PutSource<'_>,
        class: StorageClass,
    ) -> Result<PutOutcome, StoreError> {
        self.limiter.before_upload(source.size());
        self.inner.put_if_absent(name, source, class)
    }

    /// Its size is known when it is here: what comes next pays for it.
    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        let bytes = self.inner.get(name, limit)?;
        self.limiter.before_download(bytes.len() as u64);
        Ok(bytes)
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        self.limiter.before_download(len);
        self.inner.get_range(name, offset, len)
    }

    fn head(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, StoreError> {
        self.inner.head(name)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.inner.list(prefix)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.inner.delete(name)
    }

    fn part_rules(&self) -> Option<PartRules> {
        self.inner.part_rules()
    }

    fn create_upload(&self, name: &ObjectName, class: StorageClass) -> Result<UploadId, StoreError> {
        self.inner.create_upload(name, class)
    }

    fn put_part(&self, upload: &Upload, number: u32, source: PartSource<'_>) -> Result<PartReceipt, StoreError> {
        self.limiter.before_upload(source.len);
        self.inner.put_part(upload, number, source)
    }

    fn list_parts(&self, upload: &Upload) -> Result<Option<Vec<PartReceipt>>, StoreError> {
        self.inner.list_parts(upload)
    }

    fn complete_upload(&self, upload: &Upload, parts: &[PartReceipt]) -> Result<CompleteOutcome, StoreError> {
        self.inner.complete_upload(upload, parts)
    }

    fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.inner.abort_upload(upload)
    }

    fn list_uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.inner.list_uploads(prefix)
    }

    fn thaw(&self, name: &ObjectName, tier: ThawTier, days: u32) -> Result<ThawOutcome, StoreError> {
        self.inner.thaw(name, tier, days)
    }

    fn has_classes(&self) -> bool {
        self.inner.has_classes()
    }

    fn requests(&self) -> Requests {
        self.inner.requests()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::model::{Rates, Timestamp};
    use crate::store::Store;

    #[test]
    fn objects_go_at_the_pace_of_the_limit_in_each_direction() {
        let (clock, manual) = Clock::manual(Timestamp::default());
        let rates = Rates { upload: Some(1000), download: Some(500) };
        let store = Store::memory().limited(Limiter::new(clock.clone(), move |_| rates));
        for number in 0..4 {
            let name = ObjectName::parse(&format!("packs/{number}")).unwrap();
            store.put_if_absent(&name, PutSource::Bytes(&[7; 2000]), StorageClass::Standard).unwrap();
        }
        assert_eq!(clock.monotonic().0.as_secs(), 6, "three have been paid for");
        let name = ObjectName::parse("packs/0").unwrap();
        for _ in 0..3 {
            store.get_range(&name, 0, 2000).unwrap();
        }
        assert_eq!(clock.monotonic().0.as_secs(), 6 + 8);
        assert!(manual.slept().iter().all(|slept| slept.as_millis() <= 500), "who waits looks at the limit again");
    }
}
