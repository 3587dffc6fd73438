//! Reading objects and listing them.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::root::{DIR_FLAGS, DirStore};
use crate::model::StorageClass;
use crate::store::limit::Direction;
use crate::store::{Limiter, Listed, ObjectName, StoreError, Verb};

/// Descriptors of the objects read last. A restore reads many ranges of few packs; objects never change.
#[derive(Default)]
pub(super) struct OpenObjects {
    /// The one used last stands at the end.
    recent: Mutex<Vec<(ObjectName, Arc<OpenObject>)>>,
}

struct OpenObject {
    file: File,
    size: u64,
}

const MAX_OPEN_OBJECTS: usize = 32;

impl OpenObjects {
    pub(super) fn forget(&self, name: &ObjectName) {
        self.recent().retain(|(known, _)| known != name);
    }

    fn find(&self, name: &ObjectName) -> Option<Arc<OpenObject>> {
        let mut recent = self.recent();
        let at = recent.iter().position(|(known, _)| known == name)?;
        let found = recent.remove(at);
        let object = found.1.clone();
        recent.push(found);
        Some(object)
    }

    fn keep(&self, name: &ObjectName, object: Arc<OpenObject>) {
        let mut recent = self.recent();
        if recent.len() >= MAX_OPEN_OBJECTS {
            recent.remove(0);
        }
        recent.push((name.clone(), object));
    }

    fn recent(&self) -> MutexGuard<'_, Vec<(ObjectName, Arc<OpenObject>)>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn whole(store: &DirStore, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
    let OpenObject { file, size } = open(store, Verb::Get, name)?;
    if size > limit {
        return Err(StoreError::TooLarge { name: name.clone(), size, limit });
    }
    read_pieces(&file, 0, size, store.limiter()).map_err(|error| StoreError::io(Verb::Get, name, error))
}

pub(super) fn range(
    store: &DirStore,
    open_objects: &OpenObjects,
    name: &ObjectName,
    offset: u64,
    len: u64,
) -> Result<Vec<u8>, StoreError> {
    let object = match open_objects.find(name) {
        Some(object) => object,
        None => {
            let object = Arc::new(open(store, Verb::GetRange, name)?);
            open_objects.keep(name, object.clone());
            object
        }
    };
    let size = object.size;
    if offset.checked_add(len).is_none_or(|end| end > size) {
        return Err(StoreError::OutOfRange { name: name.clone(), offset, len, size });
    }
    read_pieces(&object.file, offset, len, store.limiter()).map_err(|error| StoreError::io(Verb::GetRange, name, error))
}

/// Each piece when the limit allows it.
fn read_pieces(file: &File, offset: u64, len: u64, limiter: &Limiter) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    let mut done = 0;
    while done < bytes.len() {
        let end = bytes.len().min(done + limiter.piece(Direction::Download));
        limiter.pass(Direction::Download, (end - done) as u64);
        file.read_exact_at(&mut bytes[done..end], offset + done as u64)?;
        done = end;
    }
    Ok(bytes)
}

fn open(store: &DirStore, verb: Verb, name: &ObjectName) -> Result<OpenObject, StoreError> {
    // a FIFO that somebody put into the repository must not block us
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match openat(store.root(), name.as_str(), flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Err(store.missing(verb, name)),
        Err(errno) => return Err(StoreError::io(verb, name, errno)),
    };
    let meta = file.metadata().map_err(|error| StoreError::io(verb, name, error))?;
    if !meta.is_file() {
        return Err(StoreError::NotAFile { name: name.clone() });
    }
    Ok(OpenObject { file, size: meta.len() })
}

pub(super) fn list(store: &DirStore, prefix: &str) -> Result<Vec<Listed>, StoreError> {
    let mut found = Vec::new();
    let root = openat(store.root(), ".", DIR_FLAGS, Mode::empty());
    let root = root.map_err(|errno| StoreError::io(Verb::List, store.place().display(), errno))?;
    Walk { prefix, found: &mut found }.directory(root, "")?;
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

pub(super) fn folders(store: &DirStore, prefix: &str) -> Result<Vec<String>, StoreError> {
    let fd = match openat(store.root(), prefix.trim_end_matches('/'), DIR_FLAGS, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(vec![]),
        fd => fd.map_err(|errno| StoreError::io(Verb::List, format_args!("folders in {prefix:?}"), errno))?,
    };
    let mut found = Vec::new();
    each(&fd, prefix, |leaf, _| {
        if let Some(below) = open_dir(&fd, prefix, leaf)?
            && holds_object(&below, &format!("{prefix}{leaf}/"))?
        {
            found.push(leaf.to_owned());
        }
        Ok(())
    })?;
    found.sort_unstable();
    Ok(found)
}

/// A crash may have left a directory that nothing was stored in.
fn holds_object(dir: &OwnedFd, path: &str) -> Result<bool, StoreError> {
    let mut found = false;
    each(dir, path, |leaf, file_type| {
        if found || file_type == FileType::RegularFile {
            found = true;
            return Ok(());
        }
        found = match open_dir(dir, path, leaf)? {
            Some(below) => holds_object(&below, &format!("{path}{leaf}/"))?,
            // a link to a file, or a filesystem that does not tell what it is
            None => true,
        };
        Ok(())
    })?;
    Ok(found)
}

/// `None`: it is none.
fn open_dir(dir: &OwnedFd, path: &str, leaf: &str) -> Result<Option<OwnedFd>, StoreError> {
    match openat(dir, leaf, DIR_FLAGS, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        // a link that leads to itself is somebody's junk
        Err(Errno::NOTDIR | Errno::NOENT | Errno::LOOP) => Ok(None),
        Err(errno) => Err(StoreError::io(Verb::List, format_args!("objects in {path}{leaf}"), errno)),
    }
}

/// What can be part of an object's name; `path` ends with a slash.
fn each(
    dir: &OwnedFd,
    path: &str,
    mut visit: impl FnMut(&str, FileType) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let failed = |errno: Errno| StoreError::io(Verb::List, format_args!("objects in {path:?}"), errno);
    for entry in Dir::read_from(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_name().to_str() {
            Ok(leaf) if ObjectName::parse(&format!("{path}{leaf}")).is_ok() => visit(leaf, entry.file_type())?,
            _ => {}
        }
    }
    Ok(())
}

struct Walk<'a> {
    prefix: &'a str,
    found: &'a mut Vec<Listed>,
}

