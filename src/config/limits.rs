//! How fast bytes may go, by the time of day.

use std::fmt;
use std::str::FromStr;

use super::Size;
use crate::model::Rates;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LimitsConfig {
    /// Whenever no window holds.
    pub always: Rates,
    /// The first that holds counts.
    pub windows: Vec<LimitWindow>,
}

/// A part of every day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitWindow {
    /// Minutes since midnight, where the machine stands; `to` is not part of it and may be the next day.
    pub from: u16,
    pub to: u16,
    /// `None`: as always; `Some(None)`: no limit.
    pub upload: Option<Option<u64>>,
    pub download: Option<Option<u64>>,
}

impl LimitsConfig {
    /// What holds when the clock on the wall shows this minute.
    pub fn at(&self, minute: u16) -> Rates {
        let Some(window) = self.windows.iter().find(|window| window.holds(minute)) else { return self.always };
        Rates {
            upload: window.upload.unwrap_or(self.always.upload),
            download: window.download.unwrap_or(self.always.download),
        }
    }

    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl LimitWindow {
    fn holds(&self, minute: u16) -> bool {
        match self.from < self.to {
            true => (self.from..self.to).contains(&minute),
            // over midnight
            false => minute >= self.from || minute < self.to,
        }
    }
}

/// In bytes a second; `None`: no limit. Written as `2MiB/s`, or `off`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate(pub Option<u64>);

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_rate(text).map(Rate).ok_or("a rate such as 2MiB/s, or off")
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_rate(self.0))
    }
}

/// `"2MiB/s"`, or `"off"` for no limit.
pub(super) fn parse_rate(text: &str) -> Option<Option<u64>> {
    if text == "off" {
        return Some(None);
    }
    let Size(bytes) = text.trim().strip_suffix("/s")?.parse().ok()?;
    (bytes > 0).then_some(Some(bytes))
}

pub(super) fn format_rate(rate: Option<u64>) -> String {
    rate.map_or_else(|| "off".to_owned(), |bytes| format!("{}/s", Size(bytes)))
}

/// `"08:00"`, up to `"24:00"`, which is midnight.
pub(super) fn parse_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits =
        |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?;
    let (hour, minute): (u16, u16) = (digits(hour)?, digits(minute)?);
    let valid = minute < 60 && (hour < 24 || (hour, minute) == (24, 0));
    valid.then_some((hour * 60 + minute) % (24 * 60))
}

pub(super) fn format_minute(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_are_read_as_people_write_them() {
        assert_eq!(parse_rate("2MiB/s"), Some(Some(2 << 20)));
        assert_eq!(parse_rate("500 KB/s"), Some(Some(500_000)));
        assert_eq!(parse_rate("off"), Some(None));
        for bad in ["2MiB", "0B/s", "fast", "/s", "-1KiB/s", "2MiB/h"] {
            assert_eq!(parse_rate(bad), None, "{bad}");
        }
        assert_eq!(["00:00", "08:05", "23:59", "24:00"].map(parse_minute), [Some(0), Some(485), Some(1439), Some(0)]);
        for bad in ["8:00", "24:01", "12:60", "noon", "12", "12:0x", "+1:00"] {
            assert_eq!(parse_minute(bad), None, "{bad}");
        }
        assert_eq!(
            (format_rate(Some(2 << 20)), format_rate(None), format_minute(485)),
            ("2MiB/s".into(), "off".into(), "08:05".into())
        );
    }

    #[test]
    fn the_first_window_that_holds_replaces_what_it_names() {
        let window = |from, to, upload| LimitWindow { from, to, upload, download: None };
        let limits = LimitsConfig {
            always: Rates { upload: Some(100), download: Some(7) },
            windows: vec![window(480, 1080, Some(Some(10))), window(1320, 360, Some(None)), window(0, 1439, None)],
        };
        let upload = |minute| limits.at(minute).upload;
        assert_eq!([479, 480, 1079, 1080].map(upload), [Some(100), Some(10), Some(10), Some(100)]);
        assert_eq!([1320, 1439, 0, 359, 360].map(upload), [None, None, None, None, Some(100)]);
        assert_eq!(limits.at(480).download, Some(7));
        assert_eq!(LimitsConfig::default().at(0), Rates::default());
    }
}
