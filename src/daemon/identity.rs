//! Is a root still the folder that it was? An empty mount point must never look like a folder whose files were deleted.
//!
//! A folder is known by its inode number and birth time, which survive a reboot that gives disks other numbers; where a
//! filesystem keeps no birth times, by the id of the filesystem instead.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, StatxFlags, fstatfs, statx};

use crate::backup::RootGuard;
use crate::journal::{Journal, JournalError, RootState};
use crate::model::{Problem, ProblemCode};

/// What [`check_root`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RootCheck {
    /// It may be read. The text is to be kept once a run has stored it.
    Same(String),
    /// It must not be read: say why, and ask.
    Doubtful(Problem),
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Identity {
    inode: u64,
    /// Nanoseconds since 1970.
    born: Option<i128>,
    filesystem: Option<u64>,
}

/// Compares the folder with what the journal knows. `Ok(Same)` for a root that was never stored.
pub fn check_root(path: &Path, known: Option<&RootState>) -> RootCheck {
    let found = match File::open(path).and_then(|dir| Ok((Identity::of(&dir)?, is_empty(path)?))) {
        Ok(found) => found,
        Err(error) => return RootCheck::Doubtful(unreadable(path, &error)),
    };
    let (now, empty) = found;
    // a root of another path was chosen by a person; one without a tree has nothing to lose
    let known = known.filter(|state| state.path == path && state.tree.is_some());
    let before = known.and_then(|state| Identity::parse(state.identity.as_deref()?));
    match before {
        Some(before) if !before.is_same(&now) && (empty || before.filesystem != now.filesystem) => {
            RootCheck::Doubtful(changed(path, empty))
        }
        _ => RootCheck::Same(now.to_text()),
    }
}

/// The same question for a run to ask when its view is open.
pub fn guard_root(path: &Path, known: Option<RootState>) -> RootGuard {
    let path = path.to_path_buf();
    Arc::new(move || match check_root(&path, known.as_ref()) {
        RootCheck::Same(identity) => Ok(identity),
        RootCheck::Doubtful(problem) => Err(problem),
    })
}

/// After a run has stored the root.
pub fn remember_root(journal: &Journal, id: &str, identity: &str) -> Result<(), JournalError> {
    if journal.root_state(id)?.identity.as_deref() == Some(identity) {
        return Ok(());
    }
    journal.set_root_identity(id, identity)
}

fn is_empty(path: &Path) -> io::Result<bool> {
    Ok(std::fs::read_dir(path)?.next().transpose()?.is_none())
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        ProblemCode::RootUnavailable,
        path.as_os_str().as_encoded_bytes(),
        format!("the folder cannot be read: {error}"),
        "mount it or bring it back; the backup then goes on by itself",
    )
}

fn changed(path: &Path, empty: bool) -> Problem {
    let message = if empty {
        "the folder is empty and is not the one that was backed up: its disk is probably not mounted"
    } else {
        "the folder is on another filesystem than the one that was backed up"
    };
    Problem::new(
        ProblemCode::RootUnavailable,
        path.as_os_str().as_encoded_bytes(),
        message,
        "mount the right disk; if this is meant to be the folder now, say so with `rozenctl backup --accept NAME` (the \
         folder's name; add --once where no agent runs)",
    )
}

impl Identity {
    fn of(dir: &File) -> io::Result<Self> {
        let flags = StatxFlags::INO | StatxFlags::BTIME;
        let stat = statx(dir.as_fd(), "", AtFlags::EMPTY_PATH, flags)?;
        let has_birth = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
        let born = || i128::from(stat.stx_btime.tv_sec) * 1_000_000_000 + i128::from(stat.stx_btime.tv_nsec);
        Ok(Self { inode: stat.stx_ino, born: has_birth.then(born), filesystem: filesystem_id(dir) })
    }

    /// By the birth time where both have one.
    fn is_same(&self, other: &Self) -> bool {
        let same_place = match (self.born, other.born) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.filesystem == other.filesystem,
        };
        same_place && self.inode == other.inode
    }

    fn to_text(&self) -> String {
        let number = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let (born, filesystem) = (self.born.map(|b| b.to_string()), self.filesystem.map(|f| f.to_string()));
        format!("{} {} {}", self.inode, number(born), number(filesystem))
    }

    /// `None` for a text that this version does not know: then nothing is compared.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let inode = parts.next()?.parse().ok()?;
        let (born, filesystem) = (parts.next()?.parse().ok(), parts.next()?.parse().ok());
        parts.next().is_none().then_some(Self { inode, born, filesystem })
    }
}

/// `None` where the filesystem has none.
fn filesystem_id(dir: &File) -> Option<u64> {
    let found = fstatfs(dir).ok()?;
    // SAFETY: `fsid_t` is two C ints without padding and without invalid values, as long as a u64.
    let id: u64 = unsafe { std::mem::transmute(found.f_fsid) };
    (id != 0).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChunkId;

    fn known(path: &Path, identity: &str) -> RootState {
        RootState {
            id: "x".into(),
            path: path.into(),
            tree: Some(ChunkId([1; 32])),
            identity: Some(identity.into()),
            recovery_point_ms: None,
            last_audit_ms: None,
            audit: None,
        }
    }

    fn text(path: &Path) -> String {
        match check_root(path, None) {
            RootCheck::Same(text) => text,
            RootCheck::Doubtful(problem) => panic!("{problem:?}"),
        }
    }

    #[test]
    fn the_same_folder_is_known_again_though_its_disk_has_another_number() {
        let dir = tempfile::tempdir().unwrap();
        let now = Identity::parse(&text(dir.path())).unwrap();
        let renumbered = Identity { filesystem: Some(77), ..now.clone() };
        let expected = now.born.is_some();
        let check = check_root(dir.path(), Some(&known(dir.path(), &renumbered.to_text())));
        assert_eq!(matches!(check, RootCheck::Same(_)), expected);
        assert!(matches!(check_root(dir.path(), Some(&known(dir.path(), &now.to_text()))), RootCheck::Same(_)));
    }

    #[test]
    fn an_empty_folder_in_the_place_of_another_is_doubtful_and_a_full_one_on_the_same_disk_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let now = Identity::parse(&text(dir.path())).unwrap();
        let other = Identity { inode: now.inode + 1, born: now.born.map(|born| born + 1), ..now };
        let state = known(dir.path(), &other.to_text());
        assert!(matches!(check_root(dir.path(), Some(&state)), RootCheck::Doubtful(_)));
        std::fs::write(dir.path().join("f"), "x").unwrap();
        assert!(matches!(check_root(dir.path(), Some(&state)), RootCheck::Same(_)));
        let elsewhere = Identity { filesystem: Some(77), ..other };
        let state = known(dir.path(), &elsewhere.to_text());
        assert!(matches!(check_root(dir.path(), Some(&state)), RootCheck::Doubtful(_)));
        let moved = RootState { path: "/before".into(), ..state };
        assert!(matches!(check_root(dir.path(), Some(&moved)), RootCheck::Same(_)), "a person chose another path");
    }

    #[test]
    fn a_missing_folder_is_doubtful() {
        assert!(matches!(check_root(Path::new("/nowhere/at/all"), None), RootCheck::Doubtful(_)));
    }

    #[test]
    fn identities_print_and_parse() {
        for identity in [
            Identity { inode: 2, born: Some(-5), filesystem: Some(u64::MAX) },
            Identity { inode: 2, born: None, filesystem: None },
        ] {
            assert_eq!(Identity::parse(&identity.to_text()), Some(identity));
        }
        assert_eq!(Identity::parse("2 3"), None);
    }
}
