//! The nouns of uploads by parts: ids that the caller keeps, receipts of parts, rules of sizes.

use std::fmt;
use std::path::Path;

use super::ObjectName;

/// A begun upload, by the name that the target gave it. The caller keeps it; it outlives processes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UploadId(String);

impl UploadId {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An upload by parts of one object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upload {
    pub name: ObjectName,
    pub id: UploadId,
}

/// The bytes of one part: a range of a complete local file.
#[derive(Clone, Copy, Debug)]
pub struct PartSource<'a> {
    pub path: &'a Path,
    /// In bytes, within the file.
    pub offset: u64,
    pub len: u64,
}

/// The target's word that it holds a part; needed to complete the upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartReceipt {
    /// From 1.
    pub number: u32,
    /// In bytes.
    pub size: u64,
    /// As the target gave it, without quotes.
    pub etag: String,
    /// CRC-64/NVME of the part's bytes, when the store computed it: the whole object's is made of them.
    pub crc64: Option<u64>,
}

/// How a completion ended when it did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompleteOutcome {
    Created,
    /// An object of this name was there (perhaps our own, its answer lost). The upload may still exist.
    AlreadyThere,
    /// The target does not know the upload: aborted, or completed before. Look for the object.
    UploadGone,
    /// Some part is missing or another one than its receipt says. List the parts and send again what differs.
    PartsDiffer,
    /// A conflicting write of the same name: abort, and begin again.
    Conflict,
}

/// When a target wants parts, and of which size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartRules {
    /// Objects larger than this go by parts, in bytes.
    pub threshold: u64,
    /// The least size of a part, in bytes; all parts of an upload but the last have one size.
    pub part_size: u64,
    /// Parts that one object may have.
    pub max_parts: u32,
    /// Parts that are sent at the same time.
    pub in_flight: usize,
}

impl PartRules {
    /// The size of the parts of an object of `total` bytes: a multiple of 1 MiB, and a tenth of the parts left as reserve.
    pub fn size_for(&self, total: u64) -> u64 {
        const MIB: u64 = 1 << 20;
        let most = u64::from(self.max_parts) * 9 / 10;
        let least = total.div_ceil(most.max(1)).div_ceil(MIB) * MIB;
        least.max(self.part_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_only_when_there_would_be_too_many() {
        let rules = PartRules { threshold: 32 << 20, part_size: 16 << 20, max_parts: 10_000, in_flight: 4 };
        assert_eq!(rules.size_for(1 << 30), 16 << 20);
        assert_eq!(rules.size_for(9_000 * (16 << 20)), 16 << 20);
        assert_eq!(rules.size_for(9_000 * (16 << 20) + 1), 17 << 20);
    }
}
