//! Who owns a restored file.

use rustix::fs::{AtFlags, Gid, Uid};
use rustix::io::Errno;

use crate::model::Entry;

use super::apply::Target;
use super::not_set::NotSet;
use super::{Names, Stat};

/// Which owner a restore gives to files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OwnerPolicy {
    /// The numbers as they were: right on the same machine and for whole systems.
    #[default]
    Ids,
    /// Whoever has the user's and group's name here; the number where nobody has.
    Names,
    /// Whoever restores.
    Keep,
}

impl OwnerPolicy {
    pub(super) fn of(self, entry: &Entry, names: &mut Names) -> Wanted {
        match self {
            OwnerPolicy::Ids => Wanted { uid: entry.uid, gid: entry.gid, keep: false },
            OwnerPolicy::Names => {
                let uid = entry.user.as_deref().and_then(|user| names.uid(user)).unwrap_or(entry.uid);
                let gid = entry.group.as_deref().and_then(|group| names.gid(group)).unwrap_or(entry.gid);
                Wanted { uid, gid, keep: false }
            }
            OwnerPolicy::Keep => Wanted { uid: entry.uid, gid: entry.gid, keep: true },
        }
    }
}

/// Whose the file should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    uid: u32,
    gid: u32,
    /// Do not set it, only see whether it is so.
    keep: bool,
}

impl Wanted {
    pub(super) fn uid(self) -> u32 {
        self.uid
    }

    /// Is it so? Whoever restores need not own what he did not give away.
    pub(super) fn is_of(self, found: &Stat) -> bool {
        self.keep || (found.uid, found.gid) == (self.uid, self.gid)
    }
}

/// How setting the owner went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Owned {
    pub(super) changed: bool,
    pub(super) user_right: bool,
    pub(super) group_right: bool,
}

impl Owned {
    /// Bits that would run programs with the rights of an owner whom the snapshot does not name.
    pub(super) fn untrusted_bits(self) -> u32 {
        (if self.user_right { 0 } else { 0o4000 }) | (if self.group_right { 0 } else { 0o2000 })
    }
}

pub(super) fn set(target: &Target<'_>, now: &Stat, wanted: Wanted, not_set: &mut NotSet<'_>) -> Owned {
    let Wanted { uid, gid, keep } = wanted;
    if keep {
        return Owned { changed: false, user_right: now.uid == uid, group_right: now.gid == gid };
    }
    if (now.uid, now.gid) == (uid, gid) {
        return Owned { changed: false, user_right: true, group_right: true };
    }
    match change(target, Some(uid), Some(gid)) {
        Ok(()) => Owned { changed: true, user_right: true, group_right: true },
        Err(errno) => {
            not_set.add(&format!("owner {uid}:{gid}"), errno);
            // a user may give files to the groups that he is in
            let group_right = now.gid == gid || change(target, None, Some(gid)).is_ok();
            Owned { changed: true, user_right: now.uid == uid, group_right }
        }
    }
}

fn change(target: &Target<'_>, uid: Option<u32>, gid: Option<u32>) -> rustix::io::Result<()> {
    // -1 means "leave it" to the kernel: nobody has this id
    if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
        return Err(Errno::INVAL);
    }
    let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    rustix::fs::chownat(target.fd, c"", uid, gid, AtFlags::EMPTY_PATH)
}
