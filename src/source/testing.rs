//! For tests: an ordinary user, without the rights of root.

use std::os::unix::fs::chown;
use std::path::Path;

use rustix::fs::{Gid, Uid};

pub(crate) const USER: u32 = 54_321;

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
