//! What a run would read and could send at most: a dry run. It reads directories and the journal, and writes nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use super::agent::BackupOptions;
use super::error::RunError;
use super::nodes::{LocalNodeError, LocalNodes};
use super::own::{own_inodes, own_paths};
use super::placement::Placement;
use super::request::{RootPlan, RunRequest};
use super::run::{reads_all, scan_error, unavailable};
use crate::journal::{Journal, PackKind, PackRow};
use crate::model::{ChunkId, Problem, StorageClass};
use crate::scan::{Found, Scan, ScanOptions, Target};
use crate::source::View;
use crate::tree::{NodeSource, TreeReader};

#[derive(Debug, Default)]
pub struct Preview {
    pub roots: Vec<RootPreview>,
    /// Content as it would go if nothing of it compressed and nothing was known: groups of packs of one class and size.
    pub packs: Vec<PackGroup>,
    /// Packs of an earlier run that wait for their upload, one by one.
    pub waiting: Vec<PackGroup>,
    /// Packs that small ones would be merged into, of which some wait and some may come of this run.
    pub merges: Vec<PackGroup>,
}

/// What was found of one root.
#[derive(Debug, Default)]
pub struct RootPreview {
    pub id: String,
    /// Files whose content would be read, and how large they are.
    pub files: u64,
    pub bytes: u64,
    /// Other entries that are new or differ: folders, links, attributes of files.
    pub others: u64,
    pub unchanged: u64,
    /// Names that are not there any more, a folder with all that is below it as one.
    pub gone: u64,
    pub problems: Vec<Problem>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PackGroup {
    pub class: StorageClass,
    pub packs: u64,
    /// Of all of them.
    pub bytes: u64,
}

/// Sealing and padding add no more than this part of the content, and this much to each pack.
const ADDED_SHARE: u64 = 512;
const ADDED_TO_EACH: u64 = 512 << 10;

/// `journal`: `None` where nothing was ever backed up, so that none is made.
pub fn preview(
    journal: Option<&Journal>,
    request: &RunRequest,
    options: &BackupOptions,
    now_ms: i64,
    stop: &AtomicBool,
) -> Result<Preview, RunError> {
    let mut preview = Preview::default();
    for plan in &request.roots {
        let found = match look(journal, plan, request, stop) {
            Err(error @ (RunError::Source { .. } | RunError::Doubtful { .. })) => {
                RootPreview { id: plan.id.clone(), problems: vec![unavailable(plan, &error)], ..RootPreview::default() }
            }
            found => found?,
        };
        preview.packs.extend(pack_groups(&Placement::new(plan.class, options), found.bytes));
        preview.roots.push(found);
    }
    let waiting = journal.map_or(Ok(Vec::new()), Journal::packs_spooled)?;
    let group = |pack: &PackRow| PackGroup { class: pack.class, packs: 1, bytes: pack.size };
    preview.waiting = waiting.iter().map(group).collect();
    preview.merges = merges(journal, request, options, &preview.roots, now_ms)?;
    Ok(preview)
}

/// As if all that is new stayed too small for its archive class.
fn merges(
    journal: Option<&Journal>,
    request: &RunRequest,
    options: &BackupOptions,
    roots: &[RootPreview],
    now_ms: i64,
) -> Result<Vec<PackGroup>, RunError> {
    let Some(rule) = &options.merge else { return Ok(vec![]) };
    let waiting = journal.map_or(Ok(Vec::new()), Journal::arena_waiting)?;
    let merge_of = |class: StorageClass| {
        let of_class = waiting.iter().filter(|pack| pack.class == class);
        let oldest = of_class.clone().map(|pack| pack.since_ms).min().unwrap_or(now_ms);
        let small = request.roots.iter().zip(roots).filter(|(plan, _)| plan.class == class).map(|(plan, root)| {
            pack_groups(&Placement::new(class, options), root.bytes)
                .filter(|group| group.class != plan.class)
                .map(|group| group.bytes)
                .sum::<u64>()
        });
        let bytes = of_class.map(|pack| pack.size).sum::<u64>() + small.sum::<u64>();
        (bytes > 0 && rule.is_due(bytes, oldest, now_ms)).then_some(PackGroup { class, packs: 1, bytes })
    };
    Ok(StorageClass::ALL.into_iter().filter_map(merge_of).collect())
}

/// A folder is read as it is now: nothing is frozen for a look.
fn look(
    journal: Option<&Journal>,
    plan: &RootPlan,
    request: &RunRequest,
    stop: &AtomicBool,
) -> Result<RootPreview, RunError> {
    if let Some(guard) = &plan.guard {
        guard().map_err(|problem| RunError::Doubtful { root: plan.id.clone(), problem: Box::new(problem) })?;
    }
    let view = View::live(&plan.path).map_err(|source| RunError::Source { root: plan.id.clone(), source })?;
    let distrust = journal.map(|journal| journal.distrust(&plan.id)).transpose()?.flatten();
    let options = ScanOptions {
        rules: plan.rules.clone(),
        read_all: reads_all(distrust, plan.scope),
        own: own_inodes(&request.own_dirs),
        own_paths: own_paths(&request.own_dirs, &plan.path),
        cut_before: None,
    };
    let known = Known(journal.map(|journal| LocalNodes { journal: journal.clone(), root: plan.id.clone() }));
    let tree = TreeReader::new(known, tree_of(journal, &plan.id)?);
    let mut scan =
        Scan::new(&view, tree, options, Target::everything()).map_err(|error| scan_error(&plan.id, error))?;
    let mut found = RootPreview { id: plan.id.clone(), ..RootPreview::default() };
    let mut sink = |what| {
        found.add(what, plan);
        !stop.load(Ordering::Relaxed)
    };
    while scan.step(&mut sink).map_err(|error| scan_error(&plan.id, error))? {}
    Ok(found)
}

impl RootPreview {
    fn add(&mut self, found: Found, plan: &RootPlan) {
        match found {
            Found::Read(job) => (self.files, self.bytes) = (self.files + 1, self.bytes.saturating_add(job.stat.size)),
            Found::Put { .. } => self.others += 1,
            Found::Unchanged { .. } => self.unchanged += 1,
            Found::Delete(_) | Found::DeleteBelow(_) => self.gone += 1,
            Found::Problem(problem) => self.problems.push(problem.below(&plan.path)),
        }
    }
}

fn tree_of(journal: Option<&Journal>, root: &str) -> Result<Option<ChunkId>, RunError> {
    let Some(journal) = journal else { return Ok(None) };
    Ok(journal.roots()?.into_iter().find(|state| state.id == root).and_then(|state| state.tree))
}

/// Full packs, and one with the rest.
fn pack_groups(placement: &Placement, bytes: u64) -> impl Iterator<Item = PackGroup> {
    let (full, rest) = (bytes / placement.pack_bytes(), bytes % placement.pack_bytes());
    let group = |packs: u64, each: u64| {
        let class = placement.class_of(PackKind::Data, each);
        PackGroup { class, packs, bytes: packs * (each + each.div_ceil(ADDED_SHARE) + ADDED_TO_EACH) }
    };
    let groups = [group(full, placement.pack_bytes()), group(u64::from(rest > 0), rest)];
    groups.into_iter().filter(|group| group.packs > 0)
}

/// Nodes of the tree before, where there is a journal.
struct Known(Option<LocalNodes>);

impl NodeSource for Known {
    type Error = LocalNodeError;

