//! Archive classes: what cannot be read until it was thawed, and how long thawing takes.

use hyper::StatusCode;
use s3s::dto::{RestoreObjectInput, RestoreObjectOutput};
use s3s::{S3Response, S3Result, s3_error};
use time::OffsetDateTime;
use time::macros::format_description;

use super::state::{Thaw, Version};
use super::store::Fake;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// The longest that AWS states for a class and tier; `None` where it does not offer the tier.
fn thawing_takes(class: &str, tier: &str) -> Option<i64> {
    match (class, tier) {
        ("GLACIER", "Expedited") => Some(5 * MINUTE),
        ("GLACIER", "Standard") => Some(5 * HOUR),
        ("GLACIER", "Bulk") => Some(12 * HOUR),
        ("DEEP_ARCHIVE", "Standard") => Some(12 * HOUR),
        ("DEEP_ARCHIVE", "Bulk") => Some(48 * HOUR),
        _ => None,
    }
}

/// A copy lives until the first midnight (UTC) after its days are over.
pub fn next_midnight(time: i64) -> i64 {
    (time + DAY - 1).div_euclid(DAY) * DAY
}

impl Thaw {
    fn is_over(&self, now: i64) -> bool {
        self.expires <= now
    }
}

impl Version {
    fn archive_class(&self) -> Option<&str> {
        self.facts.class.as_deref().filter(|class| ["GLACIER", "DEEP_ARCHIVE"].contains(class))
    }

    pub fn check_readable(&self, now: i64) -> S3Result<()> {
        let thawed = self.thaw.as_ref().is_some_and(|thaw| thaw.ready <= now && !thaw.is_over(now));
        match self.archive_class() {
            Some(class) if !thawed => Err(s3_error!(InvalidObjectState, "the object is in {class} and not thawed")),
            _ => Ok(()),
        }
    }

    /// As in `x-amz-restore`.
    pub fn restore_header(&self, now: i64) -> Option<String> {
        let thaw = self.thaw.as_ref().filter(|thaw| !thaw.is_over(now))?;
        if thaw.ready > now {
            return Some("ongoing-request=\"true\"".to_owned());
        }
        let format =
            format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
        let expires = OffsetDateTime::from_unix_timestamp(thaw.expires).expect("the store's clock is near ours");
        let expires = expires.format(&format).expect("the format fits all dates");
        Some(format!("ongoing-request=\"false\", expiry-date=\"{expires}\""))
    }
}

impl Fake {
    /// 202 when thawing begins, 200 when a thawed copy is kept longer.
    pub fn restore_object(&self, input: &RestoreObjectInput) -> S3Result<S3Response<RestoreObjectOutput>> {
        let mut state = self.state();
        let now = state.now();
        let request = input.restore_request.as_ref().ok_or_else(|| s3_error!(MalformedXML, "there is no request"))?;
        let days = request.days.filter(|days| *days > 0);
        let days = i64::from(days.ok_or_else(|| s3_error!(MalformedXML, "Days must be given and positive"))?);
        let tier = request.glacier_job_parameters.as_ref().map(|parameters| &parameters.tier).or(request.tier.as_ref());
        let tier = tier.map_or("Standard", |tier| tier.as_str());
        let mut status = StatusCode::ACCEPTED;
        state.change_version((&input.bucket, &input.key, input.version_id.as_deref()), |version| {
            let Some(class) = version.archive_class() else {
                return Err(s3_error!(
                    InvalidObjectState,
                    "Restore is not allowed for the object's current storage class"
                ));
            };
            // the code for this refusal is documented nowhere
            let takes = thawing_takes(class, tier);
            let takes = takes.ok_or_else(|| s3_error!(InvalidArgument, "{tier} is not there for {class}"))?;
            let ready = match version.thaw.as_ref().filter(|thaw| !thaw.is_over(now)) {
                Some(thaw) if thaw.ready > now => {
                    return Err(s3_error!(RestoreAlreadyInProgress, "Object restore is already in progress"));
                }
                Some(thaw) => {
                    status = StatusCode::OK;
                    thaw.ready
                }
                None => now + takes,
            };
            version.thaw = Some(Thaw { ready, expires: next_midnight(ready.max(now) + days * DAY) });
            Ok(())
        })?;
        Ok(S3Response::with_status(RestoreObjectOutput::default(), status))
    }
}
