//! Which rules hold inside a directory: its ignore files and markers, read once when it is entered.

use super::compare::{is_unchanged, looks_the_same};
use crate::config::exclude::{CACHEDIR_SIGNATURE, CACHEDIR_TAG, Rules};
use crate::model::{Entry, EntryKind, Problem, ProblemCode};
use crate::source::{Dir, Listing, SourceError, Stat};

/// Larger ignore files hold for nothing: nobody writes them by hand, and half a line would leave out something else.
const MAX_IGNORE_FILE: u64 = 1 << 20;

/// What holds inside a directory.
pub(super) struct Inside {
    pub rules: Rules,
    pub problems: Vec<Problem>,
    pub made_of: MadeOf,
}

/// The ignore files of a directory as they were when rules were made of them.
#[derive(Default)]
pub(super) struct MadeOf(Vec<(Vec<u8>, Stat)>);

/// An ignore file as it was read for the rules that hold below it; `None`: it was not there, or could not be read. It is stored later: if
/// it is another one by then, the next scan has to know that what is below was not compared by the rules that are stored.
#[derive(Clone, Copy, Debug)]
pub struct IgnoreFile(Option<Stat>);

impl MadeOf {
    /// `None`: it is no ignore file.
    pub(super) fn file(&self, rules: &Rules, name: &[u8]) -> Option<IgnoreFile> {
        let read = || self.0.iter().find(|(read, _)| read == name).map(|(_, stat)| *stat);
        rules.is_ignore_file(name).then(|| IgnoreFile(read()))
    }
}

impl IgnoreFile {
    pub(super) fn read(&self) -> Option<&Stat> {
        self.0.as_ref()
    }

    pub(super) fn is_still(&self, stat: &Stat) -> bool {
        self.0.is_some_and(|read| read.same_content(stat))
    }

    pub(super) fn is(&self, entry: &Entry) -> bool {
        self.0.is_some_and(|read| looks_the_same(entry, &read))
    }
}

/// What could not be understood or read becomes a problem and excludes nothing.
pub(super) fn inside(rules: &Rules, dir: &Dir, listing: &Listing) -> Inside {
    let path = dir.path();
    let tag = if rules.config().caches && listing.contains(CACHEDIR_TAG) {
        read_start(dir, CACHEDIR_TAG, CACHEDIR_SIGNATURE.len() as u64).ok().flatten()
    } else {
        None
    };
    let tag = tag.as_ref().map(|(content, _)| &content[..]);
    if let Some(reason) = rules.marker(path, |name| listing.contains(name), tag) {
        let rules = rules.enter_marked(path, reason);
        return Inside { rules, problems: Vec::new(), made_of: MadeOf::default() };
    }
    with_ignore_files(rules, dir, |name| listing.contains(name))
}

/// As the ignore files of the directory add to them.
pub(super) fn with_ignore_files(rules: &Rules, dir: &Dir, holds: impl Fn(&[u8]) -> bool) -> Inside {
    let (mut problems, mut made_of) = (Vec::new(), MadeOf::default());
    let mut files: Vec<(&[u8], Vec<u8>)> = Vec::new();
    for name in rules.config().files.iter().map(|name| name.as_bytes()).filter(|name| holds(name)) {
        // one byte more than it may have
        let (content, stat) = match read_start(dir, name, MAX_IGNORE_FILE + 1) {
            Ok(Some(read)) => read,
            Ok(None) => continue,
            Err(error) => {
                problems.push(error.to_problem());
                continue;
            }
        };
        made_of.0.push((name.to_vec(), stat));
        match content.len() as u64 > MAX_IGNORE_FILE {
            true => problems.push(too_large(dir, name)),
            false => files.push((name, content)),
        }
    }
    if files.is_empty() {
        return Inside { rules: rules.clone(), problems, made_of };
    }
    let borrowed: Vec<(&[u8], &[u8])> = files.iter().map(|(name, content)| (*name, &content[..])).collect();
    let (rules, faults) = rules.enter(dir.path(), &borrowed);
    problems.extend(faults.iter().map(|fault| {
        Problem::new(
            ProblemCode::Metadata,
            fault.file.as_bytes(),
            format!("its line {:?} excludes nothing: {}", fault.error.pattern, fault.error.reason),
            "correct that line of the ignore file",
        )
    }));
    Inside { rules, problems, made_of }
}

fn too_large(dir: &Dir, name: &[u8]) -> Problem {
    let text = "it is larger than 1 MiB and excludes nothing";
    Problem::new(ProblemCode::Metadata, dir.path().join(name).as_bytes(), text, "make that ignore file smaller")
}

/// Has one of the directory's ignore files come, gone or changed since the tree before? `known`: its entry there.
pub(super) fn changed<E>(
    rules: &Rules,
    dir: &Dir,
    listing: &Listing,
    known: impl Fn(&[u8]) -> Result<Option<Entry>, E>,
) -> Result<bool, E> {
    for name in rules.config().files.iter().map(|name| name.as_bytes()) {
        let is_changed = match (known(name)?, listing.contains(name)) {
            (None, is_there) => is_there,
            (Some(_), false) => true,
            (Some(entry), true) => !dir.stat(name).is_ok_and(|stat| is_unchanged(&entry, &stat)),
        };
        if is_changed {
            return Ok(true);
        }
    }
    Ok(false)
}

/// With its state, which was taken before its content: a later state is told by comparing. `None` for what is no regular file any more.
fn read_start(dir: &Dir, name: &[u8], limit: u64) -> Result<Option<(Vec<u8>, Stat)>, SourceError> {
    let stat = match dir.stat(name) {
        Err(SourceError::Vanished { .. }) => return Ok(None),
        other => other?,
    };
    if stat.kind != EntryKind::File {
        return Ok(None);
    }
    let file = dir.open_file(name, &stat)?;
    let stat = *file.stat();
    let mut reader = file.into_reader();
    let mut content = Vec::new();
    reader.read(&mut content, stat.size.min(limit) as usize)?;
    Ok(Some((content, stat)))
}
