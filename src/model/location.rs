//! Where a chunk lies in a repository.

use super::{MachineId, ObjectHash};

/// Where a frame lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChunkLocation {
    pub pack: PackKey,
    /// In the pack, in bytes.
    pub offset: u64,
    /// Of the frame, in bytes.
    pub len: u32,
}

/// Which pack of which machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PackKey {
    pub machine: MachineId,
    pub is_tree: bool,
    pub hash: ObjectHash,
}
