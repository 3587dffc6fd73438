//! The entrance: plans freezes of one machine, and removes its leftovers.

use std::path::Path;

use super::btrfs::Top;
use super::error::FreezeError;
use super::name::{FreezeId, FreezeName};
use super::place::Place;
use super::plan::{LiveReason, Plan, PlanOptions};
use crate::model::{MachineId, Problem, ProblemCode};

/// Freezes on behalf of one machine.
#[derive(Clone, Copy, Debug)]
pub struct Freezer {
    machine: MachineId,
}

/// What the reaper did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reaped {
    pub removed: Vec<FreezeName>,
    /// Leftovers that are still there.
    pub problems: Vec<Problem>,
}

impl Freezer {
    pub fn new(machine: MachineId) -> Self {
        Self { machine }
    }

    /// Could this root be frozen? Makes nothing; for `doctor` and the set-up.
    pub fn probe(&self, root: &Path) -> Result<Result<(), LiveReason>, FreezeError> {
        let place = Place::open(root)?;
        Ok(open_top(&place).and_then(|top| top.locate(&place).map(drop).map_err(LiveReason::Failed)))
    }

    /// Finds what has to be frozen. An error means that the root itself cannot be opened; all else becomes a live plan.
    pub fn plan(&self, root: &Path, id: FreezeId, options: &PlanOptions<'_>) -> Result<Plan, FreezeError> {
        let place = Place::open(root)?;
        let top = match open_top(&place) {
            Ok(top) => top,
            Err(reason) => return Ok(Plan::live(place, reason)),
        };
        let found = top.locate(&place).and_then(|(outer, inside)| {
            let nested = top.nested(&outer, &inside, options.wanted)?;
            Ok(((outer, inside), nested))
        });
        let (outer, nested) = match found {
            Ok(found) => found,
            Err(error) => return Ok(Plan::live(place, LiveReason::Failed(error))),
        };
        let mut n = 0;
        let name = || {
            n += 1;
            FreezeName::new(&self.machine, id, n - 1)
        };
        Ok(Plan::btrfs(place, top, outer, nested, options, name))
    }

    /// Removes the freezes of this machine on the filesystem of `root`, but for those to keep.
    pub fn reap(&self, root: &Path, keep: &[FreezeName]) -> Result<Reaped, FreezeError> {
        let mut reaped = Reaped::default();
        let top = match open_top(&Place::open(root)?) {
            Ok(top) => top,
            // Where we cannot freeze we have left nothing.
            Err(LiveReason::Unsupported(_)) => return Ok(reaped),
            Err(LiveReason::Failed(error)) => return Err(error),
        };
        let Some(dir) = top.existing_dir()? else { return Ok(reaped) };
        for name in dir.names()? {
            if !name.is_of(&self.machine) || keep.contains(&name) {
                continue;
            }
            match dir.remove(&name) {
                Ok(()) => reaped.removed.push(name),
                Err(error) => reaped.problems.push(leftover(root, &name, error)),
            }
        }
        Ok(reaped)
    }
}

fn open_top(place: &Place) -> Result<Top, LiveReason> {
    match &place.mount {
        Some(mount) if mount.fs_type == "btrfs" => Top::open(&mount.source).map_err(LiveReason::Failed),
        Some(mount) => Err(LiveReason::Unsupported(mount.fs_type.clone())),
        None => Err(LiveReason::Unsupported("unknown".into())),
    }
}

fn leftover(root: &Path, name: &FreezeName, error: FreezeError) -> Problem {
    let message = LiveReason::Failed(error).to_string();
    let remedy = format!("as root: btrfs subvolume delete <top of the filesystem>/{}/{name}", super::FREEZE_DIR);
    Problem::new(ProblemCode::Leftover, root.as_os_str().as_encoded_bytes(), message, remedy)
}
