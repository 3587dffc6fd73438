//! Metadata back onto a restored file, in the one order in which nothing undoes what was set before:
//!
//! 1. [`MetadataWriter::prepare`], before the content: inode flags, because no-copy-on-write takes effect on empty
//!    files alone.
//! 2. [`MetadataWriter::apply`], after the content (of a directory: after all that it holds): owner, because changing
//!    it clears setuid and capabilities; attributes and ACLs while the file is still writable to its owner; times, which
//!    everything before may change; mode, which an ACL changes and which takes away the mark of what is unfinished.
//! 3. [`MetadataWriter::protect`], after all hard links are made: immutable and append-only, which forbid all the rest.
//!
//! Creating files is what limits a restore, so a call that would change nothing is left out.
//! Birth times cannot be set on Linux, change times nowhere.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Mode, Timespec, Timestamps};
use rustix::io::Errno;

use crate::model::{Entry, EntryKind, Problem, RelPath, Timestamp};

use super::error::metadata_problem;
use super::owner::{Owned, OwnerPolicy};
use super::xattr::On;
use super::{Names, Stat, flags, linux, owner, xattr};

/// What is there already is not touched without being told to.
const AS_ROOT: &str = "restore as root; --overwrite changed corrects what is there already";

/// What may be on a file before its metadata is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// Just created, nothing inherited: it has no attributes and no flags.
    Clean,
    /// Just created in a directory that hands down ACLs or flags.
    Inherited,
    /// It was there before.
    Existing,
}

/// An open inode of the destination that gets metadata.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub(super) fd: BorrowedFd<'a>,
    pub(super) path: &'a RelPath,
    pub(super) origin: Origin,
    /// Opened with O_PATH: calls on descriptors are refused, those on its path in `/proc` are not.
    pub(super) handle: bool,
}

impl<'a> Target<'a> {
    pub(super) fn open(fd: BorrowedFd<'a>, path: &'a RelPath, origin: Origin) -> Self {
        Self { fd, path, origin, handle: false }
    }

    pub(super) fn handle(fd: BorrowedFd<'a>, path: &'a RelPath, origin: Origin) -> Self {
        Self { fd, path, origin, handle: true }
    }

    fn on(&self) -> On<'a> {
        if self.handle { On::Handle(linux::fd_path(self.fd)) } else { On::Fd(self.fd) }
    }

    fn stat(&self) -> rustix::io::Result<Stat> {
        Stat::from_statx(&linux::stat_fd(self.fd)?).map_err(|_| Errno::INVAL)
    }

    fn chmod(&self, mode: u32) -> rustix::io::Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self.handle {
            false => rustix::fs::fchmod(self.fd, mode),
            true => rustix::fs::chmodat(rustix::fs::CWD, linux::fd_path(self.fd), mode, AtFlags::empty()),
        }
    }
}

/// Sets metadata and collects what could not be set. One per worker: it keeps what it asked about names.
pub struct MetadataWriter {
    owner: OwnerPolicy,
    names: Names,
}

impl MetadataWriter {
    pub fn new(owner: OwnerPolicy) -> Self {
        Self { owner, names: Names::new() }
    }

    /// For a created file, before its content is written.
    pub fn prepare(&self, target: Target<'_>, entry: &Entry) -> Vec<Problem> {
        let mut problems = Vec::new();
        if entry.kind == EntryKind::File && target.origin != Origin::Existing {
            set_flags(&target, entry, &mut problems);
        }
        problems
    }

    /// Everything but what forbids further changes.
    pub fn apply(&mut self, target: Target<'_>, entry: &Entry) -> Vec<Problem> {
        let mut problems = Vec::new();
        let before = match target.stat() {
            Ok(stat) => stat,
            Err(errno) => {
                problems.push(not_set(target.path, "metadata", errno));
                return problems;
            }
        };
        if entry.kind == EntryKind::Dir || (entry.kind == EntryKind::File && target.origin == Origin::Existing) {
            set_flags(&target, entry, &mut problems);
        }
        let owner = self.owner.of(entry, &mut self.names);
        let owned = owner::set(&target, &before, owner, &mut problems);
        let acl_touched = set_xattrs(&target, entry, &mut problems);
        set_times(&target, entry.mtime, &mut problems);
        if entry.kind != EntryKind::Symlink {
            set_mode(&target, entry, &before, owned, acl_touched, &mut problems);
        }
        problems
    }

