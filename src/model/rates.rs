//! How fast bytes may go.

/// Bytes a second, each way; `None`: as fast as they can.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rates {
    pub upload: Option<u64>,
    pub download: Option<u64>,
}
