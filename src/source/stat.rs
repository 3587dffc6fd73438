//! What one statx call tells of a name.

use rustix::fs::{FileType, RawMode, Statx, StatxAttributes, StatxFlags, makedev};

use crate::model::{EntryKind, RelPath, Timestamp};

use super::SourceError;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    pub kind: EntryKind,
    /// `st_mode & 0o7777`
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Apparent size in bytes, whatever the kind.
    pub size: u64,
    /// Blocks of 512 bytes that the filesystem says it uses.
    pub blocks: u64,
    pub ino: u64,
    pub nlink: u32,
    pub mtime: Timestamp,
    pub ctime: Timestamp,
    pub btime: Option<Timestamp>,
    /// Device of the filesystem; each btrfs subvolume has its own.
    pub dev: u64,
    /// (major, minor) of a device node.
    pub rdev: (u32, u32),
    /// Kernels before 5.8 do not tell.
    pub mount_id: Option<u64>,
    /// It is the root of a mount. `false` also when the kernel cannot tell (before 5.8): compare `dev` too.
    pub mount_root: bool,
    /// chattr +d: backups are asked to leave it out.
    pub nodump: bool,
    /// chattr +i. `false` also where the filesystem does not tell here.
    pub immutable: bool,
    /// chattr +a; the same.
    pub append_only: bool,
}

impl Stat {
    /// For the reading side: both failures as its error.
    pub(super) fn of_source(
        raw: rustix::io::Result<Statx>,
        path: impl FnOnce() -> RelPath,
    ) -> Result<Self, SourceError> {
        match raw.map(|raw| Self::from_statx(&raw)) {
            Ok(Ok(stat)) => Ok(stat),
            Ok(Err(UnknownKind { mode })) => Err(SourceError::UnknownKind { path: path(), mode }),
            Err(errno) => Err(SourceError::new("stat", path(), errno)),
        }
    }

    pub(super) fn from_statx(raw: &Statx) -> Result<Self, UnknownKind> {
        let mode = u32::from(raw.stx_mode);
        let kind = kind_of(FileType::from_raw_mode(mode as RawMode)).ok_or(UnknownKind { mode })?;
        let has = |bit| raw.stx_mask & StatxFlags::bits(&bit) != 0;
        let is = |attribute| raw.stx_attributes.contains(attribute);
        Ok(Self {
            kind,
            mode: mode & 0o7777,
            uid: raw.stx_uid,
            gid: raw.stx_gid,
            size: raw.stx_size,
            blocks: raw.stx_blocks,
            ino: raw.stx_ino,
            nlink: raw.stx_nlink,
            mtime: Timestamp::new(raw.stx_mtime.tv_sec, raw.stx_mtime.tv_nsec),
            ctime: Timestamp::new(raw.stx_ctime.tv_sec, raw.stx_ctime.tv_nsec),
            btime: has(StatxFlags::BTIME).then(|| Timestamp::new(raw.stx_btime.tv_sec, raw.stx_btime.tv_nsec)),
            dev: makedev(raw.stx_dev_major, raw.stx_dev_minor),
            rdev: (raw.stx_rdev_major, raw.stx_rdev_minor),
            mount_id: has(StatxFlags::MNT_ID).then_some(raw.stx_mnt_id),
            mount_root: is(StatxAttributes::MOUNT_ROOT),
            nodump: is(StatxAttributes::NODUMP),
            immutable: is(StatxAttributes::IMMUTABLE),
            append_only: is(StatxAttributes::APPEND),
        })
    }

    /// Does it describe the same inode? Inode numbers are used again, so this alone does not say "unchanged".
    pub fn same_inode(&self, other: &Stat) -> bool {
        self.dev == other.dev && self.ino == other.ino && self.kind == other.kind
    }

    /// Is `wanted` its modification time, as far as its filesystem keeps times? Where they are kept in steps the change time, which nobody
    /// sets, shows it.
    pub fn has_time(&self, wanted: Timestamp) -> bool {
        self.mtime == wanted || self.mtime == down_to(wanted, self.time_step_nanos())
    }

