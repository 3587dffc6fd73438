//! Which snapshot a person means, from text. Pure: the time it is now and the time zone are arguments.

use std::str::FromStr;

use time::format_description::FormatItem;
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use crate::model::{Seq, Timestamp};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotSpec {
    Latest,
    Seq(Seq),
    /// The last one that was finished then.
    At(Timestamp),
}

/// Text that names no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither `latest`, a sequence number nor a time")]
pub struct SpecError(pub String);

const DATE: &[FormatItem<'_>] = format_description!("[year]-[month]-[day]");
const MINUTE: &[FormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]");
const MINUTE_ZONE: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute][offset_hour sign:mandatory]:[offset_minute]");
const SECOND: &[FormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

impl SnapshotSpec {
    /// `latest`; `17`; `2026-11-20` (its end), `2026-11-20T12:00[:30]` or with a space, in the zone `offset` or with its own behind it
    /// (`Z`, `+01:00`); `now`, `yesterday`, `90 minutes ago`, `2 days ago`.
    pub fn parse(text: &str, now: Timestamp, offset: UtcOffset) -> Result<Self, SpecError> {
        let trimmed = text.trim();
        if trimmed == "latest" {
            return Ok(Self::Latest);
        }
        if let Ok(seq) = u64::from_str(trimmed) {
            return Ok(Self::Seq(Seq(seq)));
        }
        let time = relative(trimmed, now).or_else(|| absolute(trimmed, offset));
        time.map(Self::At).ok_or_else(|| SpecError(text.chars().take(80).collect()))
    }
}

fn absolute(text: &str, offset: UtcOffset) -> Option<Timestamp> {
    let text = text.replacen(' ', "T", 1);
    if let Ok(time) = OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339) {
        return Some(of(time));
    }
    if let Ok(time) = OffsetDateTime::parse(&with_offset(&text), MINUTE_ZONE) {
        return Some(of_whole(time, 59));
    }
    if let Ok(date) = Date::parse(&text, DATE) {
        let last = Time::from_hms_nano(23, 59, 59, 999_999_999).ok()?;
        return Some(of(date.with_time(last).assume_offset(offset)));
    }
    let seconds = PrimitiveDateTime::parse(&text, SECOND);
    if let Ok(time) = seconds {
        return Some(of_whole(time.assume_offset(offset), 0));
    }
    PrimitiveDateTime::parse(&text, MINUTE).ok().map(|time| of_whole(time.assume_offset(offset), 59))
}

/// `Z` is a short form of one.
fn with_offset(text: &str) -> String {
    text.strip_suffix('Z').map_or_else(|| text.to_owned(), |text| format!("{text}+00:00"))
}

/// To the end of the second, or of the minute: what was finished in it is meant too.
fn of_whole(time: OffsetDateTime, more_secs: i64) -> Timestamp {
    Timestamp::new(time.unix_timestamp().saturating_add(more_secs), 999_999_999)
}

fn of(time: OffsetDateTime) -> Timestamp {
    Timestamp::new(time.unix_timestamp(), time.nanosecond())
}

fn relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    let back = |secs: i64| Some(Timestamp::new(now.secs.checked_sub(secs)?, now.nanos));
    match text {
        "now" => return Some(now),
        "yesterday" => return back(86_400),
        _ => {}
    }
    let mut words = text.strip_suffix("ago")?.split_whitespace();
    let (count, unit) = (words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let count = if matches!(count, "a" | "an" | "one") { 1 } else { count.parse::<u32>().ok()? };
    back(i64::from(count).checked_mul(seconds(unit)?)?)
}

fn seconds(unit: &str) -> Option<i64> {
    Some(match unit.strip_suffix('s').unwrap_or(unit) {
        "second" | "sec" => 1,
        "minute" | "min" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        "week" => 7 * 86_400,
        "month" => 30 * 86_400,
        "year" => 365 * 86_400,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp { secs: 1_800_000_000, nanos: 5 };

    fn at(text: &str) -> Option<i64> {
        match SnapshotSpec::parse(text, NOW, UtcOffset::UTC) {
            Ok(SnapshotSpec::At(time)) => Some(time.secs),
            _ => None,
        }
    }

    #[test]
    fn people_name_snapshots_in_many_ways() {
        assert_eq!(SnapshotSpec::parse("latest", NOW, UtcOffset::UTC), Ok(SnapshotSpec::Latest));
        assert_eq!(SnapshotSpec::parse(" 17 ", NOW, UtcOffset::UTC), Ok(SnapshotSpec::Seq(Seq(17))));
        let noon = 1_795_176_000; // 2026-11-20T12:00:00Z
        assert_eq!(at("2026-11-20T12:00"), Some(noon + 59));
        assert_eq!(at("2026-11-20 12:00:00"), Some(noon));
        assert_eq!(at("2026-11-20T13:00:00+01:00"), Some(noon));
        for text in ["2026-11-20T13:00+01:00", "2026-11-20 06:30-05:30", "2026-11-20T12:00Z"] {
            assert_eq!(at(text), Some(noon + 59), "{text}");
        }
        assert_eq!(at("2026-11-20"), Some(noon + 12 * 3600 - 1));
        assert_eq!(at("2 days ago"), Some(NOW.secs - 172_800));
        assert_eq!(at("an hour ago"), Some(NOW.secs - 3_600));
        assert_eq!(at("yesterday"), Some(NOW.secs - 86_400));
    }

    #[test]
    fn what_names_no_snapshot_is_refused() {
        for text in
            ["", "lates", "-1", "2026-13-01", "two days ago", "2 fortnights ago", "2 days", "1 2 days ago", "ago"]
        {
            assert!(SnapshotSpec::parse(text, NOW, UtcOffset::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn times_without_a_zone_are_those_of_the_person() {
        let berlin = UtcOffset::from_hms(1, 0, 0).unwrap();
        let found = SnapshotSpec::parse("2026-11-20T13:00:00", NOW, berlin);
        assert_eq!(found, Ok(SnapshotSpec::At(Timestamp::new(1_795_176_000, 999_999_999))));
    }
}
