//! Object Lock: retention, legal hold, and what they forbid.

use s3s::dto::{
    Date, GetObjectLegalHoldInput, GetObjectLegalHoldOutput, GetObjectRetentionInput, GetObjectRetentionOutput,
    ObjectLockLegalHold, ObjectLockRetention, PutObjectLegalHoldInput, PutObjectLegalHoldOutput,
    PutObjectRetentionInput, PutObjectRetentionOutput,
};
use s3s::{S3Request, S3Result, s3_error};
use time::OffsetDateTime;

use super::disk::{Row, State};
use super::object::timestamp;
use super::state::{Bucket, Facts, Retention, Version};
use super::store::Fake;

const DAY: i64 = 86_400;

/// Both or none of the two headers.
pub fn wanted_retention(mode: Option<&str>, until: Option<Date>) -> S3Result<Option<Retention>> {
    match (mode, until) {
        (None, None) => Ok(None),
        (Some(mode @ ("GOVERNANCE" | "COMPLIANCE")), Some(until)) => {
            Ok(Some(Retention { mode: mode.to_owned(), until: OffsetDateTime::from(until).unix_timestamp() }))
        }
        _ => Err(s3_error!(InvalidArgument, "retention needs a mode and a date")),
    }
}

impl Bucket {
    pub fn allows_lock(&self, facts: &Facts) -> S3Result<()> {
        match self.lock.is_none() && (facts.retention.is_some() || facts.legal_hold) {
            true => Err(s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration")),
            false => Ok(()),
        }
    }
}

impl Version {
    pub fn check_deletable(&self, now: i64, bypass: bool) -> S3Result<()> {
        let locked = self
            .facts
            .retention
            .as_ref()
            .is_some_and(|retention| retention.until > now && !(bypass && retention.mode == "GOVERNANCE"));
        match locked || self.facts.legal_hold {
            true => Err(s3_error!(AccessDenied, "Access Denied because object protected by object lock")),
            false => Ok(()),
        }
    }
}

impl Retention {
    /// COMPLIANCE only grows; GOVERNANCE shrinks for who may bypass it.
    fn check_change(&self, to: Option<&Retention>, now: i64, bypass: bool) -> S3Result<()> {
        let grows = to.is_some_and(|to| to.until >= self.until && (to.mode == self.mode || self.mode == "GOVERNANCE"));
        match self.until <= now || grows || (bypass && self.mode == "GOVERNANCE") {
            true => Ok(()),
            false => Err(s3_error!(AccessDenied, "Access Denied because object protected by object lock")),
        }
    }
}

impl State {
    /// The bucket's default, where the request gave none.
    pub fn retain_by_default(&self, bucket: &Bucket, facts: &mut Facts) {
        let rule = bucket.lock.as_ref().and_then(|lock| lock.rule.as_ref());
        let Some(default) = rule.and_then(|rule| rule.default_retention.as_ref()) else { return };
        let days = default.days.map(i64::from).or(default.years.map(|years| i64::from(years) * 365));
        if let (None, Some(mode), Some(days)) = (&facts.retention, &default.mode, days) {
            facts.retention = Some(Retention { mode: mode.as_str().to_owned(), until: self.now() + days * DAY });
        }
    }

    /// Stores a version with something changed.
    pub fn change_version(
        &mut self,
        (bucket, key, id): (&str, &str, Option<&str>),
        change: impl FnOnce(&mut Version) -> S3Result<()>,
    ) -> S3Result<()> {
        let wanted = self.version(bucket, key, id)?.id;
        let mut row = self.key(bucket, key);
        let found = row.versions.iter_mut().find(|version| version.id == wanted);
        change(found.expect("it was found a line above"))?;
        self.commit(vec![Row::Key(bucket.to_owned(), key.to_owned(), row)]);
        Ok(())
    }
}

impl Fake {
    pub fn get_object_retention(&self, input: &GetObjectRetentionInput) -> S3Result<GetObjectRetentionOutput> {
        let version = self.state().version(&input.bucket, &input.key, input.version_id.as_deref())?;
        let retention = version.facts.retention;
        let retention = retention.ok_or_else(|| s3_error!(NoSuchObjectLockConfiguration, "there is no retention"))?;
        let (mode, until) = (Some(retention.mode.into()), Some(timestamp(retention.until)));
        Ok(GetObjectRetentionOutput { retention: Some(ObjectLockRetention { mode, retain_until_date: until }) })
    }

    pub fn put_object_retention(&self, req: &S3Request<PutObjectRetentionInput>) -> S3Result<PutObjectRetentionOutput> {
        let input = &req.input;
        let asked = input.bypass_governance_retention == Some(true);
        let bypass = self.may_bypass(req.credentials.as_ref(), &input.bucket, &input.key, asked);
        let given = input.retention.as_ref();
        let mode = given.and_then(|given| given.mode.as_ref()).map(|mode| mode.as_str());
        let retention = wanted_retention(mode, given.and_then(|given| given.retain_until_date.clone()))?;
        let mut state = self.state();
        let now = state.now();
        let facts = Facts { retention, ..Facts::default() };
        state.bucket(&input.bucket)?.allows_lock(&facts)?;
        state.change_version((&input.bucket, &input.key, input.version_id.as_deref()), |version| {
            if let Some(before) = &version.facts.retention {
                before.check_change(facts.retention.as_ref(), now, bypass)?;
            }
            version.facts.retention = facts.retention;
            Ok(())
        })?;
        Ok(PutObjectRetentionOutput::default())
    }

    pub fn get_object_legal_hold(&self, input: &GetObjectLegalHoldInput) -> S3Result<GetObjectLegalHoldOutput> {
        let version = self.state().version(&input.bucket, &input.key, input.version_id.as_deref())?;
        let status = if version.facts.legal_hold { "ON" } else { "OFF" };
        let legal_hold = ObjectLockLegalHold { status: Some(status.to_owned().into()) };
        Ok(GetObjectLegalHoldOutput { legal_hold: Some(legal_hold) })
    }

    pub fn put_object_legal_hold(&self, input: &PutObjectLegalHoldInput) -> S3Result<PutObjectLegalHoldOutput> {
        let status = input.legal_hold.as_ref().and_then(|hold| hold.status.as_ref());
        let facts = Facts { legal_hold: status.is_some_and(|status| status.as_str() == "ON"), ..Facts::default() };
        let mut state = self.state();
        state.bucket(&input.bucket)?.allows_lock(&facts)?;
        state.change_version((&input.bucket, &input.key, input.version_id.as_deref()), |version| {
            version.facts.legal_hold = facts.legal_hold;
            Ok(())
        })?;
        Ok(PutObjectLegalHoldOutput::default())
    }
}
