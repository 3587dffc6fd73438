//! Names under which things stand until they are complete: which of them are of this restore, and the removal of what others left.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::model::{RelPath, is_stage_name};
use crate::source::{DestDir, DestinationError};

/// Those that are being written: as many as large files under way, and one more for each worker.
#[derive(Default)]
pub(super) struct Stages(Mutex<HashSet<RelPath>>);

impl Stages {
    /// Before it is made.
    pub fn begin(&self, dir: &DestDir, name: &[u8]) {
        self.0.lock().expect("nothing panics while it is held").insert(dir.path().join(name));
    }

    /// It has its real name, or is gone.
    pub fn end(&self, dir: &DestDir, name: &[u8]) {
        self.0.lock().expect("nothing panics while it is held").remove(&dir.path().join(name));
    }

    fn is_ours(&self, path: &RelPath) -> bool {
        self.0.lock().expect("nothing panics while it is held").contains(path)
    }

    /// Removes what restores that died left in a directory. Nobody else has such names, and only one restore at a time writes below a
    /// destination.
    pub fn sweep(&self, dir: &DestDir) -> Result<(), DestinationError> {
        let listing = dir.list()?;
        for listed in listing.iter().filter(|listed| is_stage_name(listed.name)) {
            if self.is_ours(&dir.path().join(listed.name)) {
                continue;
            }
            match dir.remove(listed.name) {
                Ok(()) | Err(DestinationError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
