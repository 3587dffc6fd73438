//! Where a walk begins: the way from the root down to a target.

use super::{Pending, Scan, Sink};
use crate::model::{EntryFlags, EntryKind, RelPath};
use crate::scan::{ScanError, Target};
use crate::source::{Dir, Disposition, SourceError, Stat};
use crate::tree::NodeSource;

impl<N: NodeSource> Scan<'_, N> {
    /// Goes to a target from the root down: rules and excludes of the way hold, and where the way ends early, its
    /// last directory is the target. Nothing is done where this scan has been already.
    pub(super) fn begin(&mut self, target: Target, sink: &mut Sink<'_>) -> Result<(), ScanError<N::Error>> {
        let mut at = Pending {
            path: RelPath::root(),
            parent: None,
            rules: self.options.rules.clone(),
            place: self.place,
            recursive: target.recursive,
            is_known: self.previous.root().is_some(),
        };
        let mut dir = self.view.open_root().map_err(ScanError::Source)?;
        let mut unlisted = None;
        for component in target.dir.components() {
            let path = at.path.join(component);
            if self.visited.is_gone(&path) {
                return Ok(());
            }
            let known = self.previous.entry(&path).map_err(ScanError::Tree)?;
            let opened = match open_dir(&dir, component) {
                Ok(opened) => opened,
                Err(error) => return self.unopened(known.is_some(), (&dir, &path, at.place), error, sink),
            };
            let known = known.filter(|entry| entry.kind == EntryKind::Dir);
            let (Some((child, stat)), Some(known)) = (opened, known) else {
                // gone, new or not a directory: comparing its parent says which
                at.recursive = false;
                break;
            };
            let inside = match self.way.inside(&at.rules, &dir) {
                Ok(inside) => inside,
                Err(error) if at.path.is_root() || error.disposition() == Disposition::StopRun => {
                    return Err(ScanError::Source(error));
                }
                Err(error) => {
                    // a hint of what is below is used up here, though nobody knows whether it is wanted
                    at.recursive = true;
                    unlisted = Some(error);
                    break;
                }
            };
            if self.is_left_out(&inside, &path, &stat) {
                return Ok(());
            }
            let place = at.place.of(&path, stat.dev);
            let is_elsewhere = !self.is_covered(place) || dir.is_stub(component, &stat);
            if is_elsewhere || self.is_unmounted(&known, &path, place, &child)? {
                // comparing its parent says so
                at.recursive = false;
                break;
            }
            (at.place, at.rules, at.path, dir) = (place, inside, path, child);
            if known.flags.has(EntryFlags::UNREADABLE) {
                // the hints of what happened below were used up by scans that could not look
                at.recursive = true;
                break;
            }
        }
        if self.visited.is_compared(&at.path) {
            let unlisted = unlisted.filter(|_| !self.visited.is_within_whole(&at.path));
            return unlisted.map_or(Ok(()), |error| self.mark_unlistable(&at.path, error, sink));
        }
        self.own_entry(&dir, at.place.fs, sink)?;
        self.directory(at, sink)
    }
}

/// `None`: there is no such directory any more.
fn open_dir(dir: &Dir, name: &[u8]) -> Result<Option<(Dir, Stat)>, SourceError> {
    let opened = dir.stat(name).and_then(|stat| match stat.kind {
        EntryKind::Dir => dir.open_child(name).and_then(|child| child.stat_self().map(|stat| Some((child, stat)))),
        _ => Ok(None),
    });
    match opened {
        Err(error) if matches!(error.disposition(), Disposition::Vanished | Disposition::Changed) => Ok(None),
        opened => opened,
    }
}
