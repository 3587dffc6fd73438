//! One path through all snapshots.

use super::HistoryError;
use super::entries::{FoundEntry, entry_at};
use crate::format::Manifest;
use crate::model::{Entry, Seq, Timestamp};
use crate::repo::{Contents, PathQueryError};

/// What a path was in a snapshot, where that differs from the snapshot before.
#[derive(Debug)]
pub struct Version {
    pub seq: Seq,
    /// When the snapshot was finished.
    pub time: Timestamp,
    /// `Ok(None)`: the snapshot does not have it.
    pub entry: Result<Option<FoundEntry>, HistoryError>,
}

/// The versions of `path` in `manifests`, which come in ascending order. A snapshot of partial coverage says nothing by
/// lacking it, and is left out then.
pub fn versions<'m>(
    contents: &Contents,
    manifests: impl IntoIterator<Item = &'m Manifest>,
    path: &[u8],
) -> Vec<Version> {
    let mut versions: Vec<Version> = Vec::new();
    for manifest in manifests {
        let entry = match entry_at(contents, manifest, path) {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_absence(&error) && manifest.body.partial => continue,
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(error),
        };
        let is_new = match (versions.last().map(|last| &last.entry), &entry) {
            (None, Ok(None)) => false,
            (Some(Ok(before)), Ok(now)) => !same(before.as_ref(), now.as_ref()),
            _ => true,
        };
        if is_new {
            versions.push(Version { seq: manifest.seq, time: manifest.body.finished, entry });
        }
    }
    versions
}

/// A path that may be in any of several roots is not absent: nobody looked.
fn is_absence(error: &HistoryError) -> bool {
    matches!(error, HistoryError::NotInSnapshot(_) | HistoryError::Path(PathQueryError::Outside { .. }))
}

fn same(before: Option<&FoundEntry>, now: Option<&FoundEntry>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => is_same_version(&before.entry, &now.entry),
        (before, now) => before.is_none() && now.is_none(),
    }
}

/// Beside what changes by itself: the inode's own change time, and marks of how it was read.
pub(super) fn is_same_version(before: &Entry, now: &Entry) -> bool {
    let plain = |entry: &Entry| Entry { ctime: Timestamp::default(), flags: Default::default(), ..entry.clone() };
    plain(before) == plain(now)
}
