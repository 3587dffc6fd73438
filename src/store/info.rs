//! What a target tells about an object without giving its bytes.

use crate::model::{StorageClass, Timestamp};

/// An object that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectInfo {
    /// In bytes.
    pub size: u64,
    pub class: StorageClass,
    pub access: Access,
}

impl ObjectInfo {
    /// Of a target without classes.
    pub fn plain(size: u64) -> Self {
        Self { size, class: StorageClass::Standard, access: Access::Now }
    }
}

/// Whether an object can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Now,
    /// Archived; nobody asked for it.
    NeedsThaw,
    /// Archived; a thaw was asked for.
    Thawing,
    /// Archived; a copy can be read until then (`None`: the target does not say).
    Thawed {
        until: Option<Timestamp>,
    },
}

impl Access {
    pub fn is_readable(self) -> bool {
        matches!(self, Access::Now | Access::Thawed { .. })
    }
}

/// How fast, and so how dear, a thaw is. Not every class has every tier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ThawTier {
    Bulk,
    Standard,
    Expedited,
}

/// What came of asking for a thaw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThawOutcome {
    Requested,
    /// Somebody asked before; it goes on.
    InProgress,
    /// It can be read already.
    Readable,
}
