//! Extended attributes of every namespace that may be read: ACLs, capabilities and labels among them.

use std::os::fd::BorrowedFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::model::{Problem, RelPath, Xattr};

use super::error::metadata_problem;
use super::linux;

/// Where attributes are read: on an open file, or on a name that is not opened (links, FIFOs, sockets, devices).
pub(super) enum On<'a> {
    Fd(BorrowedFd<'a>),
    /// Path through `/proc` to a name in an open directory; a link is not followed.
    Path(Vec<u8>),
    /// Path in `/proc` of a descriptor opened with O_PATH: leads to its inode, a link too, and no further.
    Handle(String),
}

impl<'a> On<'a> {
    pub(super) fn name_in(dir: BorrowedFd<'a>, name: &[u8]) -> Self {
        On::Path(linux::child_path(dir, name))
    }

    fn list(&self, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            On::Fd(fd) => rustix::fs::flistxattr(fd, buffer),
            On::Path(path) => rustix::fs::llistxattr(path.as_slice(), buffer),
            On::Handle(path) => rustix::fs::listxattr(path.as_str(), buffer),
        }
    }

    fn value(&self, name: &[u8], buffer: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            On::Fd(fd) => rustix::fs::fgetxattr(fd, name, buffer),
            On::Path(path) => rustix::fs::lgetxattr(path.as_slice(), name, buffer),
            On::Handle(path) => rustix::fs::getxattr(path.as_str(), name, buffer),
        }
    }

    pub(super) fn set(&self, name: &[u8], value: &[u8]) -> rustix::io::Result<()> {
        let flags = XattrFlags::empty();
        match self {
            On::Fd(fd) => rustix::fs::fsetxattr(fd, name, value, flags),
            On::Path(path) => rustix::fs::lsetxattr(path.as_slice(), name, value, flags),
            On::Handle(path) => rustix::fs::setxattr(path.as_str(), name, value, flags),
        }
    }

    pub(super) fn remove(&self, name: &[u8]) -> rustix::io::Result<()> {
        match self {
            On::Fd(fd) => rustix::fs::fremovexattr(fd, name),
            On::Path(path) => rustix::fs::lremovexattr(path.as_slice(), name),
            On::Handle(path) => rustix::fs::removexattr(path.as_str(), name),
        }
    }
}

/// All attributes up to [`MAX_BYTES`], sorted by name. What could not be read is a problem, what the filesystem does not
/// support is none. `false`: another try may read more.
pub(super) fn read(on: &On<'_>, path: &RelPath, problems: &mut Vec<Problem>) -> (Option<Vec<Xattr>>, bool) {
    let names = growing(|buffer| on.list(buffer));
    #[cfg(test)]
    let names = super::testing::injected("xattr", path).and(names);
    let names = match names {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return (None, true),
        Err(errno) => {
            problems.push(unreadable(path, "the list of its extended attributes", errno));
            return (None, false);
        }
    };
    let mut listed: Vec<&[u8]> = names.split(|b| *b == 0).filter(|name| !name.is_empty()).collect();
    // Sorted, what the system needs (security, system, trusted) comes before what any user may set.
    listed.sort_unstable();
    let kept: Vec<&[u8]> = listed.iter().copied().filter(|name| !is_alias(name, &listed)).collect();
    let mut is_complete = true;
    let value = |name: &[u8]| {
        let value = growing(|buffer| on.value(name, buffer));
        value.inspect_err(|errno| is_complete &= *errno == Errno::NODATA)
    };
    let xattrs = values(&kept, value, path, problems);
    ((!xattrs.is_empty()).then_some(xattrs), is_complete)
}

/// The attributes of these names, up to the first that goes over [`MAX_BYTES`].
fn values(
    names: &[&[u8]],
    mut value: impl FnMut(&[u8]) -> rustix::io::Result<Vec<u8>>,
    path: &RelPath,
    problems: &mut Vec<Problem>,
) -> Vec<Xattr> {
    let mut xattrs = Vec::new();
    let mut size = 0;
    for (number, name) in names.iter().enumerate() {
        match value(name) {
            Ok(value) => {
                size += name.len() + value.len();
                if size > MAX_BYTES {
                    problems.push(too_many(path, name, names.len() - number));
                    break;
                }
                xattrs.push(Xattr { name: name.to_vec(), value });
            }
            // removed since it was listed
            Err(Errno::NODATA) => {}
            Err(errno) => {
                let what = format!("its extended attribute {:?}", String::from_utf8_lossy(name));
                problems.push(unreadable(path, &what, errno));
            }
        }
    }
    xattrs
}

