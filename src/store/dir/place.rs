//! A new object: bytes first, then the name, then the directory; each fsynced before the next.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, RenameFlags, fsync, linkat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

use super::root::DirStore;
use super::temp::TempFile;
use crate::fault;
use crate::store::limit::Direction;
use crate::store::{ObjectName, PutOutcome, PutSource, StoreError, Verb};

/// Large enough that a call costs nothing beside its bytes.
const COPY_BUFFER_BYTES: usize = 256 * 1024;

pub(super) fn put(store: &DirStore, name: &ObjectName, source: PutSource<'_>) -> Result<PutOutcome, StoreError> {
    match source {
        PutSource::Bytes(bytes) => Put { store, name, size: bytes.len() as u64 }.copy(bytes),
        PutSource::File { path, may_move } => put_file(store, name, path, may_move),
    }
}

fn put_file(store: &DirStore, name: &ObjectName, path: &Path, may_move: bool) -> Result<PutOutcome, StoreError> {
    let spool_error = |source| StoreError::Spool { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(spool_error)?;
    let size = file.metadata().map_err(spool_error)?.len();
    let put = Put { store, name, size };
    if may_move {
        file.sync_all().map_err(spool_error)?;
        if let Some(outcome) = put.take_over(path)? {
            return Ok(outcome);
        }
    }
    put.copy(SpoolReader { file, path })
}

/// One object on its way.
struct Put<'a> {
    store: &'a DirStore,
    name: &'a ObjectName,
    /// Of the source, in bytes.
    size: u64,
}

impl Put<'_> {
    /// `None` when the file lies on another filesystem and must be copied.
    fn take_over(&self, path: &Path) -> Result<Option<PutOutcome>, StoreError> {
        let dir = self.dir()?;
        match give_name(CWD, path, &dir, self.name.leaf()) {
            Err(Errno::XDEV) => Ok(None),
            placed => {
                let outcome = self.finish(&dir, placed)?;
                // no byte was copied; what the target got is paid for all the same, so that the limit is true
                if outcome == PutOutcome::Created {
                    self.store.limiter().pass(Direction::Upload, self.size);
                }
                Ok(Some(outcome))
            }
        }
    }

    fn copy(&self, source: impl ByteSource) -> Result<PutOutcome, StoreError> {
        let dir = self.dir()?;
        if let Some(present) = self.present(&dir)? {
            return self.finish_present(&dir, present);
        }
        let temp = self.filled_temp(source)?;
        let placed = give_name(self.store.root(), temp.name(), &dir, self.name.leaf());
        self.finish(&dir, placed)
    }

    fn filled_temp(&self, mut source: impl ByteSource) -> Result<TempFile<'_>, StoreError> {
        let target_error = |source| StoreError::Io { verb: Verb::Put, what: self.name.to_string(), source };
        let limiter = self.store.limiter();
        let mut temp = TempFile::create(self.store).map_err(|errno| target_error(errno.into()))?;
        fault::point("store.temp-created");
        let mut buffer = vec![0; COPY_BUFFER_BYTES.min(self.size as usize + 1)];
        let mut written = 0;
        loop {
            let piece = buffer.len().min(limiter.piece(Direction::Upload));
            let count = source.next(&mut buffer[..piece])?;
            if count == 0 {
                break;
            }
            limiter.pass(Direction::Upload, count as u64);
            temp.file.write_all(&buffer[..count]).map_err(target_error)?;
            written += count as u64;
            fault::point("store.temp-half");
        }
        source.check_size(written, self.size)?;
        temp.file.sync_all().map_err(target_error)?;
        fault::point("store.temp-synced");
        Ok(temp)
    }

    fn finish(&self, dir: &impl AsFd, placed: Result<(), Errno>) -> Result<PutOutcome, StoreError> {
        match placed {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let present = self.present(dir)?.ok_or_else(|| self.error(Errno::STALE))?;
                return self.finish_present(dir, present);
            }
            Err(errno @ (Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS)) => {
                let place = self.store.place().to_path_buf();
                return Err(StoreError::NoExclusiveCreate { place, source: errno.into() });
            }
            Err(errno) => return Err(self.error(errno)),
        }
        fault::point("store.linked");
        if let Err(errno) = fsync(dir) {
            // to flush again proves nothing: whoever tries again gives the name again
            let _ = unlinkat(dir, self.name.leaf(), AtFlags::empty());
            return Err(self.error(errno));
        }
        fault::point("store.placed");
        Ok(PutOutcome::Created)
    }

    /// Its bytes are durable, as a name is given last; the name may not be: its writer may have died before.
    fn finish_present(&self, dir: &impl AsFd, present: u64) -> Result<PutOutcome, StoreError> {
        if present != self.size {
            return Err(StoreError::Conflict { name: self.name.clone(), present, offered: self.size });
        }
        fsync(dir).map_err(|errno| self.error(errno))?;
        Ok(PutOutcome::AlreadyThere)
    }

    fn present(&self, dir: &impl AsFd) -> Result<Option<u64>, StoreError> {
        match statat(dir, self.name.leaf(), AtFlags::empty()) {
            Ok(stat) => Ok(Some(stat.st_size.cast_unsigned())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.error(errno)),
        }
    }

    fn dir(&self) -> Result<std::os::fd::OwnedFd, StoreError> {
        self.store.durable_dir(self.name.parent()).map_err(|errno| self.error(errno))
    }

    fn error(&self, errno: Errno) -> StoreError {
        StoreError::io(Verb::Put, self.name, errno)
    }
}

/// Never replaces: `link` where the filesystem has it (the old name stays, so a crash loses neither), else `rename`.
fn give_name(
    from_dir: impl AsFd,
    from: impl rustix::path::Arg + Copy,
    to_dir: &impl AsFd,
    to: &str,
) -> Result<(), Errno> {
    match linkat(&from_dir, from, to_dir, to, AtFlags::empty()) {
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
            renameat_with(&from_dir, from, to_dir, to, RenameFlags::NOREPLACE)
        }
        linked => linked,
    }
}

/// Bytes to be stored; its errors are those of the spool, not of the target.
trait ByteSource {
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError>;
    fn check_size(&self, read: u64, expected: u64) -> Result<(), StoreError>;
}

impl ByteSource for &[u8] {
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        Ok(self.read(buffer).expect("reading from memory does not fail"))
    }

    fn check_size(&self, _: u64, _: u64) -> Result<(), StoreError> {
        Ok(())
    }
}

struct SpoolReader<'a> {
    file: File,
    path: &'a Path,
}

impl SpoolReader<'_> {
    fn error(&self, source: io::Error) -> StoreError {
        StoreError::Spool { path: self.path.to_path_buf(), source }
    }
}

impl ByteSource for SpoolReader<'_> {
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, StoreError> {
        loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|error| self.error(error)),
            }
        }
    }

    /// A spool file that changed its size while it was copied must not become an object.
    fn check_size(&self, read: u64, expected: u64) -> Result<(), StoreError> {
        if read == expected {
            return Ok(());
        }
        Err(self.error(io::Error::other(format!("it had {expected} bytes and then {read}"))))
    }
}
