//! Where a tree is put back: a directory that nothing which is restored can leave.
//!
//! Whatever the names and links of a snapshot say, and whatever another process swaps in meanwhile: every step goes
//! through a descriptor of a directory beneath the destination, and no link on the way is followed.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, StatVfsMountFlags};
use rustix::io::Errno;

use crate::model::{Entry, EntryKind, Problem, RelPath};

use super::apply::{Origin, Target};
use super::devices::{Device, Devices};
use super::not_set::NotSet;
use super::restored::{DestFile, DestNode, LinkSource, stat};
use super::{DestinationError, Listing, Stat, flags, linux, unfinished, xattr};

type Result<T> = std::result::Result<T, DestinationError>;

/// Of what a person named: links are followed.
const ROOT_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Cheap to clone; workers share it.
#[derive(Clone, Debug)]
pub struct Destination {
    root: Arc<OwnedFd>,
    /// Directories above it, locked as long as this lives.
    _above: Arc<[OwnedFd]>,
    uid: u32,
    devices: Arc<Devices>,
    /// Of the root, before anything was done to it.
    found: Stat,
    is_empty: bool,
    is_new: bool,
}

impl Destination {
    /// Links in `path` itself are followed: it is what a person wrote.
    pub fn open(path: &Path) -> Result<Self> {
        let root = rustix::fs::open(path, ROOT_FLAGS, Mode::empty())
            .map_err(|errno| DestinationError::Root { path: path.to_path_buf(), source: errno.into() })?;
        let uid = rustix::process::geteuid().as_raw();
        let is_empty =
            std::fs::read_dir(path).is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(is_of_mkfs)));
        let found = linux::stat_fd(root.as_fd())
            .map_err(|errno| DestinationError::Root { path: path.to_path_buf(), source: errno.into() })?;
        let found = Stat::from_statx(&found).unwrap_or_else(|_| unreachable!("a directory was opened"));
        let devices = Devices::default();
        devices.of(found.dev, root.as_fd(), &RelPath::root())?;
        Ok(Self {
            root: Arc::new(root),
            _above: Arc::default(),
            uid,
            devices: Arc::new(devices),
            found,
            is_empty,
            is_new: false,
        })
    }

    /// Makes the directory and those above it, as far as they are missing.
    pub fn create(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|source| DestinationError::Root { path: path.to_path_buf(), source })?;
        }
        Self::create_last(path)
    }

    /// Makes the directory where it is missing, open to its owner alone; its parent must be there.
    pub fn create_last(path: &Path) -> Result<Self> {
        let is_new = match DirBuilder::new().mode(unfinished::DIR.as_raw_mode()).create(path) {
            Ok(()) => true,
            Err(source) if source.kind() == ErrorKind::AlreadyExists => false,
            Err(source) => return Err(DestinationError::Root { path: path.to_path_buf(), source }),
        };
        Ok(Self { is_new, ..Self::open(path)? })
    }

    /// On a read-only filesystem each file would be a problem.
    pub fn refuse_read_only(&self, path: &Path) -> Result<()> {
        match rustix::fs::fstatvfs(&*self.root) {
            Ok(stat) if stat.f_flag.contains(StatVfsMountFlags::RDONLY) => {
                Err(DestinationError::Root { path: path.to_path_buf(), source: Errno::ROFS.into() })
            }
            _ => Ok(()),
        }
    }

    /// Nobody else locks it, nor a directory above it or below, until the last copy of this value is gone: those above are locked
    /// too, in a way that lets others lock what lies beside. A lock of another kind, or none, where a filesystem has no such locks;
    /// none on what may not be read.
    pub fn locked(self, path: &Path) -> Result<Self> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let mut above = Vec::new();
        for dir in real.ancestors().skip(1) {
            if let Ok(opened) = rustix::fs::open(dir, ROOT_FLAGS, Mode::empty()) {
                lock(opened.as_fd(), FlockOperation::NonBlockingLockShared, dir)?;
                above.push(opened);
            }
        }
        lock(self.root.as_fd(), FlockOperation::NonBlockingLockExclusive, path)?;
        Ok(Self { _above: above.into(), ..self })
    }

    /// The root gets its metadata when all else is there; should the restore be cut off, the next one knows it by this. Where
    /// it belongs to somebody else it cannot be marked, and stays as it is. Until then what is below it is spread over the disk.
    pub fn begin_root(&self) {
        let _ = rustix::fs::fchmod(&*self.root, unfinished::DIR);
        flags::spread_below(self.root.as_fd());
    }

    /// Lets its owner do in the root what its own mode may forbid; for a root that gets its metadata at the end.
    pub fn open_up_root(&self) -> Result<()> {
        match self.is_closed_to_us(&self.found) {
            true => rustix::fs::fchmod(&*self.root, unfinished::DIR)
                .map_err(DestinationError::at("set the mode of", &RelPath::root())),
            false => Ok(()),
        }
    }

    /// Root needs no permission.
    fn is_closed_to_us(&self, dir: &Stat) -> bool {
        self.uid != 0 && dir.uid == self.uid && dir.mode & OWNER_ALL != OWNER_ALL
    }

    /// The root itself, as it was found.
    pub fn found(&self) -> &Stat {
        &self.found
    }

    /// The root was made now.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The root held nothing, or what a new filesystem holds: it is as good as made now.
    pub fn was_empty(&self) -> bool {
        self.is_empty
    }

    /// Was this directory made by a restore that did not come to an end? It gets its mode last, after its owner: `uid`
    /// ([`super::MetadataWriter::uid_of`]).
    pub fn is_unfinished_dir(&self, stat: &Stat, entry: &Entry, uid: u32) -> bool {
        let is_owner = stat.uid == self.uid || stat.uid == uid;
        let is_marked = unfinished::is_dir_mark(stat.mode) || unfinished::is_acl_mark(stat, entry);
        stat.kind == EntryKind::Dir && is_owner && is_marked
    }

    /// By path; costs a lookup per component. With a parent at hand, [`DestDir::open_child`] is cheaper.
    pub fn open_dir(&self, path: &RelPath) -> Result<DestDir> {
        let fd = linux::open_beneath(self.root.as_fd(), path, linux::DIR_FLAGS)
            .map_err(DestinationError::at("open the directory", path))?;
        DestDir::existing(self.clone(), path.clone(), fd)
    }

    /// All that was written is on the disk when it returns, also what went to filesystems that are mounted below.
    pub fn sync(&self) -> Result<()> {
        self.devices.sync()
    }
}

