//! Metadata back onto a restored file, in the one order in which nothing undoes what was set before:
//!
//! 1. [`MetadataWriter::prepare`], before the content: inode flags, because no-copy-on-write takes effect on empty
//!    files alone.
//! 2. [`MetadataWriter::apply`], after the content (of a directory: after all that it holds): owner, because changing
//!    it clears setuid and capabilities; attributes while the file is still writable to its owner; times, which
//!    everything before may change; ACLs, which may forbid its owner to write; mode, which an ACL changes and which takes away the mark of
//!    what is unfinished.
//! 3. [`MetadataWriter::protect`], after all hard links are made: immutable and append-only, which forbid all the rest.
//!
//! Creating files is what limits a restore, so a call that would change nothing is left out.
//! Birth times cannot be set on Linux, change times nowhere.

use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, Mode, Timespec, Timestamps};
use rustix::io::Errno;

use crate::model::{Entry, EntryKind, Problem, RelPath, Timestamp};

use super::acl::AccessAcl;
use super::attributes::{Acls, Attributes};
use super::not_set::{AS_ROOT, NotSet};
use super::owner::{Owned, OwnerPolicy};
use super::xattr::{self, On};
use super::{DestinationError, Names, Stat, flags, linux, owner};

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

    pub(super) fn on(&self) -> On<'a> {
        if self.handle { On::Handle(linux::fd_path(self.fd)) } else { On::Fd(self.fd) }
    }

    pub(super) fn stat(&self) -> rustix::io::Result<Stat> {
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

/// Filesystems that keep times in steps, as far as that was told: once is enough for all files. Clones share it.
#[derive(Clone, Default, Debug)]
pub struct CoarseTimes(Arc<Mutex<HashSet<u64>>>);

impl CoarseTimes {
    fn is_new(&self, dev: u64) -> bool {
        self.0.lock().expect("nothing panics while it is held").insert(dev)
    }
}

/// Sets metadata and collects what could not be set. One per worker: it keeps what it asked about names.
pub struct MetadataWriter {
    owner: OwnerPolicy,
    names: Names,
    coarse: CoarseTimes,
}

impl MetadataWriter {
    pub fn new(owner: OwnerPolicy) -> Self {
        Self::telling(owner, CoarseTimes::default())
    }

    /// Tells of filesystems with coarse times what no other with the same `coarse` has told.
    pub fn telling(owner: OwnerPolicy, coarse: CoarseTimes) -> Self {
        Self { owner, names: Names::new(), coarse }
    }

    /// Who is to own it.
    pub fn uid_of(&mut self, entry: &Entry) -> u32 {
        self.wanted_owner(entry).uid()
    }

    pub(super) fn wanted_owner(&mut self, entry: &Entry) -> owner::Wanted {
        self.owner.of(entry, &mut self.names)
    }

    /// For a created file, before its content is written.
    pub fn prepare(&self, target: Target<'_>, entry: &Entry) -> Vec<Problem> {
        let mut not_set = NotSet::of(&target);
        if entry.kind == EntryKind::File && target.origin != Origin::Existing {
            set_flags(&target, entry, &mut not_set);
        }
        not_set.into_problems()
    }

    /// Everything but what forbids further changes. An error: the destination is full.
    pub fn apply(&mut self, target: Target<'_>, entry: &Entry) -> Result<Vec<Problem>, DestinationError> {
        let mut not_set = NotSet::of(&target);
        match target.stat() {
            Ok(before) => self.set_all(&target, entry, &before, &mut not_set),
            Err(errno) => not_set.add("metadata", errno),
        }
        not_set.finish()
    }

    fn set_all(&mut self, target: &Target<'_>, entry: &Entry, before: &Stat, not_set: &mut NotSet<'_>) {
        if entry.kind == EntryKind::Dir || (entry.kind == EntryKind::File && target.origin == Origin::Existing) {
            set_flags(target, entry, not_set);
        }
        let owned = owner::set(target, before, self.wanted_owner(entry), not_set);
        let is_opened = open_to_owner(target, entry, before);
        let acls = match attributes(target, entry, not_set) {
            Some(mut attributes) => {
                attributes.set_others(not_set);
                set_times(target, entry.mtime, not_set);
                attributes.set_acls(not_set)
            }
            None => {
                set_times(target, entry.mtime, not_set);
                Acls::default()
            }
        };
        let now = match entry.kind {
            EntryKind::Symlink => None,
            _ => set_mode(target, entry, before, owned, (acls, is_opened), not_set),
        };
        let is_kept = now.is_none() && KEPT_EVERYWHERE.contains(&entry.mtime.secs);
        if !is_kept && let Some(now) = now.or_else(|| target.stat().ok()) {
            self.check_time(&now, entry.mtime, not_set);
        }
    }

    /// A step is told once for a filesystem, a time out of what it can keep for each file.
    pub(super) fn check_time(&self, now: &Stat, wanted: Timestamp, not_set: &mut NotSet<'_>) {
        if !now.has_time(wanted) {
            let message =
                format!("its modification time ({} s since 1970) was not kept by the filesystem", wanted.secs);
            not_set.say(message, "restore to a filesystem with 64-bit times");
        } else if now.mtime != wanted && self.coarse.is_new(now.dev) {
            let step = std::time::Duration::from_nanos(now.time_step_nanos());
            not_set.say(
                format!("its modification time, like that of other files here, was kept in steps of {step:?} only"),
                "if that matters, restore to a filesystem that keeps nanoseconds",
            );
        }
    }

    /// Immutable and append-only: the last thing that happens to an inode.
    pub fn protect(&self, target: Target<'_>, entry: &Entry) -> Vec<Problem> {
        let mut not_set = NotSet::of(&target);
        let protecting = entry.inode_flags.unwrap_or(0) & flags::PROTECTING;
        if protecting != 0 && !target.handle {
            flags::add(target.fd, protecting, &mut not_set);
        }
        not_set.into_problems()
    }
}

fn set_flags(target: &Target<'_>, entry: &Entry, not_set: &mut NotSet<'_>) {
    let wanted = entry.inode_flags.unwrap_or(0) & flags::RESTORABLE & !flags::PROTECTING;
    if wanted != 0 || target.origin != Origin::Clean {
        flags::set(target.fd, wanted, not_set);
    }
}

/// `None`: none are wanted, and there are none.
fn attributes<'a>(target: &Target<'a>, entry: &'a Entry, not_set: &mut NotSet<'_>) -> Option<Attributes<'a>> {
    let wanted = entry.xattrs.as_deref().unwrap_or_default();
    let present = match target.origin {
        Origin::Clean if wanted.is_empty() => return None,
        Origin::Clean => vec![],
        Origin::Inherited | Origin::Existing => {
            let path = not_set.path();
            xattr::read(&target.on(), path, not_set.problems()).0.unwrap_or_default()
        }
    };
    Some(Attributes::new(target.on(), wanted, present))
}