    /// The coarsest step that both times agree with.
    pub(super) fn time_step_nanos(&self) -> u64 {
        let is_in = |time: Timestamp, step: u64| down_to(time, step) == time;
        let agrees = |step: &&u64| is_in(self.mtime, **step) && is_in(self.ctime, **step);
        TIME_STEPS_NANOS.iter().find(agrees).copied().unwrap_or(1)
    }

    /// Nothing that a change of the content touches differs. Stores through a mapping show because
    /// opening the file exposed them (`writeback`), but on a filesystem without a disk.
    pub fn same_content(&self, other: &Stat) -> bool {
        self.same_inode(other) && self.size == other.size && self.mtime == other.mtime && self.ctime == other.ctime
    }

    /// Uses it fewer blocks than its size needs? Then it has holes, is compressed, or keeps its data in the inode.
    pub fn may_be_sparse(&self) -> bool {
        self.blocks.saturating_mul(512) < self.size
    }
}

/// Of filesystems: FAT, ext3 and HFS+, exFAT, NTFS.
const TIME_STEPS_NANOS: [u64; 4] = [2_000_000_000, 1_000_000_000, 10_000_000, 100];

/// The last step that is not later.
fn down_to(time: Timestamp, step_nanos: u64) -> Timestamp {
    let whole_secs = step_nanos.div_ceil(1_000_000_000).cast_signed();
    let nanos = if step_nanos >= 1_000_000_000 { 0 } else { time.nanos - time.nanos % step_nanos as u32 };
    Timestamp::new(time.secs - time.secs.rem_euclid(whole_secs), nanos)
}

#[cfg(test)]
impl Stat {
    /// Of some directory.
    pub(crate) fn test_dir() -> Self {
        let dir =
            rustix::fs::statx(rustix::fs::CWD, "/", rustix::fs::AtFlags::empty(), StatxFlags::BASIC_STATS).unwrap();
        Self { dev: 1, mount_root: false, ..Self::from_statx(&dir).ok().unwrap() }
    }
}

/// A type of file that is none of [`EntryKind`].
pub(super) struct UnknownKind {
    /// `st_mode`
    pub(super) mode: u32,
}

/// `None` for what no Linux filesystem has (doors, whiteouts) and for "unknown" in directory listings.
pub(super) fn kind_of(kind: FileType) -> Option<EntryKind> {
    Some(match kind {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Dir,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Fifo => EntryKind::Fifo,
        FileType::Socket => EntryKind::Socket,
        FileType::CharacterDevice => EntryKind::CharDevice,
        FileType::BlockDevice => EntryKind::BlockDevice,
        FileType::Unknown => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_kept_as_its_filesystem_keeps_times_and_no_other_is_taken_for_it() {
        let wanted = Timestamp::new(1_001, 987_654_321);
        let seen = |secs, nanos, ctime_secs, ctime_nanos| {
            let file = tempfile::tempfile().unwrap();
            let raw = super::super::linux::stat_fd(std::os::fd::AsFd::as_fd(&file)).unwrap();
            let found = Stat::from_statx(&raw).unwrap_or_else(|_| panic!("a file"));
            let (mtime, ctime) = (Timestamp::new(secs, nanos), Timestamp::new(ctime_secs, ctime_nanos));
            Stat { mtime, ctime, ..found }.has_time(wanted)
        };
        assert!(seen(1_001, 987_654_321, 5_000, 123_456_789));
        assert!(seen(1_001, 0, 5_001, 0) && seen(1_000, 0, 5_000, 0), "whole seconds, every second one");
        assert!(seen(1_001, 980_000_000, 5_001, 20_000_000) && seen(1_001, 987_654_300, 5_001, 100));
        assert!(!seen(1_001, 0, 5_000, 123_456_789), "this filesystem keeps nanoseconds");
        assert!(!seen(1_002, 0, 5_001, 0) && !seen(1_000, 0, 5_001, 0));
        assert_eq!(down_to(Timestamp::new(-1, 5), 2_000_000_000), Timestamp::new(-2, 0));
    }
}
