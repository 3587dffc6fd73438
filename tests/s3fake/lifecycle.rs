//! Lifecycle rules, carried out when the store's clock moves: aborts of incomplete uploads and expiry. Transitions to other
//! classes are stored and shown only.

use s3s::dto::{AbortDate, LifecycleRule};

use super::archive::{DAY, next_midnight};
use super::disk::{Row, State};
use super::object::timestamp;
use super::state::{Blob, Key, Upload};
use super::store::Fake;

fn is_on(rule: &&LifecycleRule) -> bool {
    rule.status.as_str() == "Enabled"
}

fn covers(rule: &LifecycleRule, key: &str) -> bool {
    let filter = rule.filter.as_ref();
    let prefix =
        filter.and_then(|filter| filter.prefix.as_ref().or(filter.and.as_ref().and_then(|and| and.prefix.as_ref())));
    prefix.or(rule.prefix.as_ref()).is_none_or(|prefix| key.starts_with(prefix.as_str()))
}

/// The midnight after so many days.
fn due(since: i64, days: i32) -> i64 {
    next_midnight(since + i64::from(days) * DAY)
}

impl State {
    fn rules(&self, bucket: &str) -> Vec<LifecycleRule> {
        let rules = self.buckets.get(bucket).and_then(|bucket| bucket.lifecycle.as_ref());
        rules.into_iter().flatten().filter(is_on).cloned().collect()
    }

    /// When a rule will abort it.
    pub fn abort_date(&self, upload: &Upload) -> Option<AbortDate> {
        self.abort_time(upload).map(timestamp)
    }

    fn abort_time(&self, upload: &Upload) -> Option<i64> {
        let rules = self.rules(&upload.bucket);
        let covering = rules.iter().filter(|rule| covers(rule, &upload.key));
        let days = covering.filter_map(|rule| rule.abort_incomplete_multipart_upload.as_ref()?.days_after_initiation);
        days.map(|days| due(upload.initiated, days)).min()
    }

    fn abort_old_uploads(&mut self) -> Vec<Blob> {
        let now = self.now();
        let open = self.uploads.values().filter(|upload| upload.completed.is_none());
        let old = open.filter(|upload| self.abort_time(upload).is_some_and(|time| time <= now));
        let old: Vec<String> = old.map(|upload| upload.id.clone()).collect();
        old.iter().flat_map(|id| self.abort(id)).collect()
    }

    fn expire(&mut self) {
        let now = self.now();
        let keys: Vec<(String, String)> = self.keys.keys().cloned().collect();
        for (bucket, key) in keys {
            for rule in self.rules(&bucket).iter().filter(|rule| covers(rule, &key)) {
                let row = self.key(&bucket, &key);
                let days = rule.expiration.as_ref().and_then(|expiration| expiration.days);
                let is_over = |days: i32| row.current().is_some_and(|version| due(version.modified, days) <= now);
                if days.is_some_and(is_over) {
                    self.delete(&bucket, &key, None, false).expect("the bucket is there");
                }
                let days = rule.noncurrent_version_expiration.as_ref().and_then(|rule| rule.noncurrent_days);
                if let Some(days) = days {
                    self.expire_noncurrent(&bucket, &key, days, now);
                }
            }
        }
    }

    /// A version is noncurrent since the next one is there; what a lock protects stays.
    fn expire_noncurrent(&mut self, bucket: &str, key: &str, days: i32, now: i64) {
        let mut row: Key = self.key(bucket, key);
        let since: Vec<i64> = row.versions.iter().skip(1).map(|next| next.modified).collect();
        let mut since = since.into_iter();
        row.versions.retain(|version| {
            let expired = since.next().is_some_and(|since| due(since, days) <= now);
            !expired || version.check_deletable(now, false).is_err()
        });
        self.commit(vec![Row::Key(bucket.to_owned(), key.to_owned(), row)]);
    }
}

impl Fake {
    /// Moves the store's clock forward and does what is due then.
    pub fn advance(&self, seconds: i64) {
        let mut state = self.state();
        let ahead = state.ahead + seconds;
        state.commit(vec![Row::Clock(ahead)]);
        let gone = state.abort_old_uploads();
        state.expire();
        drop(state);
        self.release(&gone);
    }
}
