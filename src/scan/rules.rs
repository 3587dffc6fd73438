//! Which rules hold inside a directory: its ignore files and markers, read once when it is entered.

use super::compare::is_unchanged;
use crate::config::exclude::{CACHEDIR_SIGNATURE, CACHEDIR_TAG, Rules};
use crate::model::{Entry, EntryKind, Problem, ProblemCode};
use crate::source::{Dir, Listing, SourceError};

/// Larger ignore files hold for nothing: nobody writes them by hand, and half a line would leave out something else.
const MAX_IGNORE_FILE: u64 = 1 << 20;

/// What could not be understood or read becomes a problem and excludes nothing.
pub(super) fn inside(rules: &Rules, dir: &Dir, listing: &Listing) -> (Rules, Vec<Problem>) {
    let path = dir.path();
    let tag = if rules.config().caches && listing.contains(CACHEDIR_TAG) {
        read_start(dir, CACHEDIR_TAG, CACHEDIR_SIGNATURE.len() as u64).ok().flatten()
    } else {
        None
    };
    if let Some(reason) = rules.marker(path, |name| listing.contains(name), tag.as_deref()) {
        return (rules.enter_marked(path, reason), Vec::new());
    }
    let mut problems = Vec::new();
    let mut files: Vec<(&[u8], Vec<u8>)> = Vec::new();
    for name in rules.config().files.iter().map(|name| name.as_bytes()).filter(|name| listing.contains(name)) {
        // one byte more than it may have
        match read_start(dir, name, MAX_IGNORE_FILE + 1) {
            Ok(Some(content)) if content.len() as u64 > MAX_IGNORE_FILE => problems.push(too_large(dir, name)),
            Ok(Some(content)) => files.push((name, content)),
            Ok(None) => {}
            Err(error) => problems.push(error.to_problem()),
        }
    }
    if files.is_empty() {
        return (rules.clone(), problems);
    }
    let borrowed: Vec<(&[u8], &[u8])> = files.iter().map(|(name, content)| (*name, &content[..])).collect();
    let (rules, faults) = rules.enter(path, &borrowed);
    problems.extend(faults.iter().map(|fault| {
        Problem::new(
            ProblemCode::Metadata,
            fault.file.as_bytes(),
            format!("its line {:?} excludes nothing: {}", fault.error.pattern, fault.error.reason),
            "correct that line of the ignore file",
        )
    }));
    (rules, problems)
}

fn too_large(dir: &Dir, name: &[u8]) -> Problem {
    let text = "it is larger than 1 MiB and excludes nothing";
    Problem::new(ProblemCode::Metadata, dir.path().join(name).as_bytes(), text, "make that ignore file smaller")
}

/// Has one of the directory's ignore files come, gone or changed since the tree before? `before`: its entries there.
pub(super) fn changed(rules: &Rules, dir: &Dir, listing: &Listing, before: &[(Vec<u8>, Entry)]) -> bool {
    rules.config().files.iter().map(|name| name.as_bytes()).any(|name| {
        let known = before.binary_search_by(|(found, _)| found.as_slice().cmp(name)).ok().map(|at| &before[at].1);
        match (known, listing.contains(name)) {
            (None, is_there) => is_there,
            (Some(_), false) => true,
            (Some(entry), true) => !dir.stat(name).is_ok_and(|stat| is_unchanged(entry, &stat)),
        }
    })
}

/// `None` for what is no regular file any more.
fn read_start(dir: &Dir, name: &[u8], limit: u64) -> Result<Option<Vec<u8>>, SourceError> {
    let stat = match dir.stat(name) {
        Err(SourceError::Vanished { .. }) => return Ok(None),
        other => other?,
    };
    if stat.kind != EntryKind::File {
        return Ok(None);
    }
    let mut reader = dir.open_file(name, &stat)?.into_reader();
    let mut content = Vec::new();
    reader.read(&mut content, stat.size.min(limit) as usize)?;
    Ok(Some(content))
}