/// An open directory beneath the destination. Holds one descriptor.
#[derive(Debug)]
pub struct DestDir {
    destination: Destination,
    device: Arc<Device>,
    path: RelPath,
    fd: OwnedFd,
    origin: Origin,
    /// What is created here gets an ACL or inode flags that its entry may not have.
    bequeaths: bool,
    /// As it was opened.
    append_only: bool,
}

impl DestDir {
    fn existing(destination: Destination, path: RelPath, fd: OwnedFd) -> Result<Self> {
        let found = stat(fd.as_fd(), &path)?;
        let device = destination.devices.of(found.dev, fd.as_fd(), &path)?;
        let bequeaths = bequeaths(fd.as_fd());
        Ok(Self { destination, device, path, fd, origin: Origin::Existing, bequeaths, append_only: found.append_only })
    }

    pub fn path(&self) -> &RelPath {
        &self.path
    }

    pub fn list(&self) -> Result<Listing> {
        Listing::read(self.fd.as_fd()).map_err(DestinationError::at("list the directory", &self.path))
    }

    /// What stands there, links not followed; `None` if nothing does.
    pub fn stat(&self, name: &[u8]) -> Result<Option<Stat>> {
        let path = self.child(name)?;
        match linux::stat_name(self.fd.as_fd(), name) {
            Ok(raw) => Stat::from_statx(&raw).map(Some).map_err(|_| DestinationError::InTheWay { path }),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(DestinationError::new("stat", path, errno)),
        }
    }

    pub fn open_child(&self, name: &[u8]) -> Result<DestDir> {
        let path = self.child(name)?;
        let fd = linux::open_name(self.fd.as_fd(), name, linux::DIR_FLAGS)
            .map_err(DestinationError::at("open the directory", &path))?;
        Self::existing(self.destination.clone(), path, fd)
    }

    /// Open to its owner alone until its metadata is applied, which is to be done after all that it holds.
    pub fn create_dir(&self, name: &[u8]) -> Result<DestDir> {
        let path = self.child(name)?;
        rustix::fs::mkdirat(&self.fd, name, unfinished::DIR)
            .map_err(DestinationError::at("create the directory", &path))?;
        if self.destination.uid != 0 {
            // a default ACL or a umask may have closed it
            self.stat(name)?.map_or(Ok(()), |made| self.open_up(name, &made))?;
        }
        let fd = linux::open_name(self.fd.as_fd(), name, linux::DIR_FLAGS)
            .map_err(DestinationError::at("open the directory", &path))?;
        let bequeaths = self.bequeaths && bequeaths(fd.as_fd());
        let (destination, device) = (self.destination.clone(), self.device.clone());
        Ok(Self { destination, device, path, fd, origin: self.origin_of_new(), bequeaths, append_only: false })
    }

