//! Temporary files of the target: `tmp/<pid>-<random>`, locked as long as their process lives. What has another name there is
//! somebody else's and is never touched.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, openat, unlinkat};
use rustix::io::Errno;

use super::root::DirStore;
use crate::store::name::RESERVED;

/// Older than this, by the clock of the target's filesystem, and not locked: left behind by a crash. The age counts
/// where locks do not reach: another machine on a network filesystem.
const STALE_AFTER_SECS: i64 = 3600;

/// Objects are never written again: the file is read-only from the start, only the descriptor that made it can write.
const FILE_MODE: Mode = Mode::RUSR;

/// A new file that is removed when dropped; what got another name meanwhile lives on under that.
pub(super) struct TempFile<'a> {
    store: &'a DirStore,
    pub(super) file: File,
    name: String,
}

impl<'a> TempFile<'a> {
    pub(super) fn create(store: &'a DirStore) -> Result<Self, Errno> {
        drop(store.durable_dir(RESERVED)?);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        loop {
            let random = RandomState::new().hash_one(0u8);
            let name = format!("{RESERVED}/{}-{random:016x}", std::process::id());
            match openat(store.root(), name.as_str(), flags, FILE_MODE) {
                Ok(fd) => {
                    // a filesystem without locks leaves the age as the only sign of life
                    let _ = flock(&fd, FlockOperation::NonBlockingLockExclusive);
                    return Ok(Self { store, file: File::from(fd), name });
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Relative to the store's root.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TempFile<'_> {
    fn drop(&mut self) {
        // Gone already when it was renamed into place; what cannot be removed now is swept later.
        let _ = unlinkat(self.store.root(), self.name.as_str(), AtFlags::empty());
    }
}

/// Removes what crashed processes left. A sweep that fails costs space, no data: it is logged, and the put goes on and
/// meets the same trouble itself if it matters.
pub(super) fn sweep(store: &DirStore) {
    match try_sweep(store) {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, place = %store.place().display(), "removed temporary files of a crash"),
        Err(errno) => tracing::warn!(%errno, place = %store.place().display(), "cannot tidy up temporary files"),
    }
}

fn try_sweep(store: &DirStore) -> Result<usize, Errno> {
    let dir = match openat(store.root(), RESERVED, super::root::DIR_FLAGS, Mode::empty()) {
        Ok(dir) => dir,
        Err(Errno::NOENT) => return Ok(0),
        Err(errno) => return Err(errno),
    };
    // its time is what the target's filesystem takes for now, whatever this machine's clock says
    let now = fstat(&TempFile::create(store)?.file)?.st_mtime;
    let mut removed = 0;
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        if is_own_name(entry.file_name().to_bytes()) && is_stale(&dir, entry.file_name(), now)? {
            unlinkat(&dir, entry.file_name(), AtFlags::empty())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// A process id and 16 hexadecimal digits.
fn is_own_name(name: &[u8]) -> bool {
    let Some(at) = name.iter().position(|byte| *byte == b'-') else { return false };
    let (pid, random) = (&name[..at], &name[at + 1..]);
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    !pid.is_empty() && pid.iter().all(u8::is_ascii_digit) && random.len() == 16 && random.iter().all(is_hex)
}

/// Without waiting for anybody: what has such a name may be a FIFO all the same.
fn is_stale(dir: &impl std::os::fd::AsFd, name: &std::ffi::CStr, now: i64) -> Result<bool, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(dir, name, flags, Mode::empty()) {
        Ok(file) => file,
        // gone, a link, or a socket
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    let stat = fstat(&file)?;
    let is_old = stat.st_mtime < now - STALE_AFTER_SECS;
    let is_file = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
    Ok(is_file && is_old && flock(&file, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK))
}
