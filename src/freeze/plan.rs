//! From a plan with known names to a frozen view, and its end.

use std::fmt;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};

use super::btrfs::{FreezeDir, Nested, Subvolume, Top};
use super::error::FreezeError;
use super::ioctl;
use super::name::FreezeName;
use super::place::{Place, handle_below, open_below};
use crate::model::{Problem, ProblemCode, RelPath};

/// What of the root is wanted.
pub struct PlanOptions<'a> {
    /// Leave out other mounts below the root instead of reading them live.
    pub one_filesystem: bool,
    /// Is anything in this directory wanted? Nested subvolumes and mounts that are not are left alone.
    pub wanted: &'a dyn Fn(&RelPath) -> bool,
}

/// Why a view is live.
#[derive(Debug)]
pub enum LiveReason {
    /// This filesystem cannot freeze; its type.
    Unsupported(String),
    /// It could, but not now or not for us.
    Failed(FreezeError),
}

impl fmt::Display for LiveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LiveReason::Unsupported(kind) => write!(f, "the filesystem ({kind}) cannot be frozen"),
            LiveReason::Failed(error) => {
                let source = std::error::Error::source(error).map(|source| format!(": {source}"));
                write!(f, "{error}{}", source.unwrap_or_default())
            }
        }
    }
}

/// What will be frozen under which names. Nothing was made yet.
#[must_use]
pub struct Plan {
    place: Place,
    method: Method,
    live: Vec<LivePart>,
    problems: Vec<Problem>,
}

enum Method {
    Btrfs { top: Top, outer: Part, inside: RelPath, nested: Vec<(RelPath, Part)>, direct: Vec<(RelPath, Subvolume)> },
    Live(LiveReason),
}

/// What is read as it is, in the middle of a frozen view.
struct LivePart {
    at: RelPath,
    /// For people.
    why: String,
}

struct Part {
    subvolume: Subvolume,
    name: FreezeName,
}

/// What to read from.
pub struct FrozenParts {
    pub root: OwnedFd,
    /// Directories that stand at these paths instead of what the root has there.
    pub grafts: Vec<(RelPath, OwnedFd)>,
    /// Nothing in root and grafts can change.
    pub frozen: bool,
}

/// A view made to read from. [`Frozen::release`] ends it; dropped without that it stays as a leftover for the reaper.
#[must_use]
pub struct Frozen {
    /// Taken by the caller, who closes it before the release.
    pub parts: FrozenParts,
    /// Why it is live, if it is.
    pub live: Option<LiveReason>,
    /// What is missing from the view or read live in it.
    pub not_covered: Vec<Problem>,
    pub hold: Hold,
}

/// The freezes behind a view.
#[must_use]
pub struct Hold {
    freezes: Option<(FreezeDir, Vec<FreezeName>)>,
}

impl Plan {
    pub(super) fn live(place: Place, reason: LiveReason) -> Self {
        let problems = match &reason {
            LiveReason::Unsupported(_) => Vec::new(),
            LiveReason::Failed(_) => vec![not_frozen(&place, &reason)],
        };
        // A live view reaches other mounts by itself.
        Self { place, method: Method::Live(reason), live: Vec::new(), problems }
    }

    pub(super) fn btrfs(
        place: Place,
        top: Top,
        (outer, inside): (Subvolume, RelPath),
        nested: Vec<Nested>,
        options: &PlanOptions<'_>,
        mut name: impl FnMut() -> FreezeName,
    ) -> Self {
        let outer = Part { subvolume: outer, name: name() };
        let (mut parts, mut direct, mut live) = (Vec::new(), Vec::new(), Vec::new());
        for Nested { at, subvolume } in nested {
            match subvolume.and_then(|s| Ok((ioctl::is_read_only(s.root.as_fd())?, s))) {
                Ok((true, subvolume)) => direct.push((at, subvolume)),
                Ok((false, subvolume)) => parts.push((at, Part { subvolume, name: name() })),
                Err(error) => live.push(LivePart { at, why: format!("a nested subvolume, not opened: {error}") }),
            }
        }
        let mounts = place.mounts_below.iter().map(|(at, _)| at);
        let mounts = mounts.filter(|at| !options.one_filesystem && (options.wanted)(at));
        live.extend(mounts.map(|at| LivePart { at: at.clone(), why: "another mount below the root".into() }));
        let method = Method::Btrfs { top, outer, inside, nested: parts, direct };
        Self { place, method, live, problems: Vec::new() }
    }

    /// The names that [`Plan::create`] will make: to be recorded before it is called.
    pub fn names(&self) -> Vec<FreezeName> {
        match &self.method {
            Method::Live(_) => Vec::new(),
            Method::Btrfs { outer, nested, .. } => std::iter::once(outer)
                .chain(nested.iter().map(|(_, part)| part))
                .map(|part| part.name.clone())
                .collect(),
        }
    }