    /// Lets its owner do in a directory what its mode forbids, by the mark of what is unfinished; for one that gets its metadata at the
    /// end.
    pub fn open_up(&self, name: &[u8], found: &Stat) -> Result<()> {
        if !self.destination.is_closed_to_us(found) {
            return Ok(());
        }
        let path = self.child(name)?;
        // one that may not be read cannot be opened for it
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        linux::open_name(self.fd.as_fd(), name, flags)
            .and_then(|fd| rustix::fs::chmod(linux::fd_path(fd.as_fd()), unfinished::DIR))
            .map_err(DestinationError::at("set the mode of", &path))
    }

    /// No metadata will come for this directory: its owner's alone, and not marked as unfinished.
    pub fn keep_without_metadata(&self) -> Result<()> {
        rustix::fs::fchmod(&self.fd, Mode::RWXU).map_err(DestinationError::at("set the mode of", &self.path))
    }

    /// A new, empty file; whatever stands there is an error. It is closed to all, and [marked](unfinished), until its metadata is
    /// applied.
    pub fn create_file(&self, name: &[u8]) -> Result<DestFile> {
        let path = self.child(name)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, unfinished::FILE)
            .map_err(DestinationError::at("create", &path))?;
        self.device.marks.learn(|| linux::stat_fd(fd.as_fd()).ok().map(|stat| stat.stx_mode.into()));
        Ok(DestFile::new(fd, path, self.origin_of_new()))
    }

    /// Is it certain that an unfinished file would be known here by its mark?
    pub fn keeps_marks(&self) -> bool {
        self.device.marks.is_known()
    }

    /// A regular file that is there already, to compare its content and to set its metadata. It may have other names
    /// ([`Stat::nlink`]), also outside: who is not sure of it removes it and creates it anew.
    pub fn open_file(&self, name: &[u8]) -> Result<DestFile> {
        let path = self.child(name)?;
        let fd =
            linux::open_name(self.fd.as_fd(), name, linux::FILE_FLAGS).map_err(DestinationError::at("open", &path))?;
        let file = DestFile::new(fd, path, Origin::Existing);
        match file.stat()?.kind {
            EntryKind::File => Ok(file),
            _ => Err(DestinationError::InTheWay { path: file.path().clone() }),
        }
    }

    /// A new link, FIFO, socket or device.
    pub fn create_node(&self, name: &[u8], entry: &Entry) -> Result<DestNode> {
        let path = self.child(name)?;
        match entry.kind {
            EntryKind::Symlink => self.symlink(name, entry, &path)?,
            EntryKind::Fifo => self.mknod(name, FileType::Fifo, 0, &path)?,
            EntryKind::Socket => self.mknod(name, FileType::Socket, 0, &path)?,
            EntryKind::CharDevice => self.mknod(name, FileType::CharacterDevice, device(entry, &path)?, &path)?,
            EntryKind::BlockDevice => self.mknod(name, FileType::BlockDevice, device(entry, &path)?, &path)?,
            EntryKind::File | EntryKind::Dir => {
                return Err(DestinationError::BadEntry { path, reason: "it is a file or directory, not a node" });
            }
        }
        let node = self.open_as(name, path, self.origin_of_new())?;
        match node.stat()?.kind == entry.kind {
            true => Ok(node),
            false => Err(DestinationError::Replaced { path: node.path().clone() }),
        }
    }

    /// What is there already, to set its metadata; links are not followed and nothing is opened for reading.
    pub fn open_node(&self, name: &[u8]) -> Result<DestNode> {
        let path = self.child(name)?;
        self.open_as(name, path, Origin::Existing)
    }

    /// Another name for what was restored before.
    pub fn hard_link(&self, name: &[u8], first: &LinkSource) -> Result<()> {
        let path = self.child(name)?;
        let fd = first.open(self.destination.root.as_fd())?;
        // by descriptor, not by name: nothing can be swapped in between the check and the link
        rustix::fs::linkat(rustix::fs::CWD, linux::fd_path(fd.as_fd()), &self.fd, name, AtFlags::SYMLINK_FOLLOW)
            .map_err(|errno| {
                match errno == Errno::PERM && (is_protected(fd.as_fd()) || is_protected(self.fd.as_fd())) {
                    true => DestinationError::new("create the hard link", path, errno),
                    false => DestinationError::of_link(path, first.path(), errno),
                }
            })
    }

    /// Removes what is no directory, or an empty directory. A link is removed, not what it points to.
    pub fn remove(&self, name: &[u8]) -> Result<()> {
        let path = self.child(name)?;
        let removed = match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR),
            other => other,
        };
        removed.map_err(DestinationError::at("remove", &path))
    }

    /// Takes immutable and append-only away from a file; does nothing about what is no file.
    pub fn unprotect(&self, name: &[u8]) -> Result<()> {
        match self.stat(name)? {
            Some(found) if found.kind == EntryKind::File && found.is_protected() => self.open_file(name)?.unprotect(),
            _ => Ok(()),
        }
    }

    /// The same for this directory itself; gives back what it took, for [`protect_self`](Self::protect_self).
    pub fn unprotect_self(&self) -> Result<u32> {
        flags::unprotect(self.fd.as_fd()).map_err(DestinationError::at("change the flags of", &self.path))
    }

    pub fn protect_self(&self, taken: u32) -> Vec<Problem> {
        let mut not_set = NotSet::of(&self.target());
        flags::add(self.fd.as_fd(), taken, &mut not_set);
        not_set.into_problems()
    }

    /// To be asked before something is made that is to be renamed: where flags forbid that, it could not be removed either.
    pub fn refuse_if_append_only(&self) -> Result<()> {
        match self.append_only {
            true => Err(DestinationError::new("rename something in", self.path.clone(), Errno::PERM)),
            false => Ok(()),
        }
    }

    /// Gives `name` to what has the name `from`; what had it before is gone, unless it is a directory. Atomic.
    pub fn rename(&self, from: &[u8], name: &[u8]) -> Result<()> {
        let path = self.child(name)?;
        self.child(from)?;
        rustix::fs::renameat(&self.fd, from, &self.fd, name).map_err(DestinationError::at("replace", &path))
    }

    /// The same where nothing has the name; else it is an error, and both stay as they are.
    pub fn rename_new(&self, from: &[u8], name: &[u8]) -> Result<()> {
        let path = self.child(name)?;
        self.child(from)?;
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&self.fd, from, &self.fd, name, flags) {
            // not every filesystem knows the flag (NFS, some of FUSE): nobody but a program that comes in between is replaced
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match self.stat(name)? {
                None => self.rename(from, name),
                Some(_) => Err(DestinationError::Exists { path }),
            },
            done => done.map_err(DestinationError::at("create", &path)),
        }
    }

    /// To apply metadata to it.
    pub fn target(&self) -> Target<'_> {
        Target::open(self.fd.as_fd(), &self.path, self.origin)
    }

    /// Names come from a snapshot, which may be hostile.
    fn child(&self, name: &[u8]) -> Result<RelPath> {
        match RelPath::is_name(name) {
            true => Ok(self.path.join(name)),
            false => Err(DestinationError::BadName { name: String::from_utf8_lossy(name).into_owned() }),
        }
    }

    fn origin_of_new(&self) -> Origin {
        if self.bequeaths { Origin::Inherited } else { Origin::Clean }
    }

    fn open_as(&self, name: &[u8], path: RelPath, origin: Origin) -> Result<DestNode> {
        let fd = linux::open_name(self.fd.as_fd(), name, OFlags::PATH | OFlags::CLOEXEC)
            .map_err(DestinationError::at("open", &path))?;
        Ok(DestNode::new(fd, path, origin))
    }

    fn symlink(&self, name: &[u8], entry: &Entry, path: &RelPath) -> Result<()> {
        let target = entry.target.as_deref().filter(|target| !target.is_empty() && !target.contains(&0));
        let target = target
            .ok_or_else(|| DestinationError::BadEntry { path: path.clone(), reason: "the link has no target" })?;
        rustix::fs::symlinkat(target, &self.fd, name).map_err(DestinationError::at("create the link", path))
    }

    fn mknod(&self, name: &[u8], kind: FileType, device: u64, path: &RelPath) -> Result<()> {
        rustix::fs::mknodat(&self.fd, name, kind, Mode::RUSR | Mode::WUSR, device)
            .map_err(DestinationError::at("create the special file", path))
    }
}

