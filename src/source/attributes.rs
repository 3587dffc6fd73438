//! Extended attributes onto a restored file, ACLs after all others and after the times: an ACL may forbid its owner to write, and
//! who may not write sets no other attributes; and it changes the mode, which has the mark of what is unfinished.

use rustix::io::Errno;

use crate::model::Xattr;

use super::acl;
use super::not_set::NotSet;
use super::xattr::{On, is_acl, is_ours};

const NO_ROOM: &str = "this filesystem has no room for so many attributes on one file; XFS and btrfs have (if they matter: restore there)";

/// What one file is to have, and what it has.
pub(super) struct Attributes<'a> {
    on: On<'a>,
    wanted: &'a [Xattr],
    present: Vec<Xattr>,
    failed: Vec<(&'a Xattr, Errno)>,
    acl_touched: bool,
}

/// What became of its ACLs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Acls {
    /// One was set or removed: the mode may be another than before.
    pub touched: bool,
    /// The access ACL is not there.
    pub lost: bool,
}

impl<'a> Attributes<'a> {
    pub fn new(on: On<'a>, wanted: &'a [Xattr], present: Vec<Xattr>) -> Self {
        Self { on, wanted, present, failed: vec![], acl_touched: false }
    }

    /// Makes all but ACLs those that are wanted, changing only what differs.
    pub fn set_others(&mut self, not_set: &mut NotSet<'_>) {
        self.remove(not_set, |name| !is_acl(name));
        let failed = self.set(|name| !is_acl(name));
        self.failed = self.or_largest_first(failed, not_set, |name| !is_acl(name));
    }

    /// The same for ACLs, and the end: what could not be set is told.
    pub fn set_acls(mut self, not_set: &mut NotSet<'_>) -> Acls {
        self.remove(not_set, is_acl);
        let mut failed = self.set(is_acl);
        failed.append(&mut self.failed);
        if self.wanted.iter().any(|xattr| is_acl(&xattr.name)) {
            failed = self.or_largest_first(failed, not_set, |_| true);
        }
        for (xattr, errno) in &failed {
            let what = format!("extended attribute {:?}", String::from_utf8_lossy(&xattr.name));
            match has_no_room(*errno) {
                true => not_set.add_with(&what, *errno, NO_ROOM),
                false => not_set.add(&what, *errno),
            }
        }
        Acls { touched: self.acl_touched, lost: failed.iter().any(|(xattr, _)| xattr.name == acl::ACCESS) }
    }

    fn remove(&mut self, not_set: &mut NotSet<'_>, of: impl Fn(&[u8]) -> bool) {
        let is_wanted = |old: &Xattr| self.wanted.iter().any(|new| new.name == old.name);
        for old in self.present.iter().filter(|old| of(&old.name) && is_ours(&old.name) && !is_wanted(old)) {
            self.acl_touched |= is_acl(&old.name);
            if let Err(errno) = self.on.remove(&old.name)
                && errno != Errno::NODATA
            {
                not_set.add(
                    &format!("extended attribute {:?} (to be removed)", String::from_utf8_lossy(&old.name)),
                    errno,
                );
            }
        }
    }

    fn set(&mut self, of: impl Fn(&[u8]) -> bool) -> Vec<(&'a Xattr, Errno)> {
        let differing = self.wanted.iter().filter(|new| of(&new.name) && !self.present.contains(new)).collect();
        self.set_all(differing)
    }

    fn set_all(&mut self, wanted: Vec<&'a Xattr>) -> Vec<(&'a Xattr, Errno)> {
        self.acl_touched |= wanted.iter().any(|xattr| is_acl(&xattr.name));
        let set = |xattr: &'a Xattr| self.on.set(&xattr.name, &xattr.value).err().map(|errno| (xattr, errno));
        wanted.into_iter().filter_map(set).collect()
    }

    /// ext4 keeps attributes in the inode and in one block beside it: a small one that came first may sit where the large one would
    /// fit, also one that was there before.
    fn or_largest_first(
        &mut self,
        failed: Vec<(&'a Xattr, Errno)>,
        not_set: &mut NotSet<'_>,
        of: impl Fn(&[u8]) -> bool,
    ) -> Vec<(&'a Xattr, Errno)> {
        let no_room = failed.iter().find(|(_, errno)| has_no_room(*errno));
        if no_room.is_none_or(|(_, errno)| not_set.is_disk_full(*errno)) {
            return failed;
        }
        let mut sorted: Vec<&Xattr> = self.wanted.iter().filter(|xattr| of(&xattr.name)).collect();
        for xattr in &sorted {
            let _ = self.on.remove(&xattr.name);
        }
        sorted.sort_by_key(|xattr| std::cmp::Reverse(xattr.value.len()));
        self.set_all(sorted)
    }
}

fn has_no_room(errno: Errno) -> bool {
    matches!(errno, Errno::NOSPC | Errno::TOOBIG)
}
