//! Is a root still the folder that it was? An empty mount point must never look like a folder whose files were deleted.
//!
//! A folder is known by its inode number and birth time, which survive a reboot that gives disks other numbers; where a
//! filesystem keeps no birth times, by the id of the filesystem instead. Some filesystems (XFS, FAT) take the number of the
//! disk as their id, so that another disk in its place has the same: the UUID tells them apart where the kernel gives it, and
//! elsewhere the birth time of the top directory, which is that of the filesystem.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Statx, StatxAttributes, StatxFlags, fstatfs, statx};
use rustix::ioctl;

use crate::backup::RootGuard;
use crate::crypto::MachineKeys;
use crate::journal::{Journal, JournalError, RootState};
use crate::model::{ListedRoot, Problem, ProblemCode, RootId, RootTag};

/// What [`check_root`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RootCheck {
    /// It may be read. The text is to be kept once a run has stored it.
    Same(String),
    /// Another folder of the same filesystem, and not an empty one: it may be read, but no hint of before tells how it differs
    /// from what is stored, so all of it must be compared.
    Exchanged(String),
    /// It must not be read: say why, and ask.
    Doubtful(Problem),
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Identity {
    inode: u64,
    /// Nanoseconds since 1970.
    born: Option<i128>,
    filesystem: Option<u64>,
    uuid: Option<Uuid>,
}

/// Of a filesystem, as a number.
type Uuid = u128;

/// What stands at the path of a root now.
struct Found {
    identity: Identity,
    /// The top of a mount.
    is_top: bool,
    is_empty: bool,
}

/// What is remembered of a root: read when it is asked, since a lost journal is rebuilt only when the target is open.
#[derive(Clone)]
pub struct RootMemory {
    journal: Journal,
    root: String,
    tag: RootTag,
}

impl RootMemory {
    pub fn new(journal: &Journal, keys: &MachineKeys, root: &RootId) -> Self {
        Self { journal: journal.clone(), root: root.to_string(), tag: keys.id.root_tag(root.as_str()) }
    }

    /// `None` for a root that the journal does not know yet.
    fn state(&self) -> Result<Option<RootState>, JournalError> {
        Ok(self.journal.roots()?.into_iter().find(|state| state.id == self.root))
    }
}

/// Compares the folder with what is remembered; without memory it is what it is.
pub fn check_root(path: &Path, memory: Option<&RootMemory>) -> Result<RootCheck, JournalError> {
    let Some(memory) = memory else { return Ok(compare(path, None, None)) };
    let (state, listed) = (memory.state()?, memory.journal.listed_root(&memory.tag)?);
    Ok(compare(path, state.as_ref(), listed.as_ref()))
}

/// `Same` for a root that was never stored.
fn compare(path: &Path, known: Option<&RootState>, listed: Option<&ListedRoot>) -> RootCheck {
    let now = match Found::at(path) {
        Ok(now) => now,
        Err(error) => return RootCheck::Doubtful(unreadable(path, &error)),
    };
    // one that was never stored has nothing to lose. A tree alone does not tell: the local one may have been dropped
    let was_stored = |state: &&RootState| state.tree.is_some() || state.last_audit_ms.is_some();
    // the journal was lost, or the machine, or a person chose another path (of which no run has told yet what stands there): what is
    // there must look like what was stored
    let was_seen = known.is_some_and(|state| state.identity.is_some() && state.path == path);
    if let (false, Some(listed)) = (was_seen, listed)
        && let Some(found) = far_less(path, listed.entries)
    {
        let is_moved = known.as_ref().is_some_and(was_stored);
        return RootCheck::Doubtful(emptied(path, found, listed.entries, is_moved));
    }
    let known = known.filter(|state| state.path == path).filter(was_stored);
    let before = known.and_then(|state| Identity::parse(state.identity.as_deref()?));
    let text = now.identity.to_text();
    match before {
        Some(before) if before.is_same(&now.identity) => RootCheck::Same(text),
        Some(before) if now.is_empty || now.is_elsewhere(&before) => RootCheck::Doubtful(changed(path, now.is_empty)),
        Some(_) => RootCheck::Exchanged(text),
        None => RootCheck::Same(text),
    }
}

/// The same question for a run to ask when its view is open.
pub fn guard_root(path: &Path, memory: Option<RootMemory>) -> RootGuard {
    let path = path.to_path_buf();
    Arc::new(move || match check_root(&path, memory.as_ref()) {
        Ok(RootCheck::Same(identity) | RootCheck::Exchanged(identity)) => Ok(identity),
        Ok(RootCheck::Doubtful(problem)) => Err(problem),
        Err(error) => Err(unknown(&path, &error)),
    })
}

