//! One file per command: its arguments, and what it does.

pub(super) mod backup;
pub(super) mod init;
pub(super) mod snapshots;
