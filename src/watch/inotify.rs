//! The kernel side: opening a directory, watching it, listing it; reading events.
//!
//! The crate `inotify` makes the instance, adds watches and reads events. Watches are removed by number through
//! rustix: the crate wants a descriptor of its own for that, 16 bytes more for each directory.
//!
//! Nothing stays open: an open directory would keep its filesystem from being unmounted, a watch does not.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use ::inotify::{Inotify, WatchMask};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::hint::RootKey;
use super::state::{Event, Found, Step};
use super::tree::Wd;
use crate::model::RelPath;

/// What tells a directory from others while it exists.
pub(super) type Identity = (u64, u64);

/// IN_DONT_FOLLOW is missing because watches are added through `/proc/self/fd`; the directory was opened without
/// following links.
const MASK: WatchMask = WatchMask::ATTRIB
    .union(WatchMask::CREATE)
    .union(WatchMask::DELETE)
    .union(WatchMask::DELETE_SELF)
    .union(WatchMask::MODIFY)
    .union(WatchMask::CLOSE_WRITE)
    .union(WatchMask::MOVE_SELF)
    .union(WatchMask::MOVED_FROM)
    .union(WatchMask::MOVED_TO)
    .union(WatchMask::ONLYDIR)
    .union(WatchMask::EXCL_UNLINK);

/// About 8,000 events with short names at a time.
const BUFFER_BYTES: usize = 256 << 10;

pub(super) struct Kernel {
    inotify: Inotify,
    buffer: Vec<u8>,
    roots: HashMap<RootKey, RootFacts>,
    excluded: HashSet<Identity>,
    watch_limit: usize,
}

struct RootFacts {
    path: PathBuf,
    one_filesystem: bool,
    identity: Option<Identity>,
    /// Its filesystem does not tell of all changes; asking it may take for ever.
    no_events: bool,
}

impl RootFacts {
    /// By the device, as the scan decides it: what is stored is watched, a bind mount of the same filesystem too.
    fn is_foreign(&self, dir: &Facts) -> bool {
        self.one_filesystem && self.identity.is_some_and(|(device, _)| device != dir.identity.0)
    }
}

/// What statx tells of an open directory.
struct Facts {
    identity: Identity,
    mount_root: bool,
}

impl Kernel {
    pub(super) fn open(excluded: HashSet<Identity>, watch_limit: Option<usize>) -> io::Result<Self> {
        Ok(Self {
            inotify: Inotify::init()?,
            buffer: vec![0; BUFFER_BYTES],
            roots: HashMap::new(),
            excluded,
            watch_limit: watch_limit.unwrap_or(usize::MAX),
        })
    }

    pub(super) fn add_root(&mut self, key: RootKey, path: &Path, one_filesystem: bool) {
        let facts = RootFacts { path: path.to_path_buf(), one_filesystem, identity: None, no_events: false };
        self.roots.insert(key, facts);
    }

    /// Watches a directory that belongs to no root and excludes it from all.
    pub(super) fn watch_apart(&mut self, path: &Path) -> io::Result<Wd> {
        let dir = open_dir(rustix::fs::CWD, path)?;
        self.excluded.insert(facts(dir.as_fd())?.identity);
        self.add(dir.as_fd())
    }

    /// Is another directory, or none, at the path of the root than when it was visited?
    pub(super) fn root_moved(&self, key: RootKey) -> bool {
        let Some(root) = self.roots.get(&key) else { return false };
        root.identity.is_some() && facts_at(&root.path).ok().map(|facts| facts.identity) != root.identity
    }

    /// A root without events is compared from time to time in any case.
    pub(super) fn has_events(&self, key: RootKey) -> bool {
        self.roots.get(&key).is_some_and(|root| !root.no_events)
    }

    /// Appends what can be read at once; false when there was nothing.
    pub(super) fn read(&mut self, into: &mut Vec<Event>) -> io::Result<bool> {
        match self.inotify.read_events(&mut self.buffer) {
            Ok(events) => into.extend(events.map(|event| Event {
                wd: Wd(event.wd.get_watch_descriptor_id()),
                mask: event.mask,
                name: event.name.map(|n| n.as_encoded_bytes().to_vec()).filter(|n| RelPath::is_name(n)),
            })),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// A watch that the kernel dropped by itself is no error.
    pub(super) fn remove(&self, wd: Wd) {
        let _ = rustix::fs::inotify::remove_watch(&self.inotify, wd.0);
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Opens, watches, lists: in this order. `watches` is how many there are already.
    pub(super) fn visit(&mut self, step: &Step, watches: usize) -> Found {
        match self.try_visit(step, watches) {
            Ok(found) => found,
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE) => Found::Gone,
                _ => Found::Failed { error: error.to_string() },
            },
        }
    }

    fn try_visit(&mut self, step: &Step, watches: usize) -> io::Result<Found> {
        let Some(root) = self.roots.get_mut(&step.root) else { return Ok(Found::Gone) };
        let dir = open_below(&root.path, &step.dir)?;
        let facts = facts(dir.as_fd())?;
        let no_events = without_events(dir.as_fd())?;
        if step.dir.is_root() {
            root.identity = Some(facts.identity);
            root.no_events = no_events.is_some();
        }
        if root.is_foreign(&facts) || self.excluded.contains(&facts.identity) {
            return Ok(Found::Excluded);
        }
        if !step.arm {
            return Ok(Found::NoWatchLeft { dirs: list(dir).unwrap_or_default() });
        }
        let watch = if watches < self.watch_limit { self.add(dir.as_fd()) } else { Err(Errno::NOSPC.into()) };
        match watch {
            Ok(wd) => {
                let dirs = list(dir).map_err(|error| error.to_string());
                Ok(Found::Armed { wd, mount_root: facts.mount_root, no_events, dirs })
            }
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOSPC | Errno::NOMEM)) => {
                Ok(Found::NoWatchLeft { dirs: list(dir).unwrap_or_default() })
            }
            Err(error) => Err(error),
        }
    }

    fn add(&self, dir: BorrowedFd<'_>) -> io::Result<Wd> {
        let wd = self.inotify.watches().add(format!("/proc/self/fd/{}", dir.as_raw_fd()), MASK)?;
        Ok(Wd(wd.get_watch_descriptor_id()))
    }
}

