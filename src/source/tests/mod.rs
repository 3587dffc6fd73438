//! The room against real filesystems: the one of the temporary directory, tmpfs, and btrfs and XFS in loop images
//! where root may mount them.

mod deep;
mod destination;
mod places;
mod reading;
mod round_trip;
mod users;

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::model::{Entry, Problem, RelPath};

use super::{Dir, Names, View};

fn root_of(path: &Path) -> Dir {
    View::live(path).unwrap().open_root().unwrap()
}

fn rel(path: impl AsRef<Path>) -> RelPath {
    RelPath::parse(path.as_ref().as_os_str().as_bytes()).unwrap()
}

/// The entry of one name, without problems.
fn entry_of(dir: &Dir, name: &[u8]) -> Entry {
    let stat = dir.stat(name).unwrap();
    let (entry, problems) = dir.read_entry(name, &stat, &mut Names::new()).unwrap();
    assert_eq!(problems, Vec::<Problem>::new());
    entry
}

/// What a restore can bring back.
fn restorable(mut entry: Entry) -> Entry {
    entry.ctime = Default::default();
    entry.btime = None;
    entry.ino = 0;
    entry
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says so, for tests that need what is not there.
macro_rules! skip {
    ($($why:tt)*) => {{
        eprintln!("skipped: {}", format!($($why)*));
        return;
    }};
}
use skip;
