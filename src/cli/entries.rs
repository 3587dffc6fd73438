//! Entries of snapshots as lines for people and as JSON for programs.

use serde_json::{Map, Value, json};

use super::error::CliError;
use super::output::Output;
use super::show;
use crate::history::HistoryEvent;
use crate::model::{Entry, EntryFlags, EntryKind, base64_encode};
use crate::status::{PathText, printable};

/// Prints what a walk finds; keeps the first error of the output and counts what is lost.
pub(super) struct Printer<'a> {
    output: &'a Output,
    pub(super) lost: u64,
    failed: Result<(), CliError>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        Self { output, lost: 0, failed: Ok(()) }
    }

    /// `false`: nobody reads any more.
    pub(super) fn event(&mut self, event: &HistoryEvent) -> bool {
        let printed = match event {
            HistoryEvent::Entry(found) => entry(self.output, &found.shown, &found.entry),
            HistoryEvent::Lost { shown, message } => {
                self.lost += 1;
                self.output.warn(format!("{}: {message}", printable(&String::from_utf8_lossy(shown))));
                Ok(())
            }
        };
        self.take(printed)
    }

    pub(super) fn take(&mut self, printed: Result<(), CliError>) -> bool {
        self.failed = printed;
        self.failed.is_ok()
    }

    pub(super) fn finish(self) -> Result<u64, CliError> {
        self.failed.map(|()| self.lost)
    }
}

fn entry(output: &Output, shown: &[u8], entry: &Entry) -> Result<(), CliError> {
    output.line(line(shown, entry))?;
    output.json(|| {
        let mut fields = fields(entry);
        fields.append(&mut path(shown));
        Value::Object(fields)
    })
}

/// As `ls -l` would.
pub(super) fn line(shown: &[u8], entry: &Entry) -> String {
    let name = |name: &Option<String>, id: u32| name.clone().unwrap_or_else(|| id.to_string());
    let size = match entry.device {
        Some((major, minor)) => format!("{major}, {minor}"),
        None => entry.size.to_string(),
    };
    let arrow = entry.target.as_ref().map(|target| format!(" -> {}", printable(&String::from_utf8_lossy(target))));
    format!(
        "{}{} {:<8} {:<8} {size:>12} {} {}{}",
        letter(entry.kind),
        permissions(entry.mode),
        printable(&name(&entry.user, entry.uid)),
        printable(&name(&entry.group, entry.gid)),
        show::local_time(entry.mtime),
        printable(&String::from_utf8_lossy(shown)),
        arrow.unwrap_or_default(),
    )
}

fn letter(kind: EntryKind) -> char {
    match kind {
        EntryKind::File => '-',
        EntryKind::Dir => 'd',
        EntryKind::Symlink => 'l',
        EntryKind::Fifo => 'p',
        EntryKind::Socket => 's',
        EntryKind::CharDevice => 'c',
        EntryKind::BlockDevice => 'b',
    }
}

fn permissions(mode: u32) -> String {
    let bit = |bit: u32, letter: char| if mode & bit != 0 { letter } else { '-' };
    let last = |run: u32, special: u32, both: char, alone: char| match (mode & run != 0, mode & special != 0) {
        (true, true) => both,
        (false, true) => alone,
        (true, false) => 'x',
        (false, false) => '-',
    };
    [
        bit(0o400, 'r'),
        bit(0o200, 'w'),
        last(0o100, 0o4000, 's', 'S'),
        bit(0o040, 'r'),
        bit(0o020, 'w'),
        last(0o010, 0o2000, 's', 'S'),
        bit(0o004, 'r'),
        bit(0o002, 'w'),
        last(0o001, 0o1000, 't', 'T'),
    ]
    .into_iter()
    .collect()
}

/// `path`, and `path_b64` where text cannot hold it.
pub(super) fn path(shown: &[u8]) -> Map<String, Value> {
    match json!(PathText::from(shown)) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// All metadata of an entry.
pub(super) fn fields(entry: &Entry) -> Map<String, Value> {
    let xattr = |xattr: &crate::model::Xattr| json!({ "name": String::from_utf8_lossy(&xattr.name), "value_b64": base64_encode(&xattr.value) });
    let value = json!({
        "type": kind(entry.kind),
        "mode": format!("{:04o}", entry.mode),
        "uid": entry.uid, "gid": entry.gid, "user": entry.user, "group": entry.group,
        "size": entry.size,
        "mtime": show::json_time_exact(entry.mtime),
        "ctime": show::json_time_exact(entry.ctime),
        "btime": entry.btime.map(show::json_time_exact),
        "ino": entry.ino, "nlink": entry.nlink.unwrap_or(1),
        "target": entry.target.as_ref().map(|target| String::from_utf8_lossy(target)),
        "target_b64": entry.target.as_ref().filter(|t| std::str::from_utf8(t).is_err()).map(|t| base64_encode(t)),
        "device": entry.device.map(|(major, minor)| [major, minor]),
        "xattrs": entry.xattrs.iter().flatten().map(xattr).collect::<Vec<_>>(),
        "inode_flags": entry.inode_flags,
        "sparse": entry.extents.is_some(),
        "content": entry.content.as_ref().map(|content| content.id().to_string()),
        "marks": marks(entry.flags),
    });
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Dir => "dir",
        EntryKind::Symlink => "symlink",
        EntryKind::Fifo => "fifo",
        EntryKind::Socket => "socket",
        EntryKind::CharDevice => "char_device",
        EntryKind::BlockDevice => "block_device",
    }
}

fn marks(flags: EntryFlags) -> Vec<&'static str> {
    let all = [
        (EntryFlags::FUZZY, "fuzzy"),
        (EntryFlags::UNREADABLE, "unreadable"),
        (EntryFlags::RACY, "racy"),
        (EntryFlags::NOT_COVERED, "not_covered"),
    ];
    all.into_iter().filter(|(bit, _)| flags.has(*bit)).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_as_in_ls() {
        let shown = |mode| permissions(mode);
        assert_eq!(shown(0o755), "rwxr-xr-x");
        assert_eq!(shown(0o7644), "rwSr-Sr-T");
        assert_eq!(shown(0o7777), "rwsrwsrwt");
    }

    #[test]
    fn names_cannot_command_the_terminal() {
        let line = line(b"/a\x1b[2Jb\xff", &Entry::test_file(3));
        assert!(!line.contains('\x1b') && line.ends_with("b\u{fffd}"), "{line:?}");
    }

    #[test]
    fn json_holds_exact_bytes_and_nanoseconds() {
        let fields = path(b"/\xff");
        assert_eq!(fields["path_b64"], json!(base64_encode(b"/\xff")));
        let time = crate::model::Timestamp::new(-1, 999_999_999);
        assert_eq!(show::json_time_exact(time), json!("1969-12-31T23:59:59.999999999Z"));
    }
}
