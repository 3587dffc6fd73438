//! Names of objects: the same on every kind of store, safe as paths and as URLs.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// A relative name of components separated by `/`: ASCII letters, digits and `.`, `_`, `-`, `=`; no component is empty
/// or begins with a dot, none is longer than 255 bytes, the whole at most 1,000. `tmp/` belongs to the directory store.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ObjectName(String);

/// Text that is no name of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot name an object: {reason}")]
pub struct NameError {
    pub name: String,
    pub reason: &'static str,
}

/// S3 allows 1,024 bytes; the rest is left for a prefix in the bucket.
const MAX_BYTES: usize = 1000;
const MAX_COMPONENT_BYTES: usize = 255;

/// First component of names that never are objects: temporary files of the directory store.
pub(super) const RESERVED: &str = "tmp";

impl ObjectName {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match first_fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(reason) => Err(NameError { name: text.chars().take(200).collect(), reason }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What comes before the last component, without the slash; empty at the top.
    pub fn parent(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// The last component.
    pub fn leaf(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

fn first_fault(text: &str) -> Option<&'static str> {
    if text.len() > MAX_BYTES {
        return Some("it is longer than 1,000 bytes");
    }
    if text.split('/').next() == Some(RESERVED) {
        return Some("tmp/ is reserved");
    }
    text.split('/').find_map(component_fault)
}

fn component_fault(component: &str) -> Option<&'static str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-=".contains(&b);
    if component.is_empty() {
        Some("a component is empty")
    } else if component.starts_with('.') {
        Some("a component begins with a dot")
    } else if component.len() > MAX_COMPONENT_BYTES {
        Some("a component is longer than 255 bytes")
    } else if !component.bytes().all(allowed) {
        Some("only ASCII letters, digits and . _ - = are allowed")
    } else {
        None
    }
}

impl FromStr for ObjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for ObjectName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_relative_names_are_taken() {
        for good in ["rozen.json", "keys/ab", "machines/ab/snapshots/00000000000000000001", "a/tmp", "tmpx"] {
            assert_eq!(ObjectName::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn whatever_could_leave_the_store_or_hide_in_it_is_refused() {
        let long = "a".repeat(256);
        let deep = "a/".repeat(500) + "b";
        for bad in
            ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".", ".a", "a b", "ä", "a\n", "tmp", "tmp/a", &long, &deep]
        {
            assert!(ObjectName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_splits_into_parent_and_leaf() {
        let name = ObjectName::parse("a/b/c").unwrap();
        assert_eq!((name.parent(), name.leaf()), ("a/b", "c"));
        let name = ObjectName::parse("a").unwrap();
        assert_eq!((name.parent(), name.leaf()), ("", "a"));
    }
}