/// Labels that the system puts on every file (SELinux, IMA …) are not ours to remove.
pub(super) fn is_ours(name: &[u8]) -> bool {
    !name.starts_with(b"security.") || name == b"security.capability"
}

pub(super) fn is_acl(name: &[u8]) -> bool {
    name.starts_with(b"system.posix_acl_")
}

/// Does what is created in this directory get an ACL? Doubt (an error) counts as yes.
pub(super) fn has_default_acl(dir: BorrowedFd<'_>) -> bool {
    let mut nothing = [0; 0];
    !matches!(
        rustix::fs::fgetxattr(dir, c"system.posix_acl_default", &mut nothing),
        Err(Errno::NODATA | Errno::OPNOTSUPP)
    )
}

/// XFS shows root an ACL a second time, in its own form. Kept, it would become a senseless attribute elsewhere.
fn is_alias(name: &[u8], listed: &[&[u8]]) -> bool {
    let acl: &[u8] = match name {
        b"trusted.SGI_ACL_FILE" => b"system.posix_acl_access",
        b"trusted.SGI_ACL_DEFAULT" => b"system.posix_acl_default",
        _ => return false,
    };
    listed.contains(&acl)
}

fn unreadable(path: &RelPath, what: &str, errno: Errno) -> Problem {
    let message = format!("{what} could not be read: {}", std::io::Error::from(errno));
    metadata_problem(path, message, "run rozend with more rights, or ignore it if the attribute does not matter")
}

fn too_many(path: &RelPath, first: &[u8], count: usize) -> Problem {
    let message = format!(
        "it has more than {MAX_BYTES} bytes of extended attributes; {count} of them, from {:?} on, are not stored",
        String::from_utf8_lossy(first)
    );
    metadata_problem(path, message, "remove attributes that are not needed; the rest of the file is stored")
}

/// Mostly there is nothing, or little: the first try needs no allocation. ERANGE asks for a larger buffer.
fn growing(mut call: impl FnMut(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut small = [0; 512];
    match call(&mut small) {
        Ok(len) => return Ok(small[..len].to_vec()),
        Err(Errno::RANGE) => {}
        Err(errno) => return Err(errno),
    }
    let mut large = vec![0; LARGEST];
    let len = call(&mut large)?;
    large.truncate(len);
    Ok(large)
}

/// The kernel's own limit for a value and for a list (XATTR_SIZE_MAX, XATTR_LIST_MAX).
const LARGEST: usize = 64 * 1024;

/// Names and values of one entry together. XFS and btrfs let any user put gigabytes on one file; an entry is stored whole
/// in one node of the tree, and one that does not fit would end the runs of all.
const MAX_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProblemCode;

    fn read_of(count: usize, value_size: usize) -> (usize, Vec<Problem>) {
        let names: Vec<String> = (0..count).map(|n| format!("user.{n:04}")).collect();
        let names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
        let mut problems = Vec::new();
        let path = RelPath::parse(b"d/f").unwrap();
        let xattrs = values(&names, |_| Ok(vec![7; value_size]), &path, &mut problems);
        assert!(xattrs.iter().map(|x| x.name.len() + x.value.len()).sum::<usize>() <= MAX_BYTES);
        (xattrs.len(), problems)
    }

    #[test]
    fn attributes_beyond_the_limit_of_an_entry_are_a_problem_and_the_others_are_kept() {
        let (kept, problems) = read_of(400, LARGEST);
        assert_eq!(kept, 15);
        let [problem] = problems.as_slice() else { panic!("{problems:?}") };
        assert_eq!((problem.code, problem.path.as_str()), (ProblemCode::Metadata, "d/f"));
        assert!(problem.message.contains("385 of them, from \"user.0015\" on"), "{}", problem.message);
    }

    #[test]
    fn attributes_that_fill_the_limit_to_the_last_byte_are_all_kept() {
        assert_eq!(read_of(64, MAX_BYTES / 64 - "user.0000".len()), (64, Vec::new()));
    }
}