/// For a run that looks only where hints are: they say nothing about another folder that came while the run began.
pub(super) fn guard_hints(path: &Path, guard: RootGuard, identity: String) -> RootGuard {
    let path = path.to_path_buf();
    Arc::new(move || match guard()? {
        now if now == identity => Ok(now),
        _ => Err(exchanged(&path)),
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

/// The number of names in the folder, when that is less than half of the entries that were stored. Counts no further than
/// it must, and never more than there is: what cannot be listed counts as nothing.
fn far_less(path: &Path, stored: u64) -> Option<u64> {
    let wanted = stored.div_ceil(2);
    // the folder itself is an entry as well
    let mut found = 1;
    let mut open = vec![path.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            found += 1;
            if found >= wanted && wanted > 1 {
                return None;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
    }
    (stored > 1 && found < wanted.max(2)).then_some(found)
}

fn emptied(path: &Path, found: u64, stored: u64, is_moved: bool) -> Problem {
    let (why, first) = match is_moved {
        false => ("the files of the folder are probably not restored yet", "restore them first (`rozenctl restore`)"),
        true => ("the folder has another path than before", "look whether the path in the configuration is right"),
    };
    Problem::new(
        ProblemCode::RootUnavailable,
        path.as_os_str().as_encoded_bytes(),
        format!("only {found} of {stored} entries are there: {why}"),
        format!(
            "{first}; if this is meant to be the folder now, say so with `rozenctl backup --accept NAME` (the folder's name; \
             add --once where no agent runs)"
        ),
    )
}

fn unknown(path: &Path, error: &JournalError) -> Problem {
    let text = format!("cannot tell whether it is the folder that was backed up: {error}");
    Problem::new(ProblemCode::RootUnavailable, path.as_os_str().as_encoded_bytes(), text, error.remedy())
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        ProblemCode::RootUnavailable,
        path.as_os_str().as_encoded_bytes(),
        format!("the folder cannot be read: {error}"),
        "mount it or bring it back; the backup then goes on by itself",
    )
}

fn exchanged(path: &Path) -> Problem {
    Problem::new(
        ProblemCode::RootUnavailable,
        path.as_os_str().as_encoded_bytes(),
        "the folder was exchanged for another one while it was to be read",
        "nothing: it is compared in full soon",
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

impl Found {
    fn at(path: &Path) -> io::Result<Self> {
        let dir = File::open(path)?;
        let stat = statx(dir.as_fd(), "", AtFlags::EMPTY_PATH, StatxFlags::INO | StatxFlags::BTIME)?;
        let is_top = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
        Ok(Self { identity: Identity::of(&dir, &stat), is_top, is_empty: is_empty(path)? })
    }

    /// On another filesystem than before. Of a mount whose UUID nobody knows, another birth time of its top is enough.
    fn is_elsewhere(&self, before: &Identity) -> bool {
        let now = &self.identity;
        let by_uuid = differ(before.uuid, now.uuid);
        let by_top = || self.is_top && differ(before.born, now.born) == Some(true);
        before.filesystem != now.filesystem || by_uuid.unwrap_or_else(by_top)
    }
}

/// `None` where one of them is not known.
fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<bool> {
    Some(one? != other?)
}

impl Identity {
    fn of(dir: &File, stat: &Statx) -> Self {
        let has_birth = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
        let born = || i128::from(stat.stx_btime.tv_sec) * 1_000_000_000 + i128::from(stat.stx_btime.tv_nsec);
        let (filesystem, uuid) = (filesystem_id(dir), filesystem_uuid(dir));
        Self { inode: stat.stx_ino, born: has_birth.then(born), filesystem, uuid }
    }

    /// By the birth time where both have one. Two disks that were formatted in one second may share it.
    fn is_same(&self, other: &Self) -> bool {
        let same_place = match differ(self.born, other.born) {
            Some(differ) => !differ,
            None => self.filesystem == other.filesystem,
        };
        same_place && self.inode == other.inode && differ(self.uuid, other.uuid) != Some(true)
    }

    fn to_text(&self) -> String {
        let number = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let (born, filesystem) = (self.born.map(|b| b.to_string()), self.filesystem.map(|f| f.to_string()));
        let uuid = self.uuid.map(|uuid| format!("{uuid:032x}"));
        format!("{} {} {} {}", self.inode, number(born), number(filesystem), number(uuid))
    }

    /// `None` for a text that this version does not know: then nothing is compared. Earlier ones wrote no UUID.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let inode = parts.next()?.parse().ok()?;
        let (born, filesystem) = (parts.next()?.parse().ok(), parts.next()?.parse().ok());
        let uuid = parts.next().and_then(|uuid| Uuid::from_str_radix(uuid, 16).ok());
        parts.next().is_none().then_some(Self { inode, born, filesystem, uuid })
    }
}

/// `None` where the filesystem has none.
fn filesystem_id(dir: &File) -> Option<u64> {
    let found = fstatfs(dir).ok()?;
    // SAFETY: `fsid_t` is two C ints without padding and without invalid values, as long as a u64.
    let id: u64 = unsafe { std::mem::transmute(found.f_fsid) };
    (id != 0).then_some(id)
}

/// `struct fsuuid2` of the kernel.
#[repr(C)]
struct FsUuid {
    len: u8,
    uuid: [u8; 16],
}

/// FS_IOC_GETFSUUID, since Linux 6.9. `None` where the kernel or the filesystem gives none.
fn filesystem_uuid(dir: &File) -> Option<Uuid> {
    const GET: ioctl::Opcode = ioctl::opcode::read::<FsUuid>(0x15, 0);
    // SAFETY: the request writes one `FsUuid` and nothing else; all its bit patterns are valid.
    let found = unsafe { ioctl::ioctl(dir, ioctl::Getter::<GET, FsUuid>::new()) }.ok()?;
    let len = usize::from(found.len);
    let known = found.uuid.get(..len)?.iter().any(|byte| *byte != 0);
    known.then(|| found.uuid[..len].iter().fold(0, |uuid, byte| uuid << 8 | Uuid::from(*byte)))
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
        match compare(path, None, None) {
            RootCheck::Same(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_folder_is_known_again_though_its_disk_has_another_number() {
        let dir = tempfile::tempdir().unwrap();
        let now = Identity::parse(&text(dir.path())).unwrap();
        let renumbered = Identity { filesystem: Some(77), ..now.clone() };
        let expected = now.born.is_some();
        let check = compare(dir.path(), Some(&known(dir.path(), &renumbered.to_text())), None);
        assert_eq!(matches!(check, RootCheck::Same(_)), expected);
        assert!(matches!(compare(dir.path(), Some(&known(dir.path(), &now.to_text())), None), RootCheck::Same(_)));
    }

    #[test]
    fn an_empty_folder_in_the_place_of_another_is_doubtful_and_one_that_holds_something_is_compared_in_full() {
        let dir = tempfile::tempdir().unwrap();
        let now = Identity::parse(&text(dir.path())).unwrap();
        let other = Identity { inode: now.inode + 1, born: now.born.map(|born| born + 1), ..now };
        let state = known(dir.path(), &other.to_text());
        assert!(matches!(compare(dir.path(), Some(&state), None), RootCheck::Doubtful(_)));
        std::fs::write(dir.path().join("f"), "x").unwrap();
        assert!(matches!(compare(dir.path(), Some(&state), None), RootCheck::Exchanged(_)));
        let elsewhere = Identity { filesystem: Some(77), ..other };
        let state = known(dir.path(), &elsewhere.to_text());
        assert!(matches!(compare(dir.path(), Some(&state), None), RootCheck::Doubtful(_)));
        let dropped = RootState { tree: None, last_audit_ms: Some(1), ..state.clone() };
        assert!(matches!(compare(dir.path(), Some(&dropped), None), RootCheck::Doubtful(_)), "it was stored once");
        let moved = RootState { path: "/before".into(), ..state };
        assert!(matches!(compare(dir.path(), Some(&moved), None), RootCheck::Same(_)), "a person chose another path");
    }

    #[test]
    fn another_disk_with_the_number_of_the_first_is_another_filesystem() {
        // as XFS shows it: the id of the filesystem is the number of the disk, the top is always the same inode
        let first = Identity { inode: 128, born: Some(1), filesystem: Some(1792), uuid: Some(1) };
        let at = |identity: &Identity, is_top| Found { identity: identity.clone(), is_top, is_empty: false };
        let second = Identity { born: Some(2), uuid: Some(2), ..first.clone() };
        for is_top in [false, true] {
            assert!(!first.is_same(&second) && at(&second, is_top).is_elsewhere(&first));
        }
        let formatted_together = Identity { uuid: Some(2), ..first.clone() };
        assert!(!first.is_same(&formatted_together) && at(&formatted_together, true).is_elsewhere(&first));
        // what an earlier version wrote down, or an earlier kernel
        let without = |identity: &Identity| Identity { uuid: None, ..identity.clone() };
        assert!(without(&first).is_same(&first), "nothing is asked because a new version knows more");
        assert!(at(&second, true).is_elsewhere(&without(&first)));
        assert!(at(&without(&second), true).is_elsewhere(&without(&first)));
        assert!(!at(&second, false).is_elsewhere(&without(&first)), "an ordinary folder that was exchanged");
        let other_folder = Identity { born: Some(2), ..first.clone() };
        assert!(!at(&other_folder, true).is_elsewhere(&first), "of the same filesystem, by a bind mount");
    }

    #[test]
    fn the_kernel_tells_the_uuid_of_a_filesystem() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (File::open(dir.path()).unwrap(), File::open(dir.path()).unwrap());
        assert_eq!(filesystem_uuid(&one), filesystem_uuid(&two));
        assert_eq!(filesystem_uuid(&File::open("/proc").unwrap()), None);
    }

    #[test]
    fn a_folder_that_comes_while_a_run_by_hints_begins_is_not_read_by_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("a")).unwrap();
        let guard = guard_hints(&root, guard_root(&root, None), text(&root));
        assert_eq!(guard(), Ok(text(&root)));
        std::fs::rename(&root, dir.path().join("old")).unwrap();
        std::fs::create_dir_all(root.join("a")).unwrap();
        assert_eq!(guard().unwrap_err().code, ProblemCode::RootUnavailable);
    }

    #[test]
    fn a_missing_folder_is_doubtful() {
        assert!(matches!(compare(Path::new("/nowhere/at/all"), None, None), RootCheck::Doubtful(_)));
    }

    #[test]
    fn identities_print_and_parse() {
        for identity in [
            Identity { inode: 2, born: Some(-5), filesystem: Some(u64::MAX), uuid: Some(7) },
            Identity { inode: 2, born: None, filesystem: None, uuid: None },
        ] {
            assert_eq!(Identity::parse(&identity.to_text()), Some(identity));
        }
        assert_eq!(Identity::parse("2 3"), None);
        assert_eq!(Identity::parse("2 3 4 5 6"), None);
        let of_before = Identity { inode: 2, born: Some(3), filesystem: Some(4), uuid: None };
        assert_eq!(Identity::parse("2 3 4"), Some(of_before));
    }

    #[test]
    fn after_a_lost_journal_or_at_another_path_a_folder_that_holds_far_less_than_was_stored_is_a_question() {
        let dir = tempfile::tempdir().unwrap();
        let listed = |entries| ListedRoot {
            tag: RootTag([1; 16]),
            tree: Some(ChunkId([1; 32])),
            entries,
            bytes: 0,
            complete: true,
            recovery_point: None,
        };
        let is_doubtful = |entries| matches!(compare(dir.path(), None, Some(&listed(entries))), RootCheck::Doubtful(_));
        assert!(!is_doubtful(1), "it was empty when it was stored");
        assert!(is_doubtful(2) && is_doubtful(1000));
        std::fs::create_dir(dir.path().join("new")).unwrap();
        std::fs::write(dir.path().join("new/file"), "x").unwrap();
        assert!(!is_doubtful(2) && !is_doubtful(6));
        assert!(is_doubtful(7) && is_doubtful(1000), "a fresh home is not the old one");
        let seen = known(dir.path(), "2 3 4");
        assert!(matches!(
            compare(dir.path(), Some(&RootState { tree: None, ..seen }), Some(&listed(9))),
            RootCheck::Same(_)
        ));
        let moved = RootState { identity: None, ..known(dir.path(), "") };
        let planned = known(Path::new("/before"), "2 3 4");
        for state in [&moved, &planned] {
            assert!(matches!(compare(dir.path(), Some(state), Some(&listed(6))), RootCheck::Same(_)));
            let RootCheck::Doubtful(problem) = compare(dir.path(), Some(state), Some(&listed(7))) else { panic!() };
            assert!(problem.message.contains("another path"), "{problem:?}");
        }
        let forgotten = RootState { tree: None, identity: None, ..known(dir.path(), "") };
        assert!(matches!(compare(dir.path(), Some(&forgotten), Some(&listed(9))), RootCheck::Doubtful(_)));
    }
}
