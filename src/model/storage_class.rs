//! Classes of storage that a target sells: what a byte costs against how fast it can be read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A storage class by the name that S3 gives it. Targets without classes know [`StorageClass::Standard`] alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StorageClass {
    #[default]
    Standard,
    StandardIa,
    GlacierIr,
    /// "Flexible Retrieval": must be thawed before it can be read.
    Glacier,
    /// Must be thawed before it can be read.
    DeepArchive,
}

impl StorageClass {
    pub const ALL: [StorageClass; 5] = [
        StorageClass::Standard,
        StorageClass::StandardIa,
        StorageClass::GlacierIr,
        StorageClass::Glacier,
        StorageClass::DeepArchive,
    ];

    /// As it stands in requests, configuration and lists.
    pub fn as_str(self) -> &'static str {
        match self {
            StorageClass::Standard => "STANDARD",
            StorageClass::StandardIa => "STANDARD_IA",
            StorageClass::GlacierIr => "GLACIER_IR",
            StorageClass::Glacier => "GLACIER",
            StorageClass::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// Whether an object of this class can be read without a thaw.
    pub fn reads_at_once(self) -> bool {
        !matches!(self, StorageClass::Glacier | StorageClass::DeepArchive)
    }
}

impl fmt::Display for StorageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no class; the message lists those that exist.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no storage class (STANDARD, STANDARD_IA, GLACIER_IR, GLACIER, DEEP_ARCHIVE)")]
pub struct StorageClassError(String);

impl FromStr for StorageClass {
    type Err = StorageClassError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = StorageClass::ALL.into_iter().find(|class| class.as_str() == text);
        found.ok_or_else(|| StorageClassError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_refused() {
        for class in StorageClass::ALL {
            assert_eq!(class.to_string().parse(), Ok(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        let error = "deep".parse::<StorageClass>().unwrap_err();
        assert!(error.to_string().contains("DEEP_ARCHIVE"));
    }
}
