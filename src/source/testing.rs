//! For tests: an ordinary user, without the rights of root, mounts, and calls that fail.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;

use crate::model::RelPath;

pub(crate) const USER: u32 = 54_321;

thread_local! {
    static FAULTS: RefCell<Vec<(&'static str, RelPath, Errno)>> = const { RefCell::new(Vec::new()) };
    static CALLS: RefCell<HashMap<&'static str, u64>> = RefCell::default();
}

/// The next call of this kind for this path fails, on this thread.
pub(crate) fn inject(call: &'static str, path: &str, errno: Errno) {
    let fault = (call, RelPath::parse(path.as_bytes()).unwrap(), errno);
    FAULTS.with_borrow_mut(|faults| faults.push(fault));
}

/// How many calls of this kind this thread has made.
pub(crate) fn calls(call: &'static str) -> u64 {
    CALLS.with_borrow(|calls| calls.get(call).copied().unwrap_or(0))
}

pub(super) fn injected(call: &'static str, path: &RelPath) -> rustix::io::Result<()> {
    CALLS.with_borrow_mut(|calls| *calls.entry(call).or_default() += 1);
    FAULTS.with_borrow_mut(|faults| {
        let at = faults.iter().position(|(at, of, _)| *at == call && of == path);
        at.map_or(Ok(()), |at| Err(faults.remove(at).2))
    })
}

/// Runs `act` on a thread that gave up its rights; the other threads keep theirs. Only root can do so.
pub(crate) fn as_user<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            rustix::thread::set_thread_groups(&[]).unwrap();
            let (uid, gid) = (Uid::from_raw(USER), Gid::from_raw(USER));
            rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
            rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
            act()
        });
        thread.join().unwrap()
    })
}

/// Gives it to that user.
pub(crate) fn own(path: &Path) {
    chown(path, Some(USER), Some(USER)).unwrap();
}

/// A mount that ends with it; `None`, with a word why, where that is not allowed.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    pub(crate) fn tmpfs(at: &Path) -> Option<Self> {
        Self::tmpfs_of(at, c"")
    }

    /// With options such as `size=3m`.
    pub(crate) fn tmpfs_of(at: &Path, options: &CStr) -> Option<Self> {
        let done = rustix::mount::mount("rozen-test", at, "tmpfs", rustix::mount::MountFlags::empty(), options);
        if let Err(error) = done {
            eprintln!("skipped: mounting a tmpfs is not possible here: {error}");
            return None;
        }
        Some(Self(at.to_path_buf()))
    }

    /// What somebody else mounted there.
    pub(crate) fn found(at: &Path) -> Self {
        Self(at.to_path_buf())
    }

    pub(crate) fn bind(from: &Path, at: &Path) -> Option<Self> {
        let done = rustix::mount::mount_bind(from, at);
        if let Err(error) = done {
            eprintln!("skipped: a bind mount is not possible here: {error}");
            return None;
        }
        Some(Self(at.to_path_buf()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}
