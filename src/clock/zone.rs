//! The time of day where the machine stands.

use std::sync::Arc;

use tz::TimeZone;

use crate::model::Timestamp;

/// A time zone with its summer times: what a clock on the wall shows at any moment.
#[derive(Clone, Debug)]
pub struct Zone(Arc<TimeZone>);

/// Minutes since midnight: 0 ..= 1439
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MinuteOfDay(pub u16);

const MINUTES_OF_DAY: i64 = 24 * 60;

impl Zone {
    /// What `TZ` or `/etc/localtime` says; UTC where neither can be read. Read once: a machine that is carried into another
    /// zone is noticed by the next process.
    pub fn local() -> Self {
        Self(Arc::new(TimeZone::local().unwrap_or_else(|_| TimeZone::utc())))
    }

    /// From a text as in the variable `TZ`, such as `CET-1CEST,M3.5.0,M10.5.0/3`.
    pub fn parse(text: &str) -> Option<Self> {
        TimeZone::from_posix_tz(text).ok().map(|zone| Self(Arc::new(zone)))
    }

    pub fn minute_of_day(&self, at: Timestamp) -> MinuteOfDay {
        // times beyond what the zone's rules cover: as in UTC
        let offset = self.0.find_local_time_type(at.secs).map_or(0, |found| found.ut_offset());
        let minute = at.secs.saturating_add(i64::from(offset)).div_euclid(60).rem_euclid(MINUTES_OF_DAY);
        MinuteOfDay(u16::try_from(minute).expect("below the minutes of a day"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-29 00:00 UTC, the night in which clocks go forward in Europe.
    const MARCH: i64 = 1_774_742_400;
    /// 2026-10-25 00:00 UTC, the night in which they go back.
    const OCTOBER: i64 = 1_792_886_400;

    fn shown(zone: &Zone, secs: i64) -> String {
        let MinuteOfDay(minute) = zone.minute_of_day(Timestamp::new(secs, 0));
        format!("{:02}:{:02}", minute / 60, minute % 60)
    }

    #[test]
    fn a_clock_on_the_wall_skips_an_hour_in_spring_and_shows_one_twice_in_autumn() {
        let zone = Zone::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let hours = |start: i64| (0..4).map(|hour| shown(&zone, start + hour * 3600)).collect::<Vec<_>>();
        assert_eq!(hours(MARCH), ["01:00", "03:00", "04:00", "05:00"]);
        assert_eq!(hours(OCTOBER), ["02:00", "02:00", "03:00", "04:00"]);
        assert_eq!(shown(&zone, MARCH + 3599), "01:59");
    }

    #[test]
    fn times_out_of_any_calendar_show_some_time_of_day() {
        for secs in [i64::MIN, -1, 0, i64::MAX] {
            assert!(Zone::local().minute_of_day(Timestamp::new(secs, 0)).0 < 1440);
        }
    }
}
