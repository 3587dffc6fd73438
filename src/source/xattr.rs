//! Extended attributes of every namespace that may be read: ACLs, capabilities and labels among them.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::model::{Problem, RelPath, Xattr};

use super::error::metadata_problem;
use super::linux;

/// Where attributes are read: on an open file, or on a name that is not opened (links, FIFOs, sockets, devices).
pub(super) enum On<'a> {
    Fd(BorrowedFd<'a>),
    /// Path through `/proc` to a name in an open directory; a link is not followed.
    Path(Vec<u8>),
}

impl<'a> On<'a> {
    pub(super) fn name_in(dir: BorrowedFd<'a>, name: &[u8]) -> Self {
        On::Path(linux::child_path(dir, name))
    }

    fn list(&self, buffer: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            On::Fd(fd) => rustix::fs::flistxattr(fd, buffer),
            On::Path(path) => rustix::fs::llistxattr(path.as_slice(), buffer),
        }
    }

    fn value(&self, name: &[u8], buffer: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            On::Fd(fd) => rustix::fs::fgetxattr(fd, name, buffer),
            On::Path(path) => rustix::fs::lgetxattr(path.as_slice(), name, buffer),
        }
    }
}

/// All attributes, sorted by name. What could not be read is a problem, what the filesystem does not support is none.
pub(super) fn read(on: &On<'_>, path: &RelPath, problems: &mut Vec<Problem>) -> Option<Vec<Xattr>> {
    let names = match growing(|buffer| on.list(buffer)) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return None,
        Err(errno) => {
            problems.push(unreadable(path, "the list of its extended attributes", errno));
            return None;
        }
    };
    let mut xattrs = Vec::new();
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        match growing(|buffer| on.value(name, buffer)) {
            Ok(value) => xattrs.push(Xattr { name: name.to_vec(), value }),
            // removed since it was listed
            Err(Errno::NODATA) => {}
            Err(errno) => {
                let what = format!("its extended attribute {:?}", String::from_utf8_lossy(name));
                problems.push(unreadable(path, &what, errno));
            }
        }
    }
    xattrs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    (!xattrs.is_empty()).then_some(xattrs)
}

fn unreadable(path: &RelPath, what: &str, errno: Errno) -> Problem {
    let message = format!("{what} could not be read: {}", std::io::Error::from(errno));
    metadata_problem(path, message, "run rozend with more rights, or ignore it if the attribute does not matter")
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
