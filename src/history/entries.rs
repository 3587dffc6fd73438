//! Entries of a snapshot: one by its path, a directory, a whole subtree.

use std::ops::ControlFlow;

use super::HistoryError;
use crate::format::Manifest;
use crate::model::{Entry, EntryKind, RelPath};
use crate::repo::{Contents, Place, RepoError, places_of};
use crate::tree::{Lost, Seen, TreeKey, TreeReader};

/// An entry with the path that people know: as it was on the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundEntry {
    /// Position of the root in the manifest.
    pub root: usize,
    pub path: RelPath,
    /// Absolute, as bytes.
    pub shown: Vec<u8>,
    pub entry: Entry,
}

/// What a walk gives to whoever asked.
#[derive(Debug)]
pub enum HistoryEvent {
    Entry(FoundEntry),
    /// A part of the tree cannot be read: what it held is missing in the answer.
    Lost {
        shown: Vec<u8>,
        message: String,
    },
}

/// The entry that a person names. Where roots lie inside each other, the innermost that has it.
pub fn entry_at(contents: &Contents, manifest: &Manifest, path: &[u8]) -> Result<FoundEntry, HistoryError> {
    for place in places_of(manifest, path)? {
        if let Some(found) = at_place(contents, manifest, &place)? {
            return Ok(found);
        }
    }
    Err(HistoryError::NotInSnapshot(String::from_utf8_lossy(path).into_owned()))
}

pub(super) fn at_place(
    contents: &Contents,
    manifest: &Manifest,
    place: &Place,
) -> Result<Option<FoundEntry>, HistoryError> {
    let reader = TreeReader::new(contents, manifest.body.roots[place.root].tree);
    let entry = reader.entry(&place.path)?;
    Ok(entry.map(|entry| found(manifest, place.root, place.path.clone(), entry)))
}

/// What is in a directory (with `recursive` also all below it), or the file that `path` names. Without a path the roots.
/// The roots' own entries are not shown. `each` answers whether to go on.
pub fn list(
    contents: &Contents,
    manifest: &Manifest,
    path: Option<&[u8]>,
    recursive: bool,
    each: &mut dyn FnMut(HistoryEvent) -> bool,
) -> Result<(), HistoryError> {
    let starts = match path {
        Some(path) => vec![entry_at(contents, manifest, path)?],
        None => roots(contents, manifest)?,
    };
    for start in starts {
        let listed = match start.entry.kind {
            EntryKind::Dir if recursive => walk(contents, manifest, start.root, &start.path, each),
            EntryKind::Dir if path.is_some() || manifest.body.roots.len() == 1 => {
                names(contents, manifest, &start, each)?
            }
            _ => flow(each(HistoryEvent::Entry(start))),
        };
        if listed.is_break() {
            break;
        }
    }
    Ok(())
}

/// Everything below `dir`, in the order of the tree: directory by directory.
pub(super) fn walk(
    contents: &Contents,
    manifest: &Manifest,
    root: usize,
    dir: &RelPath,
    each: &mut dyn FnMut(HistoryEvent) -> bool,
) -> ControlFlow<()> {
    let reader = TreeReader::new(contents, manifest.body.roots[root].tree);
    reader.visit_below(dir, &mut |seen| match seen {
        Seen::Entry(key, entry) => match key.path() {
            Some(path) if path != *dir => flow(each(HistoryEvent::Entry(found(manifest, root, path, entry.clone())))),
            _ => ControlFlow::Continue(()),
        },
        Seen::Lost(lost) => flow(each(lost_event(manifest, root, &lost))),
    })
}

fn names(
    contents: &Contents,
    manifest: &Manifest,
    dir: &FoundEntry,
    each: &mut dyn FnMut(HistoryEvent) -> bool,
) -> Result<ControlFlow<()>, HistoryError> {
    let reader = TreeReader::new(contents, manifest.body.roots[dir.root].tree);
    let from = TreeKey::new(&dir.path, b"");
    let to = TreeKey { dir: [dir.path.as_bytes(), b"\0"].concat(), name: vec![] };
    Ok(reader.visit_range(&from, Some(&to), &mut |seen| match seen {
        Seen::Entry(key, _) if key.name.is_empty() => ControlFlow::Continue(()),
        Seen::Entry(key, entry) => {
            flow(each(HistoryEvent::Entry(found(manifest, dir.root, dir.path.join(&key.name), entry.clone()))))
        }
        Seen::Lost(lost) => flow(each(lost_event(manifest, dir.root, &lost))),
    }))
}

fn roots(contents: &Contents, manifest: &Manifest) -> Result<Vec<FoundEntry>, HistoryError> {
    let all = (0..manifest.body.roots.len()).map(|root| Place { root, path: RelPath::root() });
    let found = all.filter_map(|place| at_place(contents, manifest, &place).transpose());
    found.collect()
}

fn found(manifest: &Manifest, root: usize, path: RelPath, entry: Entry) -> FoundEntry {
    let shown = shown(manifest, root, &path);
    FoundEntry { root, path, shown, entry }
}

pub(super) fn shown(manifest: &Manifest, root: usize, path: &RelPath) -> Vec<u8> {
    let root = &manifest.body.roots[root].path;
    match path.is_root() {
        true => root.clone(),
        false => [root.strip_suffix(b"/").unwrap_or(root), b"/", path.as_bytes()].concat(),
    }
}

fn lost_event(manifest: &Manifest, root: usize, lost: &Lost<'_, RepoError>) -> HistoryEvent {
    let path = lost.first.and_then(TreeKey::path).unwrap_or_default();
    let entries = lost.entries.unwrap_or(manifest.body.roots[root].entries);
    let message = format!("from here on nothing can be read ({entries}): {}", lost.error);
    HistoryEvent::Lost { shown: shown(manifest, root, &path), message }
}

fn flow(go_on: bool) -> ControlFlow<()> {
    if go_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}
