//! The filesystems that a restore writes to: the one of the destination, and those that are mounted below it. Each is flushed by a call
//! of its own, and keeps the mark of unfinished files or does not.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use super::DestinationError;
use super::unfinished::Keeping;
use crate::model::RelPath;

/// One of them. Holds one descriptor.
#[derive(Debug)]
pub(super) struct Device {
    /// A directory in it.
    dir: OwnedFd,
    path: RelPath,
    number: u64,
    pub(super) marks: Keeping,
}

/// All that were met: a directory is opened before anything is written into it.
#[derive(Debug, Default)]
pub(super) struct Devices(Mutex<Vec<Arc<Device>>>);

impl Devices {
    /// That of an open directory. `number`: of its filesystem.
    pub(super) fn of(&self, number: u64, dir: BorrowedFd<'_>, path: &RelPath) -> Result<Arc<Device>, DestinationError> {
        let mut known = self.0.lock().expect("nothing panics while it is held");
        if let Some(device) = known.iter().find(|device| device.number == number) {
            return Ok(device.clone());
        }
        let dir = rustix::io::fcntl_dupfd_cloexec(dir, 0).map_err(DestinationError::at("open the directory", path))?;
        let device = Arc::new(Device { dir, path: path.clone(), number, marks: Keeping::default() });
        known.push(device.clone());
        Ok(device)
    }

    /// All that was written is on the disk when it returns. Each is flushed, whatever becomes of the others; the first failure
    /// is told.
    pub(super) fn sync(&self) -> Result<(), DestinationError> {
        let known = self.0.lock().expect("nothing panics while it is held").clone();
        let flush =
            |device: &Arc<Device>| rustix::fs::syncfs(&device.dir).map_err(DestinationError::at("sync", &device.path));
        known.iter().map(flush).fold(Ok(()), Result::and)
    }
}