const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Follows links: the path of a root is the user's.
fn open_dir(at: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(at, path, DIR | OFlags::NONBLOCK, Mode::empty())?)
}

/// Follows no link below the root. Long paths are opened in pieces that the kernel takes.
fn open_below(root: &Path, dir: &RelPath) -> io::Result<OwnedFd> {
    let mut at = open_dir(rustix::fs::CWD, root)?;
    let pieces = pieces(dir);
    let last = pieces.len().saturating_sub(1);
    for (n, piece) in pieces.iter().enumerate() {
        let flags = if n == last { DIR } else { OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC };
        at = rustix::fs::openat2(
            &at,
            piece.as_slice(),
            flags | OFlags::NOFOLLOW,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        )?;
    }
    Ok(at)
}

/// Below PATH_MAX (4,096) with room for one name more.
const PIECE_BYTES: usize = 3_800;

fn pieces(dir: &RelPath) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    for component in dir.components() {
        match out.last_mut() {
            Some(piece) if piece.len() + component.len() < PIECE_BYTES => {
                piece.push(b'/');
                piece.extend_from_slice(component);
            }
            _ => out.push(component.to_vec()),
        }
    }
    out
}

fn facts(dir: BorrowedFd<'_>) -> io::Result<Facts> {
    Ok(facts_of(&rustix::fs::statx(dir, "", AtFlags::EMPTY_PATH, FACTS)?))
}

/// Opens nothing, mounts nothing: it is asked every few seconds. Follows links.
fn facts_at(path: &Path) -> io::Result<Facts> {
    Ok(facts_of(&rustix::fs::statx(rustix::fs::CWD, path, AtFlags::NO_AUTOMOUNT, FACTS)?))
}

const FACTS: StatxFlags = StatxFlags::INO;

fn facts_of(stat: &Statx) -> Facts {
    let dev = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    let mount_root = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
    Facts { identity: (dev, stat.stx_ino), mount_root }
}

fn list(dir: OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut dirs = Vec::new();
    let mut listing = Dir::new(dir)?;
    while let Some(entry) = listing.next() {
        let entry = entry?;
        let name = entry.file_name();
        if !RelPath::is_name(name.to_bytes()) {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => file_type(&listing, name)?,
            kind => kind,
        };
        if kind == FileType::Directory {
            dirs.push(name.to_bytes().to_vec());
        }
    }
    Ok(dirs)
}

/// Some filesystems do not tell the type in a listing. What vanished meanwhile is no directory.
fn file_type(listing: &Dir, name: &std::ffi::CStr) -> io::Result<FileType> {
    match rustix::fs::statat(listing.fd()?, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode)),
        Err(Errno::NOENT) => Ok(FileType::Unknown),
        Err(error) => Err(error.into()),
    }
}

/// The type of a filesystem that changes without events: by other hosts, or by itself.
fn without_events(dir: BorrowedFd<'_>) -> io::Result<Option<&'static str>> {
    let magic = rustix::fs::fstatfs(dir)?.f_type as u64 & 0xffff_ffff;
    Ok(NO_EVENTS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name))
}

/// statfs(2) and the headers of the filesystems.
const NO_EVENTS: [(u64, &str); 20] = [
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "ceph"),
    (0x5346_414f, "afs"),
    (0x7375_7245, "coda"),
    (0x0bd0_0bd0, "lustre"),
    (0x786f_4256, "vboxsf"),
    (0x7461_636f, "ocfs2"),
    (0x0116_1970, "gfs2"),
    (0x1983_0326, "beegfs"),
    (0x4750_4653, "gpfs"),
    (0x2003_0528, "orangefs"),
    (0x6b41_4653, "kafs"),
    (0xbacb_acbc, "vmhgfs"),
    (0x7c7c_6673, "prl_fs"),
    (0x9fa0, "proc"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_are_opened_in_pieces_that_the_kernel_takes() {
        let name = "n".repeat(255);
        let path = vec![name.as_str(); 40].join("/");
        let parts = pieces(&RelPath::parse(path.as_bytes()).unwrap());
        assert!(parts.len() > 1 && parts.iter().all(|piece| piece.len() < 4_095));
        assert_eq!(parts.join(&b'/'), path.as_bytes());
        assert!(pieces(&RelPath::root()).is_empty());
    }
}
