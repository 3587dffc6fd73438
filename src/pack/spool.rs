//! The directory of packs that wait for upload.

use std::fs;
use std::path::{Path, PathBuf};

use super::PackError;
use crate::model::ObjectHash;

/// Names: `<hash>.pack` when complete, `<anything>.part` while being written.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: PathBuf,
}

impl Spool {
    /// Makes the directory where it is missing.
    pub fn open(dir: &Path) -> Result<Self, PackError> {
        fs::create_dir_all(dir).map_err(PackError::io("create the spool directory", dir))?;
        Ok(Self { dir: dir.to_path_buf() })
    }

    pub fn path_of(&self, hash: &ObjectHash) -> PathBuf {
        self.dir.join(format!("{hash}.pack"))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Removes what no row of the journal knows: unfinished packs of a process that died, and finished ones whose
    /// row was never written. Only files with our endings.
    pub fn remove_unknown(&self, known: impl Fn(&ObjectHash) -> bool) -> Result<u64, PackError> {
        remove_unknown(&self.dir, known)
    }
}

pub(super) fn remove_unknown(dir: &Path, known: impl Fn(&ObjectHash) -> bool) -> Result<u64, PackError> {
    let mut removed = 0;
    for entry in fs::read_dir(dir).map_err(PackError::io("list", dir))? {
        let path = entry.map_err(PackError::io("list", dir))?.path();
        if is_leftover(&path, &known) {
            fs::remove_file(&path).map_err(PackError::io("remove the leftover", &path))?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn is_leftover(path: &Path, known: &impl Fn(&ObjectHash) -> bool) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    match path.extension().and_then(|end| end.to_str()) {
        Some("part") => true,
        Some("pack") => stem.parse().is_ok_and(|hash| !known(&hash)),
        _ => false,
    }
}
