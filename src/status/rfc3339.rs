//! Times in JSON: RFC 3339 in UTC, milliseconds, cut off and never rounded up: `2026-11-21T04:58:03.25Z`. Whoever waits
//! for a change to be stored compares its time with a recovery point; whole seconds would let them wait for nothing.

use serde::{Deserialize, Deserializer, Serializer, de::Error};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::Timestamp;

/// Times outside of the years that RFC 3339 knows show as the nearest that it does.
pub(super) fn to_date(time: Timestamp) -> OffsetDateTime {
    const YEAR_0000: i64 = -62_167_219_200;
    const YEAR_9999: i64 = 253_402_300_799;
    let seconds = time.secs.clamp(YEAR_0000, YEAR_9999);
    let whole = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let milliseconds = u16::try_from(time.nanos / 1_000_000).expect("nanos are below 1,000,000,000");
    whole.replace_millisecond(milliseconds).unwrap_or(whole)
}

pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let text = to_date(*time).format(&Rfc3339).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    let date = OffsetDateTime::parse(&text, &Rfc3339).map_err(D::Error::custom)?;
    Ok(Timestamp::new(date.unix_timestamp(), date.nanosecond()))
}

/// The same for a time that may be absent: `null`.
pub(super) mod option {
    use super::*;

    pub(in crate::status) fn serialize<S: Serializer>(time: &Option<Timestamp>, s: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, s),
            None => s.serialize_none(),
        }
    }

    pub(in crate::status) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
        #[derive(Deserialize)]
        struct Wrapped(#[serde(with = "super")] Timestamp);
        Ok(Option::<Wrapped>::deserialize(d)?.map(|wrapped| wrapped.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, Deserialize, PartialEq, Debug)]
    struct Shown(#[serde(with = "super")] Timestamp);

    #[test]
    fn a_time_is_cut_off_to_milliseconds_and_reads_back() {
        for (nanos, text, read) in
            [(0, "\"2026-11-21T04:58:03Z\"", 0), (250_999_999, "\"2026-11-21T04:58:03.25Z\"", 250_000_000)]
        {
            let json = serde_json::to_string(&Shown(Timestamp::new(1_795_237_083, nanos))).unwrap();
            assert_eq!(json, text);
            let expected = Shown(Timestamp::new(1_795_237_083, read));
            assert_eq!(serde_json::from_str::<Shown>(&json).unwrap(), expected);
        }
    }
}
