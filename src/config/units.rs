//! Durations and sizes as people write them: `10s`, `1h30m`, `10GiB`, `500MB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 6] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

/// Whole numbers with units, one after the other: `90s`, `1h30m`. `None` for anything else.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut millis = 0u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let unit_len = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, next) = after.split_at(unit_len);
        millis = millis.checked_add(number.checked_mul(factor(unit, &DURATION_UNITS)?)?)?;
        rest = next.trim_start();
    }
    Some(Duration::from_millis(millis))
}

/// The shortest text that [`parse_duration`] reads back, exact to the millisecond.
pub fn format_duration(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    // weeks read badly in "1w3d": days carry them
    for (unit, size) in &DURATION_UNITS[1..] {
        if millis >= *size {
            text += &format!("{}{unit}", millis / size);
            millis %= size;
        }
    }
    text
}

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (number, unit) = leading_number(text.trim()).ok_or(())?;
        factor(unit.trim(), &SIZE_UNITS).and_then(|f| number.checked_mul(f)).map(Size).ok_or(())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = SIZE_UNITS.iter().find(|(_, size)| self.0 > 0 && self.0.is_multiple_of(*size));
        let (unit, size) = exact.unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

fn factor(unit: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name)).map(|(_, size)| *size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [("10s", 10_000), ("1h30m", 5_400_000), ("250ms", 250), ("1w", 604_800_000)] {
            let expected = Some(Duration::from_millis(millis));
            assert_eq!(parse_duration(text), expected, "{text}");
        }
        for bad in ["", "10", "s", "-1s", "1.5h", "1x", "99999999999999999999s", "9999999999999999w"] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes_know_both_kinds_of_units() {
        for (text, bytes) in [("10GiB", 10 << 30), ("500 MB", 500_000_000), ("0B", 0), ("1kib", 1024)] {
            assert_eq!(text.parse::<Size>(), Ok(Size(bytes)), "{text}");
        }
        for bad in ["", "1", "GiB", "1.5GiB", "-1B", "1G", "99999999TiB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(n in 0u64..1 << 50) {
            proptest::prop_assert_eq!(n.to_string().parse::<Size>().is_err(), true);
            proptest::prop_assert_eq!(Size(n).to_string().parse::<Size>(), Ok(Size(n)));
            proptest::prop_assert_eq!(parse_duration(&format_duration(Duration::from_millis(n))), Some(Duration::from_millis(n)));
        }
    }
}
