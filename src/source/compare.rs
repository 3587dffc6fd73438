//! Is the metadata of what is there that of the snapshot? For what an earlier restore made and could not give all to.

use crate::model::{Entry, EntryKind, Problem, Xattr};

use super::apply::{MetadataWriter, Target};
use super::not_set::NotSet;
use super::xattr::{self, is_acl};
use super::{Stat, flags};

impl MetadataWriter {
    /// The same of what can be told without opening it.
    pub fn owner_and_mode(&mut self, found: &Stat, entry: &Entry) -> Vec<&'static str> {
        let has_mode = found.mode == entry.mode & 0o7777 || entry.kind == EntryKind::Symlink;
        let mut differences = vec![];
        if !self.wanted_owner(entry).is_of(found) {
            differences.push("owner");
        }
        if !has_mode {
            differences.push("mode");
        }
        differences
    }

    /// What differs, in words; nothing where all is right but for flags that forbid changes, which come last. What cannot be read
    /// does not differ.
    pub fn differences(&mut self, target: Target<'_>, found: &Stat, entry: &Entry) -> Vec<&'static str> {
        let mut differences = self.owner_and_mode(found, entry);
        if attributes_differ(&target, entry) {
            differences.push("extended attribute or ACL");
        }
        if !target.handle && flags::differ(target.fd, entry) == Some(true) {
            differences.push("inode flag");
        }
        differences
    }

    /// What is to be told of its time, of which all is right that this filesystem can keep.
    pub fn time_of(&self, target: Target<'_>, found: &Stat, entry: &Entry) -> Vec<Problem> {
        let mut not_set = NotSet::of(&target);
        self.check_time(found, entry.mtime, &mut not_set);
        not_set.into_problems()
    }
}

fn attributes_differ(target: &Target<'_>, entry: &Entry) -> bool {
    let mut unreadable = vec![];
    let present = xattr::read(&target.on(), target.path, &mut unreadable).0.unwrap_or_default();
    let wanted = entry.xattrs.as_deref().unwrap_or_default();
    let is_in = |list: &[Xattr], xattr: &Xattr| list.iter().any(|other| other == xattr);
    let is_extra = |xattr: &&Xattr| is_given(&xattr.name) && !is_in(wanted, xattr);
    unreadable.is_empty()
        && (wanted.iter().any(|xattr| !is_in(&present, xattr)) || present.iter().any(|xattr| is_extra(&xattr)))
}

/// By a person or a program. Others are of the filesystem or the system itself, which may give them to every file.
fn is_given(name: &[u8]) -> bool {
    name.starts_with(b"user.") || is_acl(name) || name == b"security.capability"
}
