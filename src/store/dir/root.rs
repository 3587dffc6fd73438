//! The opened directory and the verbs.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags, fstat, fsync, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::read::OpenObjects;
use super::{place, read, temp};
use crate::model::StorageClass;
use crate::store::seam::Backend;
use crate::store::{Limiter, Listed, ObjectInfo, ObjectName, PutOutcome, PutSource, StoreError, Verb};

const DIR_MODE: Mode = Mode::RWXU;
pub(super) const DIR_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

pub struct DirStore {
    root: OwnedFd,
    place: PathBuf,
    open_objects: OpenObjects,
    /// Directories whose own entry is known to be fsynced, by their names relative to the root.
    durable_dirs: Mutex<HashSet<String>>,
    swept: Once,
    limiter: Limiter,
}

impl DirStore {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let place = path.to_path_buf();
        let root = rustix::fs::open(path, DIR_FLAGS, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => StoreError::TargetGone { place: place.clone() },
            Errno::NOTDIR => StoreError::NotADirectory { place: place.clone() },
            _ => StoreError::io(Verb::Open, path.display(), errno),
        })?;
        Ok(Self {
            root,
            place,
            open_objects: OpenObjects::default(),
            durable_dirs: Mutex::default(),
            swept: Once::new(),
            limiter: Limiter::unlimited(),
        })
    }

    pub fn limited(self, limiter: Limiter) -> Self {
        Self { limiter, ..self }
    }

    pub fn create(path: &Path) -> Result<Self, StoreError> {
        make_path_durable(path).map_err(|errno| match errno {
            Errno::NOTDIR => StoreError::NotADirectory { place: path.to_path_buf() },
            _ => StoreError::io(Verb::Open, path.display(), errno),
        })?;
        Self::open(path)
    }

    pub(super) fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    pub(super) fn root(&self) -> &OwnedFd {
        &self.root
    }

    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Opens the directory `dir` (relative, empty for the root), which is made and durable where it was missing.
    pub(super) fn durable_dir(&self, dir: &str) -> Result<OwnedFd, Errno> {
        let ends = dir.match_indices('/').map(|(at, _)| at).chain((!dir.is_empty()).then_some(dir.len()));
        for prefix in ends.map(|end| &dir[..end]) {
            self.ensure_durable(prefix)?;
        }
        openat(&self.root, if dir.is_empty() { "." } else { dir }, DIR_FLAGS, Mode::empty())
    }

    /// Also a directory that exists already is fsynced once: whoever made it may have died before it was durable.
    fn ensure_durable(&self, dir: &str) -> Result<(), Errno> {
        if self.durable_dirs.lock().unwrap_or_else(PoisonError::into_inner).contains(dir) {
            return Ok(());
        }
        match mkdirat(&self.root, dir, DIR_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        let parent = dir.rsplit_once('/').map_or(".", |(parent, _)| parent);
        fsync(openat(&self.root, parent, DIR_FLAGS, Mode::empty())?)?;
        self.durable_dirs.lock().unwrap_or_else(PoisonError::into_inner).insert(dir.to_owned());
        Ok(())
    }

    /// Of an object that is there.
    fn make_name_durable(&self, verb: Verb, name: &ObjectName) -> Result<(), StoreError> {
        let synced = self.durable_dir(name.parent()).and_then(fsync);
        synced.map_err(|errno| StoreError::io(verb, name, errno))
    }

    /// Turns "no such file" into the right error: the object is missing only when the target itself is still there.
    pub(super) fn missing(&self, verb: Verb, name: &ObjectName) -> StoreError {
        match self.check_root(verb) {
            Ok(()) => StoreError::NotFound { name: name.clone() },
            Err(error) => error,
        }
    }

    pub(super) fn check_root(&self, verb: Verb) -> Result<(), StoreError> {
        let root = fstat(&self.root).map_err(|errno| StoreError::io(verb, self.place.display(), errno))?;
        if root.st_nlink == 0 {
            return Err(StoreError::TargetGone { place: self.place.clone() });
        }
        Ok(())
    }
}

impl Backend for DirStore {
    fn put_if_absent(
        &self,
        name: &ObjectName,
        source: PutSource<'_>,
        _class: StorageClass,
    ) -> Result<PutOutcome, StoreError> {
        self.check_root(Verb::Put)?;
        self.swept.call_once(|| temp::sweep(self));
        place::put(self, name, source)
    }

    fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        read::whole(self, name, limit)
    }

    fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        read::range(self, &self.open_objects, name, offset, len)
    }

    fn head(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, StoreError> {
        match statat(&self.root, name.as_str(), AtFlags::empty()) {
            // the bytes are durable, as a name is given last; its writer may have died before the name was
            Ok(stat) => {
                self.make_name_durable(Verb::Head, name)?;
                Ok(Some(ObjectInfo::plain(stat.st_size.cast_unsigned())))
            }
            Err(Errno::NOENT) => self.check_root(Verb::Head).map(|()| None),
            Err(errno) => Err(StoreError::io(Verb::Head, name, errno)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.check_root(Verb::List)?;
        read::list(self, prefix)
    }

    fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.check_root(Verb::List)?;
        read::folders(self, prefix)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        self.open_objects.forget(name);
        match unlinkat(&self.root, name.as_str(), AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT) => return self.check_root(Verb::Delete),
            Err(errno) => return Err(StoreError::io(Verb::Delete, name, errno)),
        }
        self.make_name_durable(Verb::Delete, name)
    }
}

/// Makes a directory and its missing ancestors; each new name is fsynced in its parent.
fn make_path_durable(path: &Path) -> Result<(), Errno> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_path_durable(parent)?;
    match rustix::fs::mkdir(path, DIR_MODE) {
        Ok(()) => fsync(rustix::fs::open(parent, DIR_FLAGS, Mode::empty())?),
        Err(Errno::EXIST) if path.is_dir() => Ok(()),
        Err(Errno::EXIST) => Err(Errno::NOTDIR),
        Err(errno) => Err(errno),
    }
}
