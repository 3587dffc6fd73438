//! On which filesystem something is, and what a filesystem leaves behind that is not mounted any more.

use crate::model::{Entry, EntryKind, Problem, ProblemCode, RelPath};
use crate::source::Stat;

/// On which filesystem something is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// See [`Entry::fs`].
    pub fs: Option<u64>,
    device: u64,
    /// Of the directory in which this filesystem is mounted.
    above: u64,
    root_device: u64,
}

impl Place {
    /// Of the root itself.
    pub fn root(device: u64) -> Self {
        Self { fs: None, device, above: device, root_device: device }
    }

    /// Of what stands at `path`, in a directory that is here.
    pub fn of(self, path: &RelPath, device: u64) -> Self {
        if device == self.root_device {
            return Self { fs: None, device, ..self };
        }
        if device == self.device {
            return self;
        }
        Self { fs: Some(number_of(path)), device, above: self.device, ..self }
    }

    /// Where the directory at `path` is, which was found here, now that it was opened. `None`: a filesystem has gone in between.
    pub fn opened(self, path: &RelPath, opened: &Stat) -> Option<Self> {
        if opened.dev == self.device {
            return Some(self);
        }
        if opened.dev == self.above || opened.dev == self.root_device {
            return None;
        }
        // opening it is what mounts an automount
        match self.fs == Some(number_of(path)) {
            true => Some(Self { device: opened.dev, ..self }),
            false => opened.mount_root.then(|| self.of(path, opened.dev)),
        }
    }

    /// Was this directory the top of another filesystem when it was stored, and is none now? `self`: where it is now.
    pub fn has_lost_mount(self, stored: &Entry, path: &RelPath) -> bool {
        stored.kind == EntryKind::Dir && stored.fs == Some(number_of(path)) && self.fs != stored.fs
    }
}

/// A filesystem below the root is numbered by the place of its mount, so that it has the same number in the next run.
fn number_of(path: &RelPath) -> u64 {
    // FNV-1a
    path.as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// An empty mount point does not mean that somebody deleted what is on the disk.
pub(super) fn not_mounted(path: &RelPath) -> Problem {
    Problem::new(
        ProblemCode::NotCovered,
        path.as_bytes(),
        "another filesystem was mounted here and is not there now; what is stored of it stays in the snapshots as it was",
        "mount it again; or, if its files are gone for good, remove the empty folder",
    )
}

/// It was not wanted when the view was made, or it came after that.
pub(super) fn not_frozen(path: &RelPath) -> Problem {
    Problem::new(
        ProblemCode::NotCovered,
        path.as_bytes(),
        "this nested subvolume was not frozen with the rest; what is stored of it stays as it was",
        "nothing to do: the next backup freezes it; if this goes on, make it a root of its own",
    )
}

/// It came or went between the look at its name and the look into it.
pub(super) fn exchanged(path: &RelPath) -> Problem {
    Problem::new(
        ProblemCode::NotCovered,
        path.as_bytes(),
        "a filesystem was mounted or unmounted here while it was being looked at; what is stored of it stays as it was",
        "nothing to do if that was meant: the next backup compares it; else mount it again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn only_the_top_of_what_was_mounted_can_lose_its_mount() {
        let root = Place::root(1);
        let disk = root.of(&path("disk"), 2);
        let below = disk.of(&path("disk/dir"), 2);
        assert!(root.of(&path("dir"), 1).fs.is_none() && disk.fs.is_some() && disk.fs == below.fs);
        assert!(disk.of(&path("disk/bound"), 1).fs.is_none(), "a bind mount of the root's own filesystem");
        let stored = |place: Place| Entry { fs: place.fs, ..Entry::test_dir() };
        assert!(root.has_lost_mount(&stored(disk), &path("disk")));
        assert!(!root.has_lost_mount(&stored(below), &path("disk/dir")));
        assert!(!disk.has_lost_mount(&stored(disk), &path("disk")));
        assert!(!disk.has_lost_mount(&stored(root), &path("disk")));
    }
    #[test]
    fn a_directory_that_is_opened_elsewhere_than_it_was_found_has_lost_a_mount_or_got_one() {
        let root = Place::root(1);
        let disk = root.of(&path("disk"), 2);
        let inner = disk.of(&path("disk/inner"), 3);
        let fs = |place: Place, at, dev, mount_root| {
            place.opened(&path(at), &Stat { dev, mount_root, ..Stat::test_dir() }).map(|place| place.fs)
        };
        assert_eq!((fs(root, "dir", 1, false), fs(disk, "disk/dir", 2, false)), (Some(None), Some(disk.fs)));
        assert_eq!([fs(disk, "disk", 1, false), fs(inner, "disk/inner", 2, false)], [None, None], "it is gone");
        assert_eq!(
            [fs(disk, "disk/dir", 1, false), fs(disk, "disk/dir", 4, false)],
            [None, None],
            "all of the disk is"
        );
        assert_eq!(fs(root, "disk", 2, true), Some(disk.fs), "it came");
        assert_eq!(fs(disk, "disk", 4, true), Some(disk.fs), "opening it has mounted it");
    }
}
