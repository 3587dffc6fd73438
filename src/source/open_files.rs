//! How many files this process may have open at once. Whoever holds directories open shares them out by this.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit as it is now; sockets and the files of the repository come out of it as well.
pub fn open_file_limit() -> usize {
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// Raises the limit as far as this user may: the low one that a process begins with is meant for programs that wait with
/// `select`. Where it cannot be raised, what is there is shared out.
pub fn raise_open_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
