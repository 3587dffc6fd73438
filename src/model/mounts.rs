//! The mount table as `/proc/self/mountinfo` writes it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One mount, as this process sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    pub id: u64,
    /// The directory of the filesystem that is mounted: `/` or a subvolume or a bound directory.
    pub root: PathBuf,
    pub mount_point: PathBuf,
    pub fs_type: String,
    /// The device, where there is one.
    pub source: OsString,
}

impl Mount {
    /// Reads the whole table. Lines are `id parent major:minor root mount-point options [tags…] - type source options`;
    /// what cannot be read is left out.
    pub fn parse_table(text: &[u8]) -> Vec<Mount> {
        text.split(|b| *b == b'\n').filter_map(Self::parse).collect()
    }

    fn parse(line: &[u8]) -> Option<Mount> {
        let mut fields = line.split(|b| *b == b' ');
        let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let root = PathBuf::from(unescape(fields.nth(2)?));
        let mount_point = PathBuf::from(unescape(fields.next()?));
        fields.find(|field| *field == b"-")?;
        let fs_type = String::from_utf8_lossy(fields.next()?).into_owned();
        let source = unescape(fields.next()?);
        Some(Mount { id, root, mount_point, fs_type, source })
    }
}

/// Space, tab, newline and backslash stand as `\` and three octal digits.
fn unescape(field: &[u8]) -> OsString {
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
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_with_their_escapes_and_bad_lines_left_out() {
        let text = b"36 35 98:0 /sub /mnt/two\\040words rw,noatime shared:1 master:2 - btrfs /dev/vda rw\nrubbish\n\
                     37 35 0:4 / /mnt/\\134x rw - tmpfs t rw\n38 35 0:4 / /cut rw\n";
        let table = Mount::parse_table(text);
        let first = Mount {
            id: 36,
            root: "/sub".into(),
            mount_point: "/mnt/two words".into(),
            fs_type: "btrfs".into(),
            source: "/dev/vda".into(),
        };
        assert_eq!(table[0], first);
        assert_eq!((table.len(), table[1].mount_point.to_str()), (2, Some("/mnt/\\x")));
    }
}
