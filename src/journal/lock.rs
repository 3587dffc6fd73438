//! One process at a time: a lock on `<state>/lock` that the kernel drops when its process dies.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::JournalError;

/// Held as long as it lives.
pub(super) struct StateLock(#[expect(dead_code, reason = "the lock ends when the file is closed")] File);

impl StateLock {
    pub(super) fn take(state_dir: &Path) -> Result<Self, JournalError> {
        let path = state_dir.join("lock");
        let failed = |source: io::Error| JournalError::Io { path: path.clone(), source };
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = open.map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(JournalError::InUse { state_dir: state_dir.to_path_buf(), pid: holder(&mut file) });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        write_pid(&mut file).map_err(failed)?;
        Ok(Self(file))
    }
}

/// For people only: the lock itself decides.
fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