const OWNER_WRITES: u32 = 0o200;

/// But for root, only who may write to a file sets its attributes: its owner may do so until it gets its mode. Was it changed?
fn open_to_owner(target: &Target<'_>, entry: &Entry, before: &Stat) -> bool {
    let may_need = matches!(entry.kind, EntryKind::File | EntryKind::Dir) && entry.xattrs.is_some();
    may_need
        && before.mode & OWNER_WRITES == 0
        && !rustix::process::geteuid().is_root()
        && target.chmod((before.mode & !SPECIAL_BITS) | OWNER_WRITES).is_ok()
}

/// Its state when that was looked at.
fn set_mode(
    target: &Target<'_>,
    entry: &Entry,
    before: &Stat,
    owned: Owned,
    (acls, is_opened): (Acls, bool),
    not_set: &mut NotSet<'_>,
) -> Option<Stat> {
    let mode = if acls.lost { without_acl(entry) } else { entry.mode & 0o7777 };
    // with another owner than it had, a setuid bit would lend the rights of whoever restores
    let withheld = mode & owned.untrusted_bits();
    let wanted = mode & !withheld;
    if withheld != 0 {
        let message = format!("its mode {:#06o} was set without setuid or setgid, as its owner is another", entry.mode);
        not_set.say(message, AS_ROOT);
    }
    let in_doubt = acls.touched || is_opened || (owned.changed && (wanted | before.mode) & SPECIAL_BITS != 0);
    if wanted == before.mode && !in_doubt {
        return None;
    }
    let set = target.chmod(wanted).and_then(|()| target.stat());
    match &set {
        Err(errno) => not_set.add(&format!("mode {wanted:#06o}"), *errno),
        // the kernel drops setgid without a word for a group that one is no member of
        Ok(now) if now.mode != wanted => not_set.say(
            format!("its mode became {:#06o} instead of {wanted:#06o}", now.mode),
            "restore as root (--overwrite changed corrects what is there already), to a filesystem that keeps modes",
        ),
        Ok(_) => {}
    }
    set.ok()
}

const SPECIAL_BITS: u32 = 0o6000;

/// With an ACL the group's bits of a mode are its mask, which may allow more than the group may do: without the ACL they would open
/// the file to all of the group.
fn without_acl(entry: &Entry) -> u32 {
    let group = AccessAcl::of(entry).map_or(0, AccessAcl::group_bits);
    (entry.mode & 0o7707) | (entry.mode & group)
}

fn set_times(target: &Target<'_>, mtime: Timestamp, not_set: &mut NotSet<'_>) {
    let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let times = Timestamps {
        last_access: omit,
        last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: i64::from(mtime.nanos % 1_000_000_000) },
    };
    match rustix::fs::utimensat(target.fd, c"", &times, AtFlags::EMPTY_PATH) {
        // what is protected by flags may have it from an earlier restore
        Err(Errno::PERM) if target.stat().is_ok_and(|now| now.has_time(mtime)) => {}
        Err(errno) => not_set.add("modification time", errno),
        Ok(()) => {}
    }
}

/// Filesystems with 32-bit times clamp others without an error.
const KEPT_EVERYWHERE: std::ops::Range<i64> = 0..1 << 31;