    /// Immutable and append-only: the last thing that happens to an inode.
    pub fn protect(&self, target: Target<'_>, entry: &Entry) -> Vec<Problem> {
        let mut problems = Vec::new();
        let protecting = entry.inode_flags.unwrap_or(0) & flags::PROTECTING;
        if protecting != 0 && !target.handle {
            flags::add(target.fd, protecting, target.path, &mut problems);
        }
        problems
    }
}

fn set_flags(target: &Target<'_>, entry: &Entry, problems: &mut Vec<Problem>) {
    let wanted = entry.inode_flags.unwrap_or(0) & flags::RESTORABLE & !flags::PROTECTING;
    if wanted != 0 || target.origin != Origin::Clean {
        flags::set(target.fd, wanted, target.path, problems);
    }
}

/// Was an ACL set or removed? Then the mode may be another than before.
fn set_xattrs(target: &Target<'_>, entry: &Entry, problems: &mut Vec<Problem>) -> bool {
    let wanted = entry.xattrs.as_deref().unwrap_or_default();
    match target.origin {
        Origin::Clean if wanted.is_empty() => false,
        Origin::Clean => xattr::add(&target.on(), wanted, target.path, problems),
        Origin::Inherited | Origin::Existing => xattr::replace(&target.on(), wanted, target.path, problems),
    }
}

fn set_mode(
    target: &Target<'_>,
    entry: &Entry,
    before: &Stat,
    owned: Owned,
    acl_touched: bool,
    problems: &mut Vec<Problem>,
) {
    // with another owner than it had, a setuid bit would lend the rights of whoever restores
    let withheld = entry.mode & owned.untrusted_bits();
    let wanted = entry.mode & 0o7777 & !withheld;
    if withheld != 0 {
        let message = format!("its mode {:#06o} was set without setuid or setgid, as its owner is another", entry.mode);
        problems.push(metadata_problem(target.path, message, AS_ROOT));
    }
    let in_doubt = acl_touched || (owned.changed && (wanted | before.mode) & SPECIAL_BITS != 0);
    if wanted == before.mode && !in_doubt {
        return;
    }
    let set = target.chmod(wanted).and_then(|()| target.stat());
    match set {
        Err(errno) => problems.push(not_set(target.path, &format!("mode {wanted:#06o}"), errno)),
        // the kernel drops setgid without a word for a group that one is no member of
        Ok(now) if now.mode != wanted => problems.push(metadata_problem(
            target.path,
            format!("its mode became {:#06o} instead of {wanted:#06o}", now.mode),
            "restore as root (--overwrite changed corrects what is there already), to a filesystem that keeps modes",
        )),
        Ok(_) => {}
    }
}

const SPECIAL_BITS: u32 = 0o6000;

fn set_times(target: &Target<'_>, mtime: Timestamp, problems: &mut Vec<Problem>) {
    let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let times = Timestamps {
        last_access: omit,
        last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: i64::from(mtime.nanos % 1_000_000_000) },
    };
    let set = rustix::fs::utimensat(target.fd, c"", &times, AtFlags::EMPTY_PATH);
    match set {
        // what is protected by flags may have it from an earlier restore
        Err(Errno::PERM) if target.stat().is_ok_and(|now| now.mtime == mtime) => {}
        Err(errno) => problems.push(not_set(target.path, "modification time", errno)),
        Ok(()) if KEPT_EVERYWHERE.contains(&mtime.secs) => {}
        Ok(()) => check_time(target, mtime, problems),
    }
}

/// Filesystems with 32-bit times clamp others without an error.
const KEPT_EVERYWHERE: std::ops::Range<i64> = 0..1 << 31;

fn check_time(target: &Target<'_>, wanted: Timestamp, problems: &mut Vec<Problem>) {
    if target.stat().is_ok_and(|now| now.mtime != wanted) {
        let message = format!("its modification time ({} s since 1970) was not kept by the filesystem", wanted.secs);
        problems.push(metadata_problem(target.path, message, "restore to a filesystem with 64-bit times"));
    }
}

pub(super) fn not_set(path: &RelPath, what: &str, errno: Errno) -> Problem {
    let remedy = match errno {
        Errno::PERM if rustix::process::geteuid().is_root() => {
            "look for flags that forbid it (lsattr; chattr -i -a), then restore again"
        }
        Errno::PERM | Errno::ACCESS => AS_ROOT,
        Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL => "restore to a filesystem of the same type",
        _ => "check the destination's disk",
    };
    metadata_problem(path, format!("its {what} could not be set: {}", std::io::Error::from(errno)), remedy)
}
