//! A directory as target.
//!
//! What must hold: an object gets its name only after its bytes are fsynced, by a call that fails when the name is
//! taken (`link`, or `rename` without replacing); a put returns after the directory, and each directory made for it,
//! is fsynced too. All access goes through the directory that was opened at the start: when the disk is unmounted or
//! the directory removed, the store fails, and never writes into the empty mount point.
//!
//! What survives a crash: objects; besides, temporary files in `tmp/`, which the first put of a later process removes
//! once they are old and nobody holds their lock.

mod place;
mod read;
mod root;
mod temp;
#[cfg(test)]
mod tests;

pub(super) use root::DirStore;
