//! What a restore will do, as data: decided from the manifest and the options alone.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{RestoreError, RestoreOptions, RestoreTo};
use crate::format::{Manifest, ManifestRoot};
use crate::model::{ChunkId, Problem, RelPath};
use crate::repo::{Contents, PathQueryError, places_of};
use crate::tree::TreeReader;

/// One root and what of it is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedRoot {
    pub id: String,
    /// Where it was, for people.
    pub path: Vec<u8>,
    /// `None`: the snapshot has nothing of it.
    pub tree: Option<ChunkId>,
    /// The directory that its content goes to.
    pub place: PathBuf,
    /// Sorted, none within another; the root's own path for all of it.
    pub wanted: Vec<RelPath>,
    /// Of the whole root.
    pub entries: u64,
    /// Of the whole root.
    pub bytes: u64,
    pub complete: bool,
}

impl PlannedRoot {
    pub fn is_whole(&self) -> bool {
        self.wanted.first().is_some_and(RelPath::is_root)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    pub roots: Vec<PlannedRoot>,
    /// Counted by walking the tree; `None` until somebody wanted to know.
    pub totals: Option<PlanTotals>,
    /// Roots that cannot be restored, as far as was seen while counting: nothing of them is counted.
    pub problems: Vec<Problem>,
}

/// What is wanted, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PlanTotals {
    pub dirs: u64,
    pub files: u64,
    /// Links, FIFOs, sockets, devices.
    pub others: u64,
    /// Sum of the sizes of the files.
    pub bytes: u64,
    /// Entries that cannot be read any more.
    pub lost: u64,
    /// Of files and others: those that stand at the destination already and look the same …
    pub there: u64,
    /// … those that differ and stay as they are …
    pub kept: u64,
    /// … and those that would be replaced.
    pub replaced: u64,
    /// Entries that cannot be restored: something that is no directory stands in the way, and stays.
    pub blocked: u64,
}

impl PlanTotals {
    pub fn entries(&self) -> u64 {
        self.dirs + self.files + self.others + self.blocked
    }
}

impl Plan {
    pub fn new(manifest: &Manifest, options: &RestoreOptions) -> Result<Self, RestoreError> {
        let several = manifest.body.roots.len() > 1;
        let root = |root: &ManifestRoot, wanted: Vec<RelPath>| PlannedRoot {
            id: root.id.clone(),
            path: root.path.clone(),
            tree: root.tree,
            place: place(&options.to, root, several),
            wanted: outermost(wanted),
            entries: root.entries,
            bytes: root.bytes,
            complete: root.complete,
        };
        let wanted = wanted(manifest, &options.paths)?;
        let roots = manifest.body.roots.iter().zip(wanted).filter(|(_, wanted)| !wanted.is_empty());
        let roots: Vec<_> = roots.map(|(of, wanted)| root(of, wanted)).collect();
        if roots.iter().all(|root| root.tree.is_none()) {
            return Err(RestoreError::Empty);
        }
        Ok(Self { roots, totals: None, problems: vec![] })
    }

    /// Before anything is written: what a person mistyped is told, and half of a restore is not left behind. What is damaged on
    /// the way to a path is told later, as a problem.
    pub(super) fn look_for_all(&self, contents: &Contents) -> Result<(), RestoreError> {
        for root in &self.roots {
            let reader = TreeReader::new(contents, root.tree);
            for path in root.wanted.iter().filter(|path| !path.is_root()) {
                if matches!(reader.entry(path), Ok(None)) {
                    return Err(RestoreError::NotInSnapshot(String::from_utf8_lossy(path.as_bytes()).into()));
                }
            }
        }
        Ok(())
    }

    /// Entries and bytes, where the manifest tells them or they were counted.
    pub fn expected(&self) -> Option<(u64, u64)> {
        if let Some(totals) = &self.totals {
            return Some((totals.entries(), totals.bytes));
        }
        let whole = self.roots.iter().all(PlannedRoot::is_whole);
        whole.then(|| self.roots.iter().fold((0, 0), |(n, b), root| (n + root.entries, b + root.bytes)))
    }
}

/// For each root of the manifest what is wanted of it. A path in several roots (one inside the other) is taken from
/// the innermost.
fn wanted(manifest: &Manifest, paths: &[Vec<u8>]) -> Result<Vec<Vec<RelPath>>, PathQueryError> {
    let roots = manifest.body.roots.len();
    if paths.is_empty() {
        return Ok(vec![vec![RelPath::root()]; roots]);
    }
    let mut wanted = vec![vec![]; roots];
    for path in paths {
        let place = places_of(manifest, path)?.swap_remove(0);
        wanted[place.root].push(place.path);
    }
    Ok(wanted)
}

fn outermost(mut paths: Vec<RelPath>) -> Vec<RelPath> {
    paths.sort();
    paths.dedup();
    let all = paths.clone();
    paths.retain(|path| !all.iter().any(|other| other != path && path.is_within(other)));
    paths
}

fn place(to: &RestoreTo, root: &ManifestRoot, several: bool) -> PathBuf {
    match to {
        RestoreTo::InPlace => PathBuf::from(OsStr::from_bytes(&root.path)),
        // ids come from a manifest, which may be hostile
        RestoreTo::Dir(dir) if several && RelPath::is_name(root.id.as_bytes()) => dir.join(&root.id),
        RestoreTo::Dir(dir) => dir.clone(),
    }
}

impl Plan {
    /// From where it was to where it goes: each path that is wanted.
    pub fn moves(&self) -> Vec<(PathBuf, PathBuf)> {
        let of_root = |root: &PlannedRoot| {
            let from = Path::new(OsStr::from_bytes(&root.path));
            let of_path = |path: &RelPath| (path.under(from), path.under(&root.place));
            root.wanted.iter().map(of_path).collect::<Vec<_>>()
        };
        self.roots.iter().flat_map(of_root).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::testing::manifest_of;

    fn plan(roots: &[(&str, &str)], to: RestoreTo, paths: &[&str]) -> Result<Plan, RestoreError> {
        let mut manifest = manifest_of(roots);
        manifest.body.roots.iter_mut().for_each(|root| root.tree = Some(ChunkId([1; 32])));
        let paths = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
        Plan::new(&manifest, &RestoreOptions { paths, ..RestoreOptions::new(to) })
    }

    #[test]
    fn one_root_goes_straight_into_the_directory_and_several_into_their_own() {
        let to = || RestoreTo::Dir("/to".into());
        assert_eq!(plan(&[("home", "/home/u")], to(), &[]).unwrap().roots[0].place, PathBuf::from("/to"));
        let two = plan(&[("home", "/home/u"), ("etc", "/etc")], to(), &["/etc/hosts"]).unwrap();
        assert_eq!(two.roots.len(), 1);
        assert_eq!(two.roots[0].place, PathBuf::from("/to/etc"));
        assert_eq!(
            plan(&[("home", "/home/u")], RestoreTo::InPlace, &[]).unwrap().roots[0].place,
            PathBuf::from("/home/u")
        );
    }

    #[test]
    fn what_lies_within_another_wanted_path_is_wanted_once() {
        let plan = plan(&[("home", "/home/u")], RestoreTo::InPlace, &["a/b", "a", "a.x", "a"]).unwrap();
        let wanted: Vec<_> = plan.roots[0].wanted.iter().map(|path| path.as_bytes()).collect();
        assert_eq!(wanted, [&b"a"[..], b"a.x"]);
    }
}
