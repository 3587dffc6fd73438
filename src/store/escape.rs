//! Percent-escapes in targets: bytes to printable text, and back.

use std::fmt::{self, Write};

/// Undoes every `%XX`; `None` when a `%` is not followed by two hexadecimal digits of a byte other than zero.
pub(super) fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        bytes.push(unescaped_byte(digits).filter(|b| *b != 0)?);
        rest = tail;
    }
    Some(bytes)
}

fn unescaped_byte(digits: &[u8]) -> Option<u8> {
    let value = |d: &u8| char::from(*d).to_digit(16);
    u8::try_from(value(digits.first()?)? * 16 + value(digits.get(1)?)?).ok()
}

/// Writes `bytes`, escaped where they are not printable ASCII or one of `special`.
pub(super) fn escape(out: &mut impl Write, bytes: &[u8], special: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|b| match b {
        b'%' | 0..=b' ' | 0x7f.. => write!(out, "%{b:02X}"),
        b if special.contains(b) => write!(out, "%{b:02X}"),
        b => out.write_char(char::from(*b)),
    })
}

/// Why a text with `%` was refused.
pub(super) const BAD_ESCAPE: &str = "a % is not followed by two hexadecimal digits of a byte other than zero";