    /// Freezes. Where that fails the view is live and says why.
    pub fn create(self) -> Result<Frozen, FreezeError> {
        let Self { place, method, live, mut problems } = self;
        let (top, outer, inside, nested, direct) = match method {
            Method::Live(reason) => return Ok(live_view(place, reason, problems)),
            Method::Btrfs { top, outer, inside, nested, direct } => (top, outer, inside, nested, direct),
        };
        let (mut hold, root) = match freeze_outer(&top, &outer, &inside) {
            Ok(made) => made,
            Err(error) => return Ok(failed_view(place, error, problems)),
        };
        let mut parts = FrozenParts { root, grafts: Vec::new(), frozen: true };
        for (at, part) in nested {
            let root = hold.add(&part).unwrap_or_else(|error| {
                problems.push(read_live(&place, &at, &LiveReason::Failed(error).to_string()));
                parts.frozen = false;
                part.subvolume.root
            });
            parts.grafts.push((at, root));
        }
        parts.grafts.extend(direct.into_iter().map(|(at, subvolume)| (at, subvolume.root)));
        if let Err(error) = add_live(&place, live, &mut parts, &mut problems) {
            drop(parts);
            // What cannot be removed now is a leftover for the reaper; the first error is the one to tell.
            let _ = hold.release();
            return Ok(failed_view(place, error, problems));
        }
        Ok(Frozen { parts, live: None, not_covered: problems, hold })
    }
}

impl Hold {
    /// The names that are to be released.
    pub fn names(&self) -> &[FreezeName] {
        self.freezes.as_ref().map_or(&[], |(_, names)| names)
    }

    /// Removes the freezes. All are tried; the first error is given. May be repeated by the reaper.
    pub fn release(self) -> Result<(), FreezeError> {
        let Some((dir, names)) = self.freezes else { return Ok(()) };
        let results: Vec<_> = names.iter().map(|name| dir.remove(name)).collect();
        results.into_iter().collect()
    }

    fn add(&mut self, part: &Part) -> Result<OwnedFd, FreezeError> {
        let (dir, names) = self.freezes.as_mut().expect("only made with a directory for freezes");
        dir.create(part.subvolume.root.as_fd(), &part.name)?;
        names.push(part.name.clone());
        dir.open(&part.name, &RelPath::root())
    }
}

impl Frozen {
    /// Closes the view and removes what it was read from.
    pub fn release(self) -> Result<(), FreezeError> {
        drop(self.parts);
        self.hold.release()
    }
}

fn freeze_outer(top: &Top, outer: &Part, inside: &RelPath) -> Result<(Hold, OwnedFd), FreezeError> {
    let dir = top.prepare_dir()?;
    dir.create(outer.subvolume.root.as_fd(), &outer.name)?;
    match dir.open(&outer.name, inside) {
        Ok(root) => Ok((Hold { freezes: Some((dir, vec![outer.name.clone()])) }, root)),
        Err(error) => {
            // What cannot be removed now is a leftover for the reaper; the first error is the one to tell.
            let _ = dir.remove(&outer.name);
            Err(error)
        }
    }
}

/// Freezing failed: all of it is read live.
fn failed_view(place: Place, error: FreezeError, mut problems: Vec<Problem>) -> Frozen {
    let reason = LiveReason::Failed(error);
    problems.push(not_frozen(&place, &reason));
    live_view(place, reason, problems)
}

fn live_view(place: Place, reason: LiveReason, not_covered: Vec<Problem>) -> Frozen {
    let parts = FrozenParts { root: place.root, grafts: Vec::new(), frozen: false };
    Frozen { parts, live: Some(reason), not_covered, hold: Hold { freezes: None } }
}

/// Grafts what is read as it is. An error means that something is there of which not even a handle can be had: in the
/// view it would pass for emptied.
fn add_live(
    place: &Place,
    live: Vec<LivePart>,
    parts: &mut FrozenParts,
    problems: &mut Vec<Problem>,
) -> Result<(), FreezeError> {
    for LivePart { at, why } in live {
        let dir = match open_below(&place.root, &at) {
            Ok(dir) => dir,
            // It went away, or it is a mount on a file, and the file below it is in the view.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                problems.push(not_covered(place, &at, &format!("{why}: {error}")));
                continue;
            }
            // A handle stands for it as a directory that cannot be read: what is known of it is kept.
            Err(_) => handle_below(&place.root, &at)
                .map_err(|source| FreezeError::Below { path: at.under(&place.path), source })?,
        };
        parts.frozen = false;
        problems.push(read_live(place, &at, &why));
        parts.grafts.retain(|(other, _)| !other.is_within(&at));
        parts.grafts.push((at, dir));
    }
    Ok(())
}

fn not_frozen(place: &Place, reason: &LiveReason) -> Problem {
    let path = place.path.as_os_str().as_encoded_bytes();
    let remedy = "run the agent as root, and free space on the filesystem if it is full";
    Problem::new(ProblemCode::NotFrozen, path, format!("read without a freeze: {reason}"), remedy)
}

fn not_covered(place: &Place, at: &RelPath, why: &str) -> Problem {
    let path = at.under(&place.path);
    let message = format!("this nested subvolume or mount is not in the freeze: {why}");
    let remedy = "exclude it, or make it a root of its own";
    Problem::new(ProblemCode::NotCovered, path.as_os_str().as_encoded_bytes(), message, remedy)
}

fn read_live(place: &Place, at: &RelPath, why: &str) -> Problem {
    let path = at.under(&place.path);
    let message = format!("read live, not frozen with the rest: {why}");
    let remedy = "make it a root of its own, or set one-filesystem";
    Problem::new(ProblemCode::NotFrozen, path.as_os_str().as_encoded_bytes(), message, remedy)
}
