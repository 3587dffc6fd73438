//! Files that only their owner may read: written completely or not at all, never over another file.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::KeyFileError;

/// Key files have about 2 KiB: more is something else.
const MAX_BYTES: u64 = 64 << 10;

/// What was loaded, and what the person should know about it.
#[derive(Debug)]
pub struct Loaded<T> {
    pub value: T,
    pub warnings: Vec<KeyFileWarning>,
}

/// Not wrong enough to refuse a file that may be the last way to the data.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyFileWarning {
    #[error("{path:?} can be read by others (mode {mode:03o}): chmod 600 it")]
    ReadableByOthers { path: PathBuf, mode: u32 },
    #[error("the file is damaged, but the recovery code in it is whole: write a new recovery file")]
    OnlyCodeIntact,
}

impl<T> Loaded<T> {
    pub(super) fn try_map<U>(
        self,
        f: impl FnOnce(T) -> Result<Loaded<U>, KeyFileError>,
    ) -> Result<Loaded<U>, KeyFileError> {
        let mut loaded = f(self.value)?;
        loaded.warnings.extend(self.warnings);
        Ok(loaded)
    }
}

/// On return the file is on the disk with mode 0600. Fails when there is one of that name: a key file that is
/// overwritten may have been the only one.
pub(super) fn create(path: &Path, text: &str) -> Result<(), KeyFileError> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    // tempfile makes it 0600 from the start
    let mut file = tempfile::Builder::new()
        .prefix(".rozen-key")
        .tempfile_in(dir)
        .map_err(io_error("create a file beside", path))?;
    file.write_all(text.as_bytes()).map_err(io_error("write", path))?;
    file.as_file().sync_all().map_err(io_error("fsync", path))?;
    file.persist_noclobber(path).map_err(|error| io_error("create", path)(error.error))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error("fsync the directory of", path))
}

/// A pipe is accepted: password managers hand secrets over in one.
pub(super) fn read(path: &Path) -> Result<Loaded<Zeroizing<String>>, KeyFileError> {
    let file = File::open(path).map_err(io_error("open", path))?;
    let metadata = file.metadata().map_err(io_error("examine", path))?;
    let warnings = exposure(path, &metadata).into_iter().collect();
    // reserved at once: growing would leave copies of secrets behind
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io_error("read", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(unfit(path, "too large for a key file"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| unfit(path, "not text"))?;
    Ok(Loaded { value: Zeroizing::new(text.to_string()), warnings })
}

fn exposure(path: &Path, metadata: &fs::Metadata) -> Option<KeyFileWarning> {
    let mode = metadata.mode() & 0o777;
    let is_exposed = metadata.is_file() && mode & 0o077 != 0;
    is_exposed.then(|| KeyFileWarning::ReadableByOthers { path: path.to_path_buf(), mode })
}

fn unfit(path: &Path, found: &'static str) -> KeyFileError {
    KeyFileError::Unfit { path: path.to_path_buf(), found }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyFileError {
    move |source| KeyFileError::Io { action, path: path.to_path_buf(), source }
}

/// Names the file in what went wrong with its content.
pub(super) fn in_file(path: &Path) -> impl FnOnce(KeyFileError) -> KeyFileError {
    move |source| KeyFileError::InFile { path: path.to_path_buf(), source: Box::new(source) }
}
