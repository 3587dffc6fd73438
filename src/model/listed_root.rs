//! How a manifest lists a root, in the words that its machine can read again.

use minicbor::{Decode, Encode};

use super::{ChunkId, RootTag, Timestamp};

/// What it takes to list a root once more when it cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ListedRoot {
    #[n(0)]
    pub tag: RootTag,
    /// `None`: nothing of this root has been stored yet.
    #[n(1)]
    pub tree: Option<ChunkId>,
    #[n(2)]
    pub entries: u64,
    /// Sum of the sizes of its files.
    #[n(3)]
    pub bytes: u64,
    /// Whether the tree holds all of the root (false in partial snapshots).
    #[n(4)]
    pub complete: bool,
    /// All that changed before it is in the tree; `None` while nothing can be promised.
    #[n(5)]
    pub recovery_point: Option<Timestamp>,
}
