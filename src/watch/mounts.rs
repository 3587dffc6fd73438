//! The mount table: a mount hides what was there and an unmount shows it, and neither is told by the directories.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::hint::Reason;

/// `/proc/self/mountinfo`, which a poll for priority data tells changes of.
pub(super) struct Mounts {
    file: File,
    /// Mount id → mount point.
    known: BTreeMap<u64, PathBuf>,
}

impl Mounts {
    pub(super) fn open() -> io::Result<Self> {
        let mut mounts = Self { file: File::open("/proc/self/mountinfo")?, known: BTreeMap::new() };
        mounts.changes()?;
        Ok(mounts)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Mount points that came or went since the last call.
    pub(super) fn changes(&mut self) -> io::Result<Vec<(PathBuf, Reason)>> {
        let mut text = Vec::new();
        self.file.rewind()?;
        self.file.read_to_end(&mut text)?;
        let now = parse(&text);
        let before = std::mem::replace(&mut self.known, now);
        let missing = |here: &BTreeMap<u64, PathBuf>, there: &BTreeMap<u64, PathBuf>, reason| {
            let gone = here.iter().filter(|(id, path)| there.get(id) != Some(path));
            gone.map(|(_, path)| (path.clone(), reason)).collect::<Vec<_>>()
        };
        let mut changes = missing(&before, &self.known, Reason::Unmounted);
        changes.extend(missing(&self.known, &before, Reason::Mounted));
        Ok(changes)
    }
}

/// Lines are `id parent major:minor root mountpoint options …`; what cannot be read is left out.
fn parse(text: &[u8]) -> BTreeMap<u64, PathBuf> {
    let line = |line: &[u8]| {
        let mut fields = line.split(|b| *b == b' ');
        let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        Some((id, unescape(fields.nth(3)?)))
    };
    text.split(|b| *b == b'\n').filter_map(line).collect()
}

/// Space, tab, newline and backslash stand as `\` and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| *first == b'\\').and_then(|d| std::str::from_utf8(d).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[3..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(out))
}

/// Where a changed mount point lies in relation to a root.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Relation<'a> {
    /// The root is the mount point or lies below it.
    AtOrAbove,
    /// Below the root, at this path.
    Within(&'a Path),
    Elsewhere,
}

pub(super) fn relation<'a>(mount_point: &'a Path, root: &Path) -> Relation<'a> {
    if root.starts_with(mount_point) {
        return Relation::AtOrAbove;
    }
    mount_point.strip_prefix(root).map_or(Relation::Elsewhere, Relation::Within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_escapes() {
        let text = b"36 35 98:0 /m /mnt/two\\040words rw,noatime shared:1 - ext3 /dev/root rw\nrubbish\n\
                     37 35 0:4 / /mnt/\\134x rw - tmpfs t rw\n";
        let expected = [(36, PathBuf::from("/mnt/two words")), (37, PathBuf::from("/mnt/\\x"))];
        assert_eq!(parse(text), BTreeMap::from(expected));
    }

    #[test]
    fn relations_look_at_whole_components() {
        let root = Path::new("/a/b");
        assert_eq!(relation(Path::new("/a"), root), Relation::AtOrAbove);
        assert_eq!(relation(Path::new("/a/b"), root), Relation::AtOrAbove);
        assert_eq!(relation(Path::new("/a/b/c"), root), Relation::Within(Path::new("c")));
        assert_eq!(relation(Path::new("/a/bc"), root), Relation::Elsewhere);
    }
}