impl Walk<'_> {
    /// `path` of the directory ends with a slash, or is empty.
    fn directory(&mut self, fd: OwnedFd, path: &str) -> Result<(), StoreError> {
        let failed = |errno: Errno| StoreError::io(Verb::List, format_args!("objects in {path:?}"), errno);
        for entry in Dir::read_from(&fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // what cannot be the name of an object is none: lost+found, .DS_Store, our own tmp/
            let Ok(name) = entry.file_name().to_str().map(|leaf| ObjectName::parse(&format!("{path}{leaf}"))) else {
                continue;
            };
            let Ok(name) = name else { continue };
            self.entry(&fd, name, entry.file_type())?;
        }
        Ok(())
    }

    fn entry(&mut self, dir: &OwnedFd, name: ObjectName, file_type: FileType) -> Result<(), StoreError> {
        let below = format!("{name}/");
        let may_hold = below.starts_with(self.prefix) || self.prefix.starts_with(&below);
        let matches = name.as_str().starts_with(self.prefix);
        match file_type {
            FileType::Directory if may_hold => self.subdirectory(dir, &name, &below),
            FileType::RegularFile if matches => {
                self.object(dir, name);
                Ok(())
            }
            // a link, or a filesystem that does not tell: look
            FileType::Symlink | FileType::Unknown if may_hold || matches => self.look(dir, name, &below),
            FileType::Directory => Ok(()),
            _ if matches => {
                self.damaged(name, "it is no regular file");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn subdirectory(&mut self, dir: &OwnedFd, name: &ObjectName, below: &str) -> Result<(), StoreError> {
        let before = self.found.len();
        match openat(dir, name.leaf(), DIR_FLAGS, Mode::empty()) {
            Ok(fd) => self.directory(fd, below)?,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(StoreError::io(Verb::List, name, errno)),
        }
        // whoever lists a folder of objects asks for what lies in it: there such a folder may stand where an object was
        if self.found.len() == before && format!("{}/", name.parent()) == self.prefix {
            self.damaged(name.clone(), "it is an empty folder");
        }
        Ok(())
    }

    fn object(&mut self, dir: &impl AsFd, name: ObjectName) {
        match statat(dir, name.leaf(), AtFlags::empty()) {
            Ok(stat) => self.push(name, stat.st_size.cast_unsigned()),
            // deleted since the directory was read
            Err(Errno::NOENT) => {}
            Err(errno) => self.damaged(name, errno),
        }
    }

    fn look(&mut self, dir: &OwnedFd, name: ObjectName, below: &str) -> Result<(), StoreError> {
        let stat = match statat(dir, name.leaf(), AtFlags::empty()) {
            Ok(stat) => stat,
            // all that is asked for may be behind it
            Err(errno) if self.prefix.starts_with(below) => return Err(StoreError::io(Verb::List, name, errno)),
            Err(errno) => {
                self.damaged(name, errno);
                return Ok(());
            }
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if below.starts_with(self.prefix) || self.prefix.starts_with(below) => {
                return self.subdirectory(dir, &name, below);
            }
            FileType::RegularFile if name.as_str().starts_with(self.prefix) => self.object(dir, name),
            FileType::Directory => {}
            _ if name.as_str().starts_with(self.prefix) => self.damaged(name, "it is no regular file"),
            _ => {}
        }
        Ok(())
    }

    /// One bad inode must not hide all other objects, nor may anything else hide the object whose name it has. Whoever asks for it is told
    /// why it cannot be had.
    fn damaged(&mut self, name: ObjectName, why: impl Display) {
        tracing::debug!(%name, %why, "an object is listed that cannot be read");
        self.push(name, 0);
    }

    fn push(&mut self, name: ObjectName, size: u64) {
        self.found.push(Listed { name, size, class: StorageClass::Standard });
    }
}
