//! What a restore would do, counted: reads the tree and what stands at the destination, and writes nothing.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::Path;

use super::existing::{Decision, decide};
use super::places::Refused;
use super::plan::{Plan, PlanTotals, PlannedRoot};
use super::{Overwrite, RestoreError, RestoreOptions, RestoreTo, places};
use crate::format::Manifest;
use crate::model::{Entry, EntryKind, RelPath};
use crate::repo::Contents;
use crate::source::{DestDir, Destination, DestinationError};
use crate::tree::{Seen, TreeKey, TreeReader};

/// Plans, and counts what is planned.
pub fn plan(contents: &Contents, manifest: &Manifest, options: &RestoreOptions) -> Result<Plan, RestoreError> {
    let mut plan = Plan::new(manifest, options)?;
    places::refuse_repository(contents.store(), &plan.roots)?;
    let (mut totals, mut problems) = (PlanTotals::default(), Vec::new());
    let mut refused = Refused::new(&plan);
    for root in &plan.roots {
        match Standing::open(root, options) {
            Ok(standing) => Counting { standing, totals: &mut totals }.root(contents, root)?,
            Err(error) => problems.push(refused.problem(root, RestoreError::from_destination(error))?),
        }
    }
    (plan.totals, plan.problems) = (Some(totals), problems);
    Ok(plan)
}

struct Counting<'a> {
    standing: Standing,
    totals: &'a mut PlanTotals,
}

impl Counting<'_> {
    fn root(&mut self, contents: &Contents, root: &PlannedRoot) -> Result<(), RestoreError> {
        let reader = TreeReader::new(contents, root.tree);
        for wanted in &root.wanted {
            if !wanted.is_root() {
                match reader.entry(wanted) {
                    Ok(Some(entry)) => self.entry(&TreeKey::of(wanted), &entry),
                    Ok(None) => {
                        return Err(RestoreError::NotInSnapshot(String::from_utf8_lossy(wanted.as_bytes()).into()));
                    }
                    Err(_) => self.totals.lost += 1,
                }
            }
            let _ = reader.visit_below(wanted, &mut |seen| {
                match seen {
                    Seen::Entry(key, entry) => self.entry(key, entry),
                    Seen::Lost(lost) => self.totals.lost += lost.entries.unwrap_or(root.entries),
                }
                ControlFlow::Continue(())
            });
        }
        Ok(())
    }

    fn entry(&mut self, key: &TreeKey, entry: &Entry) {
        let path = key.path();
        if path.as_ref().is_some_and(|path| self.standing.blocks(path, entry)) {
            self.totals.blocked += 1;
            return;
        }
        match entry.kind {
            EntryKind::File => {
                self.totals.files += 1;
                self.totals.bytes += entry.size;
            }
            EntryKind::Dir => self.totals.dirs += 1,
            _ => self.totals.others += 1,
        }
        match path.and_then(|path| self.standing.decision(&path, entry)) {
            Some(Decision::Complete) => self.totals.there += 1,
            Some(Decision::Keep) => self.totals.kept += 1,
            Some(Decision::Replace) => self.totals.replaced += 1,
            Some(Decision::Redo) | None => {}
        }
    }
}

/// What stands where a root goes.
struct Standing {
    overwrite: Overwrite,
    /// `None`: nothing stands there.
    destination: Option<Destination>,
    /// The directory that was looked into last; a tree comes directory by directory.
    dir: Option<(RelPath, Option<DestDir>)>,
    /// Directories that something else stands in the way of, and that stays.
    blocked: Vec<RelPath>,
}

impl Standing {
    /// Refuses what the restore would refuse, as far as can be told without writing.
    fn open(root: &PlannedRoot, options: &RestoreOptions) -> Result<Self, DestinationError> {
        let may_be_made = || options.to != RestoreTo::InPlace || root.place.parent().is_some_and(Path::is_dir);
        let destination = match Destination::open(&root.place) {
            Ok(destination) => {
                destination.refuse_read_only(&root.place)?;
                Some(destination)
            }
            Err(DestinationError::Root { source, .. }) if source.kind() == ErrorKind::NotFound && may_be_made() => None,
            Err(error) => return Err(error),
        };
        Ok(Self { overwrite: options.overwrite, destination, dir: None, blocked: vec![] })
    }

    /// Does something stand in its way, or in the way of a directory above it?
    fn blocks(&mut self, path: &RelPath, entry: &Entry) -> bool {
        if self.blocked.iter().any(|blocked| path.is_within(blocked)) {
            return true;
        }
        let is_blocked = entry.kind == EntryKind::Dir && self.decision(path, entry) == Some(Decision::Keep);
        if is_blocked {
            self.blocked.push(path.clone());
        }
        is_blocked
    }

    /// What would be done about something that has the name. `None`: the name is free; also where it cannot be looked at, which the
    /// restore tells.
    fn decision(&mut self, path: &RelPath, entry: &Entry) -> Option<Decision> {
        let (parent, name) = path.split();
        let destination = self.destination.as_ref()?;
        if self.dir.as_ref().is_none_or(|(opened, _)| *opened != parent) {
            let dir = destination.open_dir(&parent).ok();
            self.dir = Some((parent, dir));
        }
        let (_, dir) = self.dir.as_ref()?;
        let found = dir.as_ref()?.stat(name).ok()??;
        match (found.kind, entry.kind) {
            // what is there already is used
            (EntryKind::Dir, EntryKind::Dir) => None,
            // it is never replaced
            (EntryKind::Dir, _) => Some(Decision::Keep),
            _ => Some(decide(self.overwrite, &found, entry)),
        }
    }
}
