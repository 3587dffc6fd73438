//! The short name of a root: what people type, what the journal, the manifest and the status carry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// 1–64 of `a-z 0-9 _ -`, first a letter or digit: safe in file names, URLs, JSON and shells.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootId(String);

/// Text that cannot name a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot name a root: use 1 to 64 of a-z, 0-9, `_`, `-`, beginning with a letter or digit")]
pub struct RootIdError(pub String);

impl RootId {
    pub const MAX_LEN: usize = 64;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RootId {
    type Err = RootIdError;
    fn from_str(text: &str) -> Result<Self, RootIdError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let good = text.len() <= Self::MAX_LEN
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|b| plain(b) || b == b'_' || b == b'-');
        if good { Ok(Self(text.to_owned())) } else { Err(RootIdError(text.chars().take(80).collect())) }
    }
}

impl TryFrom<String> for RootId {
    type Error = RootIdError;
    fn try_from(text: String) -> Result<Self, RootIdError> {
        text.parse()
    }
}

impl From<RootId> for String {
    fn from(id: RootId) -> String {
        id.0
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_names_are_taken() {
        for good in ["home", "0", "a-b_c9"] {
            assert_eq!(good.parse::<RootId>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "_", "A", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<RootId>().is_err(), "{bad:?}");
        }
    }
}
