//! The system calls that only Linux has, behind names that another platform can fill.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, IFlags, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;

use crate::model::RelPath;

type Result<T> = rustix::io::Result<T>;

/// A path of openat2 is at most PATH_MAX (4096) bytes with its NUL; longer ones are walked in pieces of this size.
const WALK_PIECE: usize = 4000;

/// Flags to open a directory for reading and searching.
pub(super) const DIR_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Flags to open a file for reading: never blocks on a FIFO, never takes a terminal.
pub(super) const FILE_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

const STAT_MASK: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME).union(StatxFlags::MNT_ID);

/// Opens `path` below `base`; no component may be a link, however the tree is changed meanwhile.
pub(super) fn open_beneath(base: BorrowedFd<'_>, path: &RelPath, flags: OFlags) -> Result<OwnedFd> {
    let mut rest = path.as_bytes();
    let mut reached: Option<OwnedFd> = None;
    while rest.len() > WALK_PIECE {
        // a component longer than a piece cannot exist: the kernel knows names up to 255, FUSE up to 1024 bytes
        let cut = rest[..WALK_PIECE].iter().rposition(|b| *b == b'/').ok_or(Errno::NAMETOOLONG)?;
        let from = reached.as_ref().map_or(base, OwnedFd::as_fd);
        let piece = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = rustix::fs::openat2(from, &rest[..cut], piece, Mode::empty(), RESOLVE)?;
        reached = Some(next);
        rest = &rest[cut + 1..];
    }
    let last = if rest.is_empty() { b"." } else { rest };
    let from = reached.as_ref().map_or(base, OwnedFd::as_fd);
    open_quietly(flags, |flags| rustix::fs::openat2(from, last, flags, Mode::empty(), RESOLVE))
}

/// Opens one name in `dir`, which must be a single component: nothing but that name is looked up.
pub(super) fn open_name(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd> {
    debug_assert!(RelPath::is_name(name));
    open_quietly(flags, |flags| rustix::fs::openat(dir, name, flags | OFlags::NOFOLLOW, Mode::empty()))
}

/// Opens a file that may be under a lease (Samba, NFS server): O_NONBLOCK refuses it then, waiting takes at most
/// `/proc/sys/fs/lease-break-time`. Waits only for what is known to be a regular file.
pub(super) fn open_file(dir: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd> {
    match open_name(dir, name, flags) {
        Err(Errno::AGAIN) => {
            let handle = open_name(dir, name, OFlags::PATH | OFlags::CLOEXEC)?;
            let mode = stat_fd(handle.as_fd())?.stx_mode;
            if FileType::from_raw_mode(mode.into()) != FileType::RegularFile {
                return Err(Errno::AGAIN);
            }
            let path = fd_path(handle.as_fd());
            let flags = flags - OFlags::NONBLOCK - OFlags::NOFOLLOW;
            open_quietly(flags, |flags| rustix::fs::open(path.as_str(), flags, Mode::empty()))
        }
        other => other,
    }
}

/// O_NOATIME is allowed to the owner of a file and to root alone; for others reading touches the access time.
fn open_quietly(flags: OFlags, open: impl Fn(OFlags) -> Result<OwnedFd>) -> Result<OwnedFd> {
    match open(flags) {
        Err(Errno::PERM) if flags.contains(OFlags::NOATIME) => open(flags - OFlags::NOATIME),
        other => other,
    }
}

/// Of a name, links not followed, automounts not triggered.
pub(super) fn stat_name(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Statx> {
    rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, STAT_MASK)
}

pub(super) fn stat_fd(fd: BorrowedFd<'_>) -> Result<Statx> {
    rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, STAT_MASK)
}

/// The path that names an open descriptor: leads to its inode and nowhere else, also for a link opened with O_PATH.
pub(super) fn fd_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// The path of a name in an open directory, for calls that have no `*at` form.
pub(super) fn child_path(dir: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    let mut path = fd_path(dir).into_bytes();
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

/// `None`: the filesystem keeps no such flags.
pub(super) fn inode_flags(fd: BorrowedFd<'_>) -> Result<Option<u32>> {
    match rustix::fs::ioctl_getflags(fd) {
        Ok(flags) => Ok(Some(flags.bits())),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn set_inode_flags(fd: BorrowedFd<'_>, flags: u32) -> Result<()> {
    rustix::fs::ioctl_setflags(fd, IFlags::from_bits_retain(flags))
}