    fn node(&self, id: &ChunkId) -> Result<Vec<u8>, LocalNodeError> {
        self.0.as_ref().ok_or(LocalNodeError::Missing)?.node(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(class: StorageClass, bytes: u64) -> Vec<(StorageClass, u64)> {
        let placement = Placement::new(class, &BackupOptions::default());
        pack_groups(&placement, bytes).map(|group| (group.class, group.packs)).collect()
    }

    #[test]
    fn content_becomes_full_packs_and_a_rest_that_stays_out_of_the_archive_when_it_is_small() {
        let (standard, deep) = (StorageClass::Standard, StorageClass::DeepArchive);
        assert_eq!(groups(standard, 0), []);
        assert_eq!(groups(standard, (128 << 20) + 1), [(standard, 2), (standard, 1)]);
        assert_eq!(groups(deep, 3 << 30), [(deep, 3)]);
        assert_eq!(groups(deep, (1 << 30) + 5), [(deep, 1), (standard, 1)]);
    }

    #[test]
    fn what_packs_hold_at_most_is_more_than_their_content() {
        let placement = Placement::new(StorageClass::Standard, &BackupOptions::default());
        for bytes in [1, 1000, 64 << 20, 1 << 40] {
            assert!(pack_groups(&placement, bytes).map(|group| group.bytes).sum::<u64>() > bytes);
        }
    }
}