const OWNER_ALL: u32 = 0o700;

/// mkfs of ext4 makes it.
fn is_of_mkfs(entry: std::fs::DirEntry) -> bool {
    entry.file_name() == "lost+found"
}

fn device(entry: &Entry, path: &RelPath) -> Result<u64> {
    let (major, minor) = entry
        .device
        .ok_or_else(|| DestinationError::BadEntry { path: path.clone(), reason: "the device has no number" })?;
    Ok(rustix::fs::makedev(major, minor))
}

fn lock(dir: BorrowedFd<'_>, how: FlockOperation, path: &Path) -> Result<()> {
    match rustix::fs::flock(dir, how) {
        Err(Errno::AGAIN) => Err(DestinationError::InUse { path: path.to_path_buf() }),
        _ => Ok(()),
    }
}

/// Do flags forbid to change it?
fn is_protected(fd: BorrowedFd<'_>) -> bool {
    stat(fd, &RelPath::root()).is_ok_and(|found| found.is_protected())
}

/// Doubt (an error) counts as yes: it costs a comparison per file, no more.
fn bequeaths(dir: BorrowedFd<'_>) -> bool {
    let flags = linux::inode_flags(dir).map(|raw| raw.and_then(flags::to_bequeath));
    !matches!(flags, Ok(None)) || xattr::has_default_acl(dir)
}
