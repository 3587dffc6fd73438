//! Storage classes, and copies of archived objects that can be read for a while.

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{GlacierJobParameters, RestoreRequest, RestoreStatus, StorageClass as SdkClass, Tier};

use super::backend::S3Store;
use super::client::Ask;
use crate::model::{StorageClass, Timestamp};
use crate::store::{Access, ObjectName, StoreError, ThawOutcome, ThawTier, Verb};

impl S3Store {
    pub(super) fn ask_for_copy(&self, name: &ObjectName, tier: ThawTier, days: u32) -> Result<ThawOutcome, StoreError> {
        // servers differ in what they answer for objects that need no thaw
        let found = self.head(name)?.ok_or_else(|| StoreError::NotFound { name: name.clone() })?;
        match found.access {
            Access::Now => return Ok(ThawOutcome::Readable),
            Access::Thawing => return Ok(ThawOutcome::InProgress),
            // asked again, so that the copy stays for as long as is wanted now
            Access::NeedsThaw | Access::Thawed { .. } => {}
        }
        let answer = self.client.call(Ask::new(Verb::Thaw).class(found.class), |s3| {
            let restore = s3.restore_object().bucket(self.bucket()).key(self.key(name));
            restore.restore_request(wish(tier, days)).send()
        });
        match answer {
            Ok(_) if found.access.is_readable() => Ok(ThawOutcome::Readable),
            Ok(_) => Ok(ThawOutcome::Requested),
            Err(failure) if failure.code() == "RestoreAlreadyInProgress" => Ok(ThawOutcome::InProgress),
            Err(failure) if failure.code() == "ObjectAlreadyInActiveTierError" => Ok(ThawOutcome::Readable),
            Err(failure) if failure.status() == 501 => Err(StoreError::NotOffered { verb: Verb::Thaw }),
            Err(failure) if failure.is_missing() => Err(StoreError::NotFound { name: name.clone() }),
            Err(failure) => Err(self.failed(Verb::Thaw, name, failure)),
        }
    }
}

fn wish(tier: ThawTier, days: u32) -> RestoreRequest {
    let tier = match tier {
        ThawTier::Bulk => Tier::Bulk,
        ThawTier::Standard => Tier::Standard,
        ThawTier::Expedited => Tier::Expedited,
    };
    let job = GlacierJobParameters::builder().tier(tier).build().expect("the tier is given");
    RestoreRequest::builder().days(i32::try_from(days).unwrap_or(i32::MAX)).glacier_job_parameters(job).build()
}

/// The header; none for the class that needs none.
pub(super) fn to_sdk(class: StorageClass) -> Option<SdkClass> {
    (class != StorageClass::Standard).then(|| SdkClass::from(class.as_str()))
}

/// Classes that we never choose are taken for what they resemble: a rule of the bucket may have moved objects there.
pub(super) fn from_sdk(class: Option<&str>) -> StorageClass {
    match class {
        Some("ONEZONE_IA") => StorageClass::StandardIa,
        Some(text) => text.parse().unwrap_or(StorageClass::Standard),
        None => StorageClass::Standard,
    }
}

/// From the header `x-amz-restore`: `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`.
pub(super) fn access(class: StorageClass, restore: Option<&str>) -> Access {
    match restore {
        _ if class.reads_at_once() => Access::Now,
        None => Access::NeedsThaw,
        Some(text) if text.contains("ongoing-request=\"true\"") => Access::Thawing,
        Some(text) => Access::Thawed { until: expiry(text) },
    }
}

pub(super) fn access_in_list(class: StorageClass, restore: Option<&RestoreStatus>) -> Access {
    match restore {
        _ if class.reads_at_once() => Access::Now,
        None => Access::NeedsThaw,
        Some(status) if status.is_restore_in_progress().unwrap_or(false) => Access::Thawing,
        Some(status) => match status.restore_expiry_date() {
            None => Access::NeedsThaw,
            Some(until) => Access::Thawed { until: Some(time(*until)) },
        },
    }
}

fn expiry(text: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once("expiry-date=\"")?;
    let (date, _) = rest.split_once('"')?;
    DateTime::from_str(date, DateTimeFormat::HttpDate).ok().map(time)
}

fn time(time: DateTime) -> Timestamp {
    Timestamp::new(time.secs(), time.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_restore_header_tells_whether_an_archived_object_can_be_read() {
        let of = |restore| access(StorageClass::DeepArchive, restore);
        assert_eq!(of(None), Access::NeedsThaw);
        assert_eq!(of(Some("ongoing-request=\"true\"")), Access::Thawing);
        let until = Some(Timestamp::new(1_356_048_000, 0));
        let done = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"";
        assert_eq!(of(Some(done)), Access::Thawed { until });
        assert_eq!(of(Some("ongoing-request=\"false\"")), Access::Thawed { until: None });
        assert_eq!(access(StorageClass::GlacierIr, None), Access::Now);
    }

    #[test]
    fn classes_go_there_and_back() {
        for class in StorageClass::ALL {
            assert_eq!(from_sdk(to_sdk(class).as_ref().map(|class| class.as_str())), class);
        }
        assert_eq!(from_sdk(Some("ONEZONE_IA")), StorageClass::StandardIa);
        assert_eq!(from_sdk(Some("INTELLIGENT_TIERING")), StorageClass::Standard);
    }
}
