//! One file per command: its arguments, and what it does.

pub(super) mod agent;
pub(super) mod backup;
pub(super) mod cat;
pub(super) mod check;
pub(super) mod cost;
pub(super) mod diff;
pub(super) mod doctor;
pub(super) mod find;
pub(super) mod history;
pub(super) mod init;
pub(super) mod key;
pub(super) mod ls;
pub(super) mod pause;
pub(super) mod recover;
pub(super) mod restore;
pub(super) mod snapshots;
pub(super) mod status;
pub(super) mod target;
pub(super) mod up;
